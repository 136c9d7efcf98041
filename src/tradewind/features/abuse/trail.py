"""The trail: who did what. Nothing in it is changed or removed."""

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.features.abuse import rows
from tradewind.features.abuse.repository import trail as repository
from tradewind.features.abuse.schemas import TrailRow
from tradewind.features.accounts.schemas import Actor

TRAIL_SHOWN = 200
_DETAIL_MAX = 4_000


class Trail:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def note(
        self,
        tx: Connection,
        subject: str,
        move: str,
        by: By,
        detail: str = "",
        *,
        organization_id: OrganizationId | None,
        is_by_platform: bool = True,
    ) -> None:
        """Write a line, which the organization reads too where one is named."""
        repository.add_event(
            tx,
            {
                "subject": subject,
                "organization_id": organization_id,
                "at": self._clock.now(),
                "move": move,
                "by_id": by.id,
                "by_name": by.name,
                "is_by_platform": is_by_platform,
                "detail": detail[:_DETAIL_MAX],
            },
        )

    def own(self, tx: Connection, actor: Actor, *, before: int | None = None) -> list[TrailRow]:
        """Return what was done about the actor's organization, the newest first."""
        require(actor, Permission.SAFETY_READ)
        found = repository.events_of_organization(
            tx, actor.organization_id, before=before, limit=TRAIL_SHOWN
        )
        return [rows.trail_row(row, names_reviewers=False) for row in found]

    def of(self, tx: Connection, subject: str, *, names_reviewers: bool) -> list[TrailRow]:
        """Return what was done about a subject that the caller may see: all of it with names, or
        what its organization reads.
        """
        found = repository.events_of(tx, subject, TRAIL_SHOWN)
        return [
            rows.trail_row(row, names_reviewers=names_reviewers)
            for row in found
            if names_reviewers or row.organization_id is not None
        ]
