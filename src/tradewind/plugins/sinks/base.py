"""What a sink does for the platform."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, NamedTuple, Protocol

SOURCE = "tradewind"
"""By what services know where an event comes from."""


class Parcel(NamedTuple):
    parcel_id: str
    """Stays the same over all attempts: the idempotency key."""
    hour: datetime
    subject: str
    customer: str
    """What the subject is called there."""
    model: str
    meter: str
    quantity: int
    """Below zero takes back what was sent before."""


@dataclass(frozen=True, slots=True)
class SinkRequest:
    """One POST below the sink's base URL."""

    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    parcel_ids: tuple[str, ...]
    """What it carries."""


class Fate(StrEnum):
    TAKEN = "taken"
    """Also when it had come before."""
    AGAIN = "again"
    REFUSED = "refused"
    """It will never be taken as it is."""


class SinkVerdict(NamedTuple):
    fate: Fate
    why: str = ""
    taken: frozenset[str] = frozenset()
    """With AGAIN: what was taken all the same."""
    refused: frozenset[str] = frozenset()
    """With AGAIN: what will never be."""


class Sink(Protocol):
    name: ClassVar[str]
    label: ClassVar[str]
    needs_credential: ClassVar[bool]
    takes_back: ClassVar[bool]
    """Whether quantities below zero are taken."""
    needs_customers: ClassVar[bool]
    """Whether a subject has to be mapped before anything of it is sent."""
    default_url: ClassVar[str]
    """Where it is reached; empty where everybody has their own."""

    def requests(self, credential: str, parcels: Sequence[Parcel]) -> list[SinkRequest]:
        """Return requests that together carry all parcels."""
        ...

    def verdict(self, request: SinkRequest, status: int | None, body: bytes) -> SinkVerdict:
        """Read an answer; `status` is None where there was none."""
        ...


def in_batches(parcels: Sequence[Parcel], size: int) -> Iterator[Sequence[Parcel]]:
    for start in range(0, len(parcels), size):
        yield parcels[start : start + size]


def time_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def usual_verdict(status: int | None) -> SinkVerdict:
    """Return what a status means where a service says nothing of its own."""
    if status is None:
        return SinkVerdict(Fate.AGAIN, "there was no answer")
    if 200 <= status < 300:
        return SinkVerdict(Fate.TAKEN)
    # A credential that is not taken now may be mended; what is sent is not at fault.
    if status in {401, 402, 403, 404, 408, 409, 425, 429} or status >= 500 or status < 400:
        return SinkVerdict(Fate.AGAIN, f"the answer was {status}")
    return SinkVerdict(Fate.REFUSED, f"the answer was {status}")
