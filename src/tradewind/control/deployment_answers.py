"""What the routes of deployments take and answer."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import UNSET
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Amount, Body, Name, nanos_of
from tradewind.features.deployments.fit import Fit
from tradewind.features.deployments.schemas import (
    Deployable,
    DeploymentChanges,
    NewDeployment,
    Price,
    Strategy,
)
from tradewind.plugins.engines.engine_logs import Tail
from tradewind.readmodels.deployments import DeploymentView, ReplicaView, RevisionView

_Slots = Annotated[int, Field(ge=1, le=64)]
_Threads = Annotated[int, Field(ge=1, le=256)]
_Context = Annotated[int, Field(ge=1, le=16 * 1024 * 1024)]
_Replicas = Annotated[int, Field(ge=0, le=16)]
_Strategy = Annotated[
    Literal["start_first", "stop_first"] | None,
    Field(
        description="Start the new one beside the former, or end the former first, where both do"
        " not fit; null is as it fits."
    ),
]


class PriceBody(Body):
    """Decimal amounts of `currency` for 1,000,000 tokens."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    input: Amount
    output: Amount

    def to_price(self) -> Price:
        return Price(self.currency, nanos_of(self.input), nanos_of(self.output))


class DeploymentBody(Body):
    model: Name = Field(description="A model of the catalog, publisher/model.")
    version: Name | None = Field(
        default=None, description="Label, or sha256: and the digest; null is the newest here."
    )
    slots: _Slots = Field(default=4, description="Requests worked on at once.")
    context_tokens: _Context | None = Field(
        default=None, description="That each request has; null is the most that fits."
    )
    threads: _Threads = 1
    replicas: _Replicas = 1
    override_fit: bool = Field(
        default=False, description="Deploy although it is not estimated to fit."
    )
    price: PriceBody | None = Field(
        default=None, description="For a model that has none yet; null is free."
    )

    def to_new(self) -> NewDeployment:
        return NewDeployment(
            model=self.model,
            version=self.version,
            slots=self.slots,
            context_tokens=self.context_tokens,
            threads=self.threads,
            replicas=self.replicas,
            is_override=self.override_fit,
            price=None if self.price is None else self.price.to_price(),
        )


class DeploymentPatch(Body):
    """What is named makes another revision, except `replicas`."""

    version: Name | None = None
    slots: _Slots | None = None
    context_tokens: _Context | None = None
    threads: _Threads | None = None
    replicas: _Replicas | None = Field(default=None, description="0 stops it.")
    override_fit: bool = False
    strategy: _Strategy = None

    def to_changes(self) -> DeploymentChanges:
        return DeploymentChanges(
            version=UNSET if self.version is None else self.version,
            slots=UNSET if self.slots is None else self.slots,
            context_tokens=UNSET if self.context_tokens is None else self.context_tokens,
            threads=UNSET if self.threads is None else self.threads,
            is_override=self.override_fit,
            strategy=strategy_of(self.strategy),
        )


class RollBackBody(Body):
    revision: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Null is the last other one that was ready."
    )
    strategy: _Strategy = None


def strategy_of(text: str | None) -> Strategy | None:
    return None if text is None else Strategy(text)


class FitAnswer(BaseModel):
    """An estimate; amounts are bytes."""

    verdict: str
    reasons: list[str]
    weights_bytes: int
    cache_bytes: int | None
    cache_token_bytes: int | None
    overhead_bytes: int
    replica_bytes: int
    replicas: int
    total_bytes: int
    kept_prompts_bytes: int
    available_bytes: int
    memory_bytes: int
    context_tokens: int
    slots: int
    threads: int
    cores: int
    is_estimate: bool = True

    @classmethod
    def of(cls, fit: Fit) -> Self:
        return cls.model_validate(msgspec.to_builtins(fit))


