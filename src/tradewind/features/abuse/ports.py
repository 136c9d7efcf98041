"""What abuse asks of others: it is read across features, so the composition root hands it in."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import Connection

from tradewind.core.ids import OrganizationId
from tradewind.features.abuse.schemas import FlaggedCall, Found, KeptContent, LastToken, RatedCall


class CountFindings(Protocol):
    def __call__(self, tx: Connection, organization_id: str, now: datetime) -> Sequence[Found]:
        """Return what was found in a week, by key, without keys for red teaming, and of each key
        and of the organization only what came after its last case was closed.
        """
        ...


class OrganizationsFound(Protocol):
    def __call__(self, tx: Connection, now: datetime, *, after: str, limit: int) -> Sequence[str]:
        """Return who had calls examined in the last week, by id, from behind `after`."""
        ...


class FlaggedCalls(Protocol):
    def __call__(
        self, tx: Connection, organization_id: str, key_id: str, now: datetime, limit: int
    ) -> Sequence[FlaggedCall]:
        """Return calls of a week in which something was found, the newest first; of an empty key
        those of all but red-team keys.
        """
        ...


class FindFlaggedCall(Protocol):
    def __call__(
        self, tx: Connection, organization_id: str, key_id: str, event_id: UUID
    ) -> FlaggedCall | None: ...


class ReadContent(Protocol):
    def __call__(
        self, tx: Connection, organization_id: str, event_id: UUID, now: datetime
    ) -> KeptContent | None:
        """Return what is kept of a call; None where nothing is, or not any more."""
        ...


class KeepsContent(Protocol):
    def __call__(self, tx: Connection, organization_id: str) -> bool: ...


class OrganizationNames(Protocol):
    def __call__(self, tx: Connection, organizations: Collection[str]) -> Mapping[str, str]:
        """Return what people call those of them that are there."""
        ...


class HasKey(Protocol):
    def __call__(self, tx: Connection, organization_id: str, key_id: str) -> bool: ...


class FindEndpoint(Protocol):
    def __call__(self, tx: Connection, name: str) -> str | None:
        """Return the id of the endpoint of this name."""
        ...


class MeasureLastToken(Protocol):
    def __call__(self, tx: Connection, endpoint: str, stopped_at: datetime) -> LastToken: ...


class FindRated(Protocol):
    def __call__(
        self, tx: Connection, organization_id: str, event_id: UUID
    ) -> RatedCall | None: ...


class Suspend(Protocol):
    """Suspends keys and organizations where they are kept; see accounts."""

    def suspend_key(self, tx: Connection, organization_id: OrganizationId, key_id: str) -> None: ...

    def lift_key(self, tx: Connection, organization_id: OrganizationId, key_id: str) -> None: ...

    def suspend_organization(self, tx: Connection, organization_id: OrganizationId) -> None: ...

    def lift_organization(self, tx: Connection, organization_id: OrganizationId) -> None: ...


class AbuseReaders(NamedTuple):
    count_findings: CountFindings
    organizations: OrganizationsFound
    flagged_calls: FlaggedCalls
    find_flagged_call: FindFlaggedCall
    read_content: ReadContent
    keeps_content: KeepsContent
    names: OrganizationNames
    has_key: HasKey
    find_endpoint: FindEndpoint
    last_token: MeasureLastToken
    find_rated: FindRated
