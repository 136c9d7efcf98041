"""What is told of the archive, and the store it is kept in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from tradewind.features.metering.archive.rules import Totals


class Stretch(NamedTuple):
    """Of time, without its end."""

    since: datetime
    until: datetime


class PartState(StrEnum):
    EXPORTED = "exported"
    VERIFIED = "verified"
    DETACHED = "detached"
    DROPPED = "dropped"


class Step(StrEnum):
    """What was just done, of a part; a process that is killed behind any of them is followed by
    another one.
    """

    WRITTEN = "written"
    """The file is made, and known to nobody yet."""
    EXPORTED = "exported"
    STORED = "stored"
    VERIFIED = "verified"
    DETACHED = "detached"
    COUNTED = "counted"
    """What was detached was found to be what is in the file."""
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Part:
    """A row of `usage_archive`; the fields are its columns."""

    day: date
    part: int
    state: PartState
    store: str
    location: str
    size_bytes: int
    sha256: bytes
    totals: Totals
    exported_at: datetime
    verified_at: datetime | None = None
    detached_at: datetime | None = None
    dropped_at: datetime | None = None


class ArchiveStore(Protocol):
    """Where files are kept: any store of artifacts is one."""

    @property
    def name(self) -> str: ...

    def put(self, location: str, source: Path) -> None: ...

    def size(self, location: str) -> int | None: ...

    def stream(self, location: str, start: int, count: int) -> Iterator[bytes]: ...

    def delete(self, location: str) -> None: ...

    def local_path(self, location: str) -> Path | None: ...