class LookAnswer(BaseModel):
    """What deploying would take."""

    model: str
    version: str
    versions: list[str]
    operation: str
    is_sealed: bool
    trained_tokens: int
    has_price: bool
    deployment: str | None = Field(description="Of this version, if it is deployed already.")
    fit: FitAnswer

    @classmethod
    def of(cls, found: Deployable) -> Self:
        return cls(
            model=found.model,
            version=found.version,
            versions=list(found.versions),
            operation=found.operation,
            is_sealed=found.is_sealed,
            trained_tokens=found.trained_tokens,
            has_price=found.has_price,
            deployment=found.deployment_id,
            fit=FitAnswer.of(found.fit),
        )


class StageAnswer(BaseModel):
    stage: str
    at: datetime


class ReplicaAnswer(BaseModel):
    id: str
    number: int
    revision: int
    state: str
    stage: str
    percent: int | None
    detail: str
    stages: list[StageAnswer]
    updated_at: datetime

    @classmethod
    def of(cls, view: ReplicaView) -> Self:
        return cls(
            id=view.replica_id,
            number=view.number,
            revision=view.revision,
            state=view.state,
            stage=view.stage,
            percent=view.percent,
            detail=view.detail,
            stages=[StageAnswer(stage=stage, at=at) for stage, at in view.stages],
            updated_at=view.updated_at,
        )


class DeploymentAnswer(BaseModel):
    id: str
    model: str
    version: str
    operation: str
    is_sealed: bool
    engine: str
    state: str
    trouble: str
    slots: int
    context_tokens: int
    threads: int
    replicas_wanted: int
    replicas_ready: int
    strategy: str = Field(description="How the current revision takes the former's place.")
    revision: int
    good_revision: int | None
    endpoint: str | None
    endpoint_id: str | None
    replicas: list[ReplicaAnswer]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: DeploymentView) -> Self:
        return cls(
            id=view.deployment_id,
            model=view.model,
            version=view.version,
            operation=view.operation,
            is_sealed=view.is_sealed,
            engine=view.engine,
            state=view.state,
            trouble=view.trouble,
            slots=view.slots,
            context_tokens=view.context_tokens,
            threads=view.threads,
            replicas_wanted=view.replicas_wanted,
            replicas_ready=view.replicas_ready,
            strategy=view.strategy,
            revision=view.revision,
            good_revision=view.good_revision,
            endpoint=view.endpoint,
            endpoint_id=view.endpoint_id,
            replicas=[ReplicaAnswer.of(each) for each in view.replicas],
            created_at=view.created_at,
            updated_at=view.updated_at,
        )


class DeploymentPage(BaseModel):
    deployments: list[DeploymentAnswer]
    next: str | None


class RevisionAnswer(BaseModel):
    number: int
    version: str
    engine: str
    slots: int
    context_tokens: int | None
    threads: int
    state: str
    reason: str
    fit: dict[str, Any] = Field(description="The estimate it was made on; empty is none.")
    is_override: bool
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, view: RevisionView) -> Self:
        return cls(
            number=view.number,
            version=view.version,
            engine=view.engine,
            slots=view.slots,
            context_tokens=view.context_tokens,
            threads=view.threads,
            state=view.state,
            reason=view.reason,
            fit=dict(view.fit),
            is_override=view.is_override,
            created_by=view.created_by,
            created_at=view.created_at,
        )


class RevisionList(BaseModel):
    revisions: list[RevisionAnswer]


class LogAnswer(BaseModel):
    text: str
    is_cut: bool = Field(description="There is more before it.")
    position: int = Field(description="`since` of the next call, to be told what is new.")
    first_error: str
    replicas: list[int] = Field(description="Numbers of the replicas that left a log.")

    @classmethod
    def of_tail(cls, tail: Tail, first_error: str, replicas: list[int]) -> Self:
        return cls(
            text=tail.text,
            is_cut=tail.is_cut,
            position=tail.position,
            first_error=first_error,
            replicas=replicas,
        )
