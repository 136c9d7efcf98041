"""What is to be made of a file, and what of it is not taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tradewind.db.sealing import Secret
from tradewind.features.endpoints.schemas import ModelPrice
from tradewind.snapshot.contents import Limits, Operation, Routing

_SHOWN_CHARACTERS = 80


class Level(StrEnum):
    LEFT_OUT = "left_out"
    """The file says it and the platform does not do it after the import."""
    NOTE = "note"
    """Taken, or not needed; a person should know how."""


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    places: tuple[str, ...]
    """Where in the file: the first few of them."""
    total: int
    """How many places there are."""
    why: str
    instead: str = ""
    """The way out."""


@dataclass(frozen=True, slots=True)
class PlannedConnection:
    name: str
    """Unique within the plan; with the address it is what a second run recognizes it by."""
    host: str | None
    """Id of a known host."""
    provider: str
    base_url: str
    options: Mapping[str, str]
    credential: Secret | None
    credential_from: str
    """Where the credential was found, in words; empty without one."""
    is_private_network: bool


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    connection: str
    """Name of a planned connection."""
    upstream_model: str
    tier: int
    weight: int
    context_tokens: int | None
    max_output_tokens: int | None
    cost: ModelPrice | None


@dataclass(frozen=True, slots=True)
class PlannedEndpoint:
    name: str
    """Of the endpoint and of its model in the catalog, "publisher/slug"."""
    aliases: tuple[str, ...]
    """Among them, if calls can name it so, what clients call it today."""
    operation: Operation
    price: ModelPrice
    routing: Routing
    limits: Limits
    targets: tuple[PlannedTarget, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    connections: tuple[PlannedConnection, ...]
    endpoints: tuple[PlannedEndpoint, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Choices:
    """What whoever imports decides beyond the file."""

    with_wildcards: bool = False
    """Take all models of a host where the file says `*`."""
    default_price: ModelPrice | None = None
    """For models whose price is told neither by the file nor by the list of hosts."""
    private_hosts: frozenset[str] = frozenset()
    """Names of hosts that are in the operator's own network, though they do not look it."""


def shown(text: str) -> str:
    """Return text of a file as it may be printed: short, on one line, without controls."""
    short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return short if short.isprintable() else ascii(short)[1:-1]
