"""What safety asks of the rest of the platform."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from tradewind.features.safety.rules.past_calls import History, PastFlag
from tradewind.features.safety.schemas import Subject, SubjectKind


@dataclass(frozen=True, slots=True)
class PlatformReaders:
    """Answered by the read models."""

    find_subject: Callable[[Connection, SubjectKind, str], Subject | None]
    """What has this id, whoever owns it."""
    missing_endpoints: Callable[[Connection, str, Collection[str]], set[str]]
    """Which of these names the organization (its id) can call no endpoint by."""
    missing_connections: Callable[[Connection, str, Collection[str]], set[str]]
    """Which of these ids are no connection of the organization."""


@dataclass(frozen=True, slots=True)
class FlaggedCall:
    """A call of which checks had something to say."""

    at: datetime
    event_id: UUID
    project_id: str
    action: str
    """The gravest that followed then; empty: none."""
    flags: tuple[PastFlag, ...]
    failed: frozenset[str]
    """Names of checks that could not tell."""


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A call whose contents were kept."""

    at: datetime
    event_id: UUID
    project_id: str
    prompt: bytes
    answer: bytes
    is_cut: bool


@dataclass(frozen=True, slots=True)
class PastReaders:
    """An organization's calls that are over. Bounds are half open; the newest come first."""

    history: Callable[[Connection, str], History]
    count_calls: Callable[[Connection, str, datetime, datetime], Mapping[str, int]]
    """By project: calls that were answered or refused by a policy."""
    flagged_calls: Callable[[Connection, str, datetime, datetime, int], Sequence[FlaggedCall]]
    kept_calls: Callable[[Connection, str, datetime, datetime, int], Sequence[KeptCall]]
    """Empty where the organization keeps no contents, for those it keeps no more too."""
