"""What the routes of endpoints take and answer. Amounts are decimal strings."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from msgspec import UNSET
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Amount, Body, Name, Place, amount_of, nanos_of
from tradewind.features.endpoints.schemas import (
    AddedTarget,
    EndpointChanges,
    EndpointRow,
    HostedModel,
    HostedModels,
    ModelPrice,
    NewEndpoint,
    NewTarget,
    TargetRow,
)
from tradewind.snapshot.contents import Conditions, Cost, Limits, Operation, Routing

_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
_Places = Annotated[list[Place], Field(max_length=64)]
_Aliases = Annotated[list[Name], Field(max_length=16)]


class RoutingBody(Body):
    sort: Literal["load", "price", "latency", "throughput"] = "load"
    queue_bound: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(
        default=None, description="Calls waiting per slot at which the next tier takes over."
    )
    first_token_bound_ms: _Positive | None = Field(
        default=None, description="Time to the first token at which the next tier takes over."
    )
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    retry_timeouts: bool = Field(
        default=False,
        description="Go on to another target when one took too long to begin. The first may have "
        "worked on the call, and may charge for it.",
    )

    @classmethod
    def of(cls, routing: Routing) -> Self:
        # Made of a row, whose sort the database has checked.
        return cls.model_validate(
            {
                "sort": routing.sort,
                "queue_bound": routing.queue_bound,
                "first_token_bound_ms": routing.first_token_bound_ms,
                "max_attempts": routing.max_attempts,
                "retry_timeouts": routing.retry_timeouts,
            }
        )

    def to_routing(self) -> Routing:
        return Routing(
            self.sort,
            self.queue_bound,
            self.first_token_bound_ms,
            self.max_attempts,
            self.retry_timeouts,
        )


class ConditionsBody(Body):
    """What a target must fulfil. Empty is no condition."""

    regions: _Places = Field(default_factory=list[str])
    zones: _Places = Field(default_factory=list[str])
    no_retention: bool = False
    no_training: bool = False

    @classmethod
    def of(cls, conditions: Conditions) -> Self:
        return cls(
            regions=sorted(conditions.regions),
            zones=sorted(conditions.zones),
            no_retention=conditions.no_retention,
            no_training=conditions.no_training,
        )

    def to_conditions(self) -> Conditions:
        return Conditions(
            frozenset(self.regions), frozenset(self.zones), self.no_retention, self.no_training
        )


class LimitsBody(Body):
    """Of all callers together. Null is no limit."""

    requests_per_minute: _Positive | None = None
    tokens_per_minute: _Positive | None = None
    concurrent_requests: _Positive | None = None

    @classmethod
    def of(cls, limits: Limits) -> Self:
        return cls(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            concurrent_requests=limits.concurrent_requests,
        )

    def to_limits(self) -> Limits:
        return Limits(self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests)


class CostBody(Body):
    """What the host takes: decimal amounts of `currency` for 1,000,000 tokens."""

    currency: _Currency
    input: Amount
    output: Amount


class TargetBody(Body):
    """A deployment, or a connection with the name by which its host knows the model."""

    deployment: Name | None = None
    connection: Name | None = None
    upstream_model: Name | None = None
    tier: Annotated[int, Field(ge=0, le=99)] = 0
    weight: Annotated[int, Field(ge=1, le=10_000)] = 1
    region: Place | None = Field(default=None, description="Null is what the connection says.")
    zone: Place | None = None
    retains_data: bool | None = None
    trains_on_data: bool | None = None
    quantization: Annotated[str, StringConstraints(max_length=16)] = ""
    context_tokens: _Positive | None = Field(default=None, description="Null is the model's.")
    cost: CostBody | None = None
    parameters: Annotated[list[Name], Field(max_length=200)] | None = Field(
        default=None, description="Request fields it obeys; null is all."
    )

    def to_new(self) -> NewTarget:
        cost = self.cost
        return NewTarget(
            deployment_id=self.deployment,
            connection_id=self.connection,
            upstream_model=self.upstream_model,
            tier=self.tier,
            weight=self.weight,
            region=self.region,
            zone=self.zone,
            retains_data=self.retains_data,
            trains_on_data=self.trains_on_data,
            quantization=self.quantization,
            context_tokens=self.context_tokens,
            cost=(
                None
                if cost is None
                else Cost(cost.currency, nanos_of(cost.input), nanos_of(cost.output))
            ),
            parameters=None if self.parameters is None else frozenset(self.parameters),
        )


class TargetsBody(Body):
    targets: Annotated[list[TargetBody], Field(max_length=64)]


class EndpointBody(Body):
    model: Name = Field(description="A model of the catalog, publisher/model.")
    name: Name | None = Field(default=None, description="Null is the model's own.")
    aliases: _Aliases = Field(default_factory=list[str])
    is_shared: bool = True
    is_enabled: bool = True
    routing: RoutingBody = RoutingBody()
    conditions: ConditionsBody = ConditionsBody()
    limits: LimitsBody = LimitsBody()
    targets: Annotated[list[TargetBody], Field(max_length=64)] = Field(
        default_factory=list[TargetBody]
    )

    def to_new(self) -> NewEndpoint:
        return NewEndpoint(
            model=self.model,
            name=self.name,
            aliases=self.aliases,
            is_shared=self.is_shared,
            is_enabled=self.is_enabled,
            routing=self.routing.to_routing(),
            conditions=self.conditions.to_conditions(),
            limits=self.limits.to_limits(),
            targets=[target.to_new() for target in self.targets],
        )


class EndpointPatch(Body):
    """What is named is changed; `routing`, `conditions` and `limits` as a whole each."""

    aliases: _Aliases = Field(default_factory=list[str])
    is_enabled: bool = True
    routing: RoutingBody = RoutingBody()
    conditions: ConditionsBody = ConditionsBody()
    limits: LimitsBody = LimitsBody()

    def to_changes(self) -> EndpointChanges:
        named = self.model_fields_set
        return EndpointChanges(
            aliases=self.aliases if "aliases" in named else UNSET,
            is_enabled=self.is_enabled if "is_enabled" in named else UNSET,
            routing=self.routing.to_routing() if "routing" in named else UNSET,
            conditions=self.conditions.to_conditions() if "conditions" in named else UNSET,
            limits=self.limits.to_limits() if "limits" in named else UNSET,
        )


class TargetAnswer(BaseModel):
    id: str
    deployment: str | None
    connection: str | None
    upstream_model: str | None
    tier: int
    weight: int
    region: str | None
    zone: str | None
    retains_data: bool | None
    trains_on_data: bool | None
    quantization: str
    context_tokens: int | None
    cost: CostBody | None
    parameters: list[str] | None

    @classmethod
    def of(cls, row: TargetRow) -> Self:
        cost = row.cost
        return cls(
            id=row.id,
            deployment=row.deployment_id,
            connection=row.connection_id,
            upstream_model=row.upstream_model,
            tier=row.tier,
            weight=row.weight,
            region=row.region,
            zone=row.zone,
            retains_data=row.retains_data,
            trains_on_data=row.trains_on_data,
            quantization=row.quantization,
            context_tokens=row.context_tokens,
            cost=(
                None
                if cost is None
                else CostBody(
                    currency=cost.currency,
                    input=amount_of(cost.input_nanos),
                    output=amount_of(cost.output_nanos),
                )
            ),
            parameters=None if row.parameters is None else sorted(row.parameters),
        )


class EndpointAnswer(BaseModel):
    id: str
    name: str = Field(description="What a call sends as `model`.")
    aliases: list[str]
    is_shared: bool = Field(description="Everybody's, or one organization's.")
    project: str | None = Field(description="Whose alone it is; null is all projects'.")
    is_enabled: bool
    routing: RoutingBody
    conditions: ConditionsBody
    limits: LimitsBody
    targets: list[TargetAnswer] = Field(description="In their order within a tier.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: EndpointRow) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            aliases=list(row.aliases),
            is_shared=row.is_shared,
            project=row.project_id,
            is_enabled=row.is_enabled,
            routing=RoutingBody.of(row.routing),
            conditions=ConditionsBody.of(row.conditions),
            limits=LimitsBody.of(row.limits),
            targets=[TargetAnswer.of(target) for target in row.targets],
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class EndpointPage(BaseModel):
    endpoints: list[EndpointAnswer]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


# --- models of a connection -----------------------------------------------------------------


class ModelPriceBody(Body):
    """Decimal amounts of `currency` for 1,000,000 tokens."""

    currency: _Currency
    input: Amount
    output: Amount
    cached_input: Amount | None = Field(default=None, description="Null is as any input.")
    cache_write: Amount | None = Field(default=None, description="Null is as any input.")

    @classmethod
    def of(cls, price: ModelPrice) -> Self:
        written = price.cache_write_nanos
        return cls(
            currency=price.currency,
            input=amount_of(price.input_nanos),
            output=amount_of(price.output_nanos),
            cached_input=amount_of(price.cached_input_nanos),
            cache_write=None if written is None else amount_of(written),
        )

    def to_price(self) -> ModelPrice:
        return ModelPrice(
            self.currency,
            nanos_of(self.input),
            nanos_of(self.output),
            nanos_of(self.input if self.cached_input is None else self.cached_input),
            None if self.cache_write is None else nanos_of(self.cache_write),
        )


class HostedModelBody(Body):
    """What is left out comes from the list of known hosts."""

    upstream_model: Name
    name: Name | None = Field(default=None, description="In the catalog: publisher/model.")
    display_name: Name | None = None
    operation: Annotated[Operation, Field(strict=False)] | None = None
    context_tokens: _Positive | None = None
    max_output_tokens: _Positive | None = None
    dimensions: _Positive | None = None
    cost: ModelPriceBody | None = Field(default=None, description="What the host takes.")
    price: ModelPriceBody | None = Field(
        default=None, description="What callers pay; null is the cost with the margin on it."
    )


class HostedModelsBody(Body):
    models: Annotated[list[HostedModelBody], Field(min_length=1, max_length=500)]
    margin_percent: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}(\.[0-9]{1,2})?$")] = "0"

    def to_wanted(self) -> HostedModels:
        return HostedModels(
            models=[
                HostedModel(
                    upstream_model=model.upstream_model,
                    name=model.name,
                    display_name=model.display_name,
                    operation=model.operation,
                    context_tokens=model.context_tokens,
                    max_output_tokens=model.max_output_tokens,
                    dimensions=model.dimensions,
                    cost=None if model.cost is None else model.cost.to_price(),
                    price=None if model.price is None else model.price.to_price(),
                )
                for model in self.models
            ],
            margin_percent=Decimal(self.margin_percent),
        )


class AddedModel(BaseModel):
    upstream_model: str
    name: str = Field(description="What a call sends as `model`.")
    endpoint: str
    target: str
    is_new_model: bool
    is_new_target: bool
    price: ModelPriceBody | None = Field(description="Null when the model had one already.")
    notes: list[str]

    @classmethod
    def of(cls, added: AddedTarget) -> Self:
        return cls(
            upstream_model=added.upstream_model,
            name=added.name,
            endpoint=added.endpoint_id,
            target=added.target_id,
            is_new_model=added.is_new_model,
            is_new_target=added.is_new_target,
            price=None if added.price is None else ModelPriceBody.of(added.price),
            notes=list(added.notes),
        )


class AddedModels(BaseModel):
    models: list[AddedModel]

    @classmethod
    def of(cls, added: Sequence[AddedTarget]) -> Self:
        return cls(models=[AddedModel.of(one) for one in added])
