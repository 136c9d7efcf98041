"""What endpoints hand out and take in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import UNSET, UnsetType

from tradewind.core.ids import (
    ConnectionId,
    DeploymentId,
    EndpointId,
    EndpointTargetId,
    ModelId,
    OrganizationId,
    ProjectId,
)
from tradewind.features.catalog.schemas import CatalogModel, OfferRow
from tradewind.features.providers.schemas import ConnectionRow, NewConnection
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
    is_for_project: bool = False
    """The actor's project's alone; never everybody's."""
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
    project_id: ProjectId | None
    """None is all projects'."""
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


class Callers(StrEnum):
    """Who may call an endpoint."""

    PROJECT = "project"
    ORGANIZATION = "organization"
    EVERYBODY = "everybody"
    """Only an administrator of the platform may offer something to all."""


@dataclass(frozen=True, slots=True)
class CallThrough:
    """A model of the catalog that is to be called at a provider."""

    model: str
    """"publisher/slug", or an alias."""
    host: str
    """Id or name of a known host, or id of a connection."""
    upstream_model: str | None = None
    """As the host calls it; None is the cheapest offer of the model there."""
    region: str | None = None
    """None is any."""
    connection_id: str | None = None
    """None is the connection to that host that is there."""
    new_connection: NewConnection | None = None
    """An account that is to be added; one that is there with the same key is taken instead."""
    name: str | None = None
    """Of the endpoint; None is the model's."""
    callers: Callers = Callers.ORGANIZATION
    price: ModelPrice | None = None
    """What callers pay, as whoever asks has seen it. A model without a price gets this one; None
    is then what the host takes. Over an account of the asker's organization calls are counted
    at it from now on, and nobody is charged."""


@dataclass(frozen=True, slots=True)
class CallableOffer:
    """An offer of a model and how far it is from a call."""

    offer: OfferRow
    host_name: str
    connections: tuple[ConnectionRow, ...]
    """Enabled accounts at its host that the asker may use."""
    refusal: str
    """Why it cannot be called from here; empty when it can."""


@dataclass(frozen=True, slots=True)
class CallThroughLook:
    """What there is to choose from."""

    model: CatalogModel
    offers: tuple[CallableOffer, ...]
    """What can be called first, then by price."""
    price: ModelPrice | None
    """In force; None is none yet."""
    may_set_price: bool
    name: str
    """The model's own, or one beside it that is free."""


@dataclass(frozen=True, slots=True)
class CalledThrough:
    """What came of it."""

    endpoint: EndpointRow
    connection: ConnectionRow
    upstream_model: str
    price: ModelPrice
    is_new: bool
    """False when it was all there before."""


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
