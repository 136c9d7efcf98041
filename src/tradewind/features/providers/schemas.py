"""What providers hand out and take in. Only `OpenConnection` holds a credential."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from tradewind.core.ids import ConnectionId, OrganizationId
from tradewind.db.sealing import Secret
from tradewind.features.providers.host_kinds import Shape
from tradewind.features.providers.service_accounts import ServiceAccount
from tradewind.snapshot.contents import Operation

HOST_CURRENCY = "USD"
"""Of all prices in the list of known hosts."""
_VARIABLE = re.compile(r"\{(\w+)\}")
_LOCAL = re.compile(r"https?://(?:127\.0\.0\.1|localhost)(?::\d+)?(?:/|$)")


class HostPrice(NamedTuple):
    """What a host takes: nanos of USD per 1,000,000 tokens. None is not told, which is not free."""

    input_nanos: int
    output_nanos: int
    cached_input_nanos: int | None = None
    cache_write_nanos: int | None = None
    from_context_tokens: int = 0
    """Holds for calls whose input is longer than this."""


class HostModel(NamedTuple):
    """A model as one host serves it."""

    id: str
    """What the host is sent as `model`."""
    name: str
    family: str
    operation: Operation | None
    """None is a kind of model that this platform does not serve (video)."""
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    context_tokens: int | None
    max_output_tokens: int | None
    prices: tuple[HostPrice, ...]
    """Ordered by the length of the input they hold from; empty when none is told."""
    has_tools: bool
    has_reasoning: bool
    has_structured_output: bool | None
    """None is not told."""
    has_open_weights: bool
    knowledge: str
    """Until when it knows the world: a year, a month or a day, as the list has it."""
    status: str
    """`deprecated`, `beta` or empty."""

    @property
    def price(self) -> HostPrice | None:
        """What an ordinary call costs."""
        return self.prices[0] if self.prices else None


class KnownHost(NamedTuple):
    id: str
    name: str
    shape: Shape
    provider: str | None
    """Member of the provider family that speaks to it; None when the host is not supported."""
    base_url: str
    """May hold `{name}`s that an account fills in; empty when it is not known."""
    unsupported_reason: str
    documentation: str
    environment: tuple[str, ...]
    """Names of the variables in which its own clients look for the credential."""
    models: tuple[HostModel, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of what has to be filled in in `base_url`."""
        return tuple(_VARIABLE.findall(self.base_url))

    @property
    def is_local(self) -> bool:
        """Whether it is a program on the operator's own machine."""
        return _LOCAL.match(self.base_url) is not None

    def model(self, model_id: str) -> HostModel | None:
        return next((model for model in self.models if model.id == model_id), None)


@dataclass(frozen=True, slots=True)
class NewConnection:
    """By the name of a known host, or by an address."""

    credential: Secret | None
    name: str | None = None
    """None is the host's own name."""
    host: str | None = None
    """Id of a known host."""
    provider: str | None = None
    """Member of the provider family; None is the known host's, or `openai_compatible`."""
    base_url: str | None = None
    """None is the known host's, with the options filled in."""
    is_shared: bool = True
    """The platform's own, offered to all; otherwise the actor's organization's."""
    is_private_network: bool = False
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    region: str = ""
    zone: str = ""
    retains_data: bool = True
    """Unless an operator knows better, a host keeps what passes through it."""
    trains_on_data: bool = True


@dataclass(frozen=True, slots=True)
class ConnectionChanges:
    """What is named is changed; everything else stays."""

    name: str | UnsetType = UNSET
    base_url: str | UnsetType = UNSET
    credential: Secret | UnsetType | None = UNSET
    is_private_network: bool | UnsetType = UNSET
    options: Mapping[str, str] | UnsetType = UNSET
    region: str | UnsetType = UNSET
    zone: str | UnsetType = UNSET
    retains_data: bool | UnsetType = UNSET
    trains_on_data: bool | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection as people and programs see it."""

    id: ConnectionId
    organization_id: OrganizationId | None
    """None is the platform's own."""
    name: str
    host: str | None
    provider: str
    base_url: str
    is_private_network: bool
    options: Mapping[str, str]
    region: str
    zone: str
    retains_data: bool
    trains_on_data: bool
    credential_hint: str
    """The last characters of a long credential; empty for a short one, and for none."""
    credential_set_at: datetime | None
    """None is a host that takes no credential."""
    revision: int
    """Grows with each change."""
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None

    @property
    def is_shared(self) -> bool:
        return self.organization_id is None


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """An enabled connection with its credential, for the compiler of the snapshot."""

    id: ConnectionId
    host: str
    """Public name of whose host it is."""
    provider: str
    address: str
    """In the form of `Target.address`."""
    base_path: str
    options: Mapping[str, str]
    region: str
    zone: str
    retains_data: bool
    trains_on_data: bool
    credential: Secret


@dataclass(frozen=True, slots=True)
class DueAccount:
    """A service account that needs a token, for whoever fetches it."""

    connection_id: ConnectionId
    credential_version: int
    account: ServiceAccount
    is_private_network: bool
    """Whether its token endpoint may be in a private network too."""
