"""What endpoints hand out and take in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from msgspec import UNSET, UnsetType

from tradewind.core.ids import (
    ConnectionId,
    DeploymentId,
    EndpointId,
    EndpointTargetId,
    ModelId,
    OrganizationId,
)
from tradewind.snapshot.contents import Conditions, Cost, Limits, Operation, Routing

_ANY_ROUTING, _NO_CONDITIONS, _NO_LIMITS = Routing(), Conditions(), Limits()


@dataclass(frozen=True, slots=True)
class NewTarget:
    """One place: a deployment, or a connection with the name its host knows the model by."""

    deployment_id: str | None = None
    connection_id: str | None = None
    upstream_model: str | None = None
    tier: int = 0
    weight: int = 1
    region: str | None = None
    """None is what the connection says, as with the three that follow."""
    zone: str | None = None
    retains_data: bool | None = None
    trains_on_data: bool | None = None
    quantization: str = ""
    context_tokens: int | None = None
    """None is the model's."""
    cost: Cost | None = None
    parameters: frozenset[str] | None = None
    """Request fields it obeys; None is unknown, which counts as all."""


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    model: str
    """Name of the model in the catalog, "publisher/slug"."""
    name: str | None = None
    """None is the model's own."""
    aliases: Sequence[str] = ()
    is_shared: bool = True
    """Everybody's; otherwise the actor's organization's."""
    is_enabled: bool = True
    routing: Routing = _ANY_ROUTING
    conditions: Conditions = _NO_CONDITIONS
    limits: Limits = _NO_LIMITS
    targets: Sequence[NewTarget] = ()


@dataclass(frozen=True, slots=True)
class EndpointChanges:
    """What is named is changed; everything else stays. A name never changes: keys name it."""

    aliases: Sequence[str] | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    routing: Routing | UnsetType = UNSET
    conditions: Conditions | UnsetType = UNSET
    limits: Limits | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class TargetRow:
    id: EndpointTargetId
    tier: int
    weight: int
    deployment_id: DeploymentId | None
    connection_id: ConnectionId | None
    upstream_model: str | None
    region: str | None
    zone: str | None
    retains_data: bool | None
    trains_on_data: bool | None
    quantization: str
    context_tokens: int | None
    cost: Cost | None
    parameters: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class EndpointRow:
    id: EndpointId
    organization_id: OrganizationId | None
    """None is everybody's."""
    name: str
    model_id: ModelId
    aliases: tuple[str, ...]
    routing: Routing
    conditions: Conditions
    limits: Limits
    is_enabled: bool
    revision: int
    created_at: datetime
    updated_at: datetime
    targets: tuple[TargetRow, ...]

    @property
    def is_shared(self) -> bool:
        return self.organization_id is None


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """Nanos of `currency` per 1,000,000 tokens."""

    currency: str
    input_nanos: int
    output_nanos: int
    cached_input_nanos: int
    cache_write_nanos: int | None = None


@dataclass(frozen=True, slots=True)
class HostedModel:
    """A model at a connection that is to be called. What is None is taken from the known host."""

    upstream_model: str
    name: str | None = None
    """In the catalog, "publisher/slug"."""
    display_name: str | None = None
    operation: Operation | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    dimensions: int | None = None
    cost: ModelPrice | None = None
    """What the host takes."""
    price: ModelPrice | None = None
    """What callers pay; None is the cost with the margin on it."""


@dataclass(frozen=True, slots=True)
class HostedModels:
    models: Sequence[HostedModel]
    margin_percent: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class AddedTarget:
    """What came of one hosted model."""

    upstream_model: str
    name: str
    endpoint_id: EndpointId
    target_id: EndpointTargetId
    is_new_model: bool
    """False when the catalog had it: it keeps its price, and its endpoint got one more target."""
    is_new_target: bool
    """False when this connection was a target of it already."""
    price: ModelPrice | None
    """What was set; None when there was a price already."""
    notes: tuple[str, ...] = field(default=())
    """What a person should know of it."""
