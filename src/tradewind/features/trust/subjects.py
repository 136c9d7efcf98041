"""Who a subject belongs to, the rules of its release, and the trail of what was done about it."""

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import NotFound
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, may_review
from tradewind.features.trust import repository, rows
from tradewind.features.trust.ports import FindSubject
from tradewind.features.trust.schemas import (
    OwnedSubject,
    ReleaseRules,
    RulesRow,
    Subject,
    TrailRow,
)

TRAIL_SHOWN = 200
OWN_SHOWN = 100
_BUILT_IN = RulesRow(0, ReleaseRules(), "the platform", None, "as it comes")


class Subjects:
    def __init__(self, find_subject: FindSubject, clock: Clock) -> None:
        self._find_subject = find_subject
        self._clock = clock

    def require_owned(self, tx: Connection, actor: Actor, subject: Subject) -> OwnedSubject:
        """Raises NotFound unless it is the actor's organization's."""
        found = self.require_known(tx, subject)
        if found.organization_id != actor.organization_id:
            raise _not_found(subject)
        return found

    def require_seen(self, tx: Connection, actor: Actor, subject: Subject) -> OwnedSubject:
        """Raises NotFound unless it is the actor's organization's, or the actor reviews."""
        found = self.require_known(tx, subject)
        if not may_review(actor):
            require(actor, Permission.PUBLISHING_READ)
            if found.organization_id != actor.organization_id:
                raise _not_found(subject)
        return found

    def require_known(self, tx: Connection, subject: Subject) -> OwnedSubject:
        found = self._find_subject(tx, subject)
        if found is None:
            raise _not_found(subject)
        return found

    def rules(self, tx: Connection) -> RulesRow:
        """Return the rules of release that hold; version 0 is as the platform comes."""
        row = repository.newest_rules(tx)
        return _BUILT_IN if row is None else rows.rules_row(row)

    def note(self, tx: Connection, subject: Subject, move: str, by: By, detail: str) -> None:
        """Write into the trail."""
        repository.add_event(
            tx,
            {
                "subject": str(subject),
                "at": self._clock.now(),
                "move": move,
                "by_id": by.id,
                "by_name": by.name,
                "detail": detail,
            },
        )

    def own(self, tx: Connection, actor: Actor) -> list[Subject]:
        """Return what the actor's organization has assessed, the newest first."""
        require(actor, Permission.PUBLISHING_READ)
        found = repository.list_assessments(tx, actor.organization_id, OWN_SHOWN)
        return [rows.parse_subject(row.subject) for row in found]

    def standing(self, tx: Connection, actor: Actor) -> list[Subject]:
        """Return those of `own` that are there still: a draft that was assessed may be deleted."""
        found = ((each, self._find_subject(tx, each)) for each in self.own(tx, actor))
        return [
            subject
            for subject, owned in found
            if owned is not None and owned.organization_id == actor.organization_id
        ]

    def trail(
        self,
        tx: Connection,
        actor: Actor,
        subject: Subject | None = None,
        *,
        before: int | None = None,
    ) -> list[TrailRow]:
        """Return what was done about a subject, or about all own ones, the newest first.

        Raises NotFound.
        """
        if subject is None:
            names = [str(each) for each in self.own(tx, actor)]
        else:
            self.require_seen(tx, actor, subject)
            names = [str(subject)]
        found = repository.events_of(tx, names, before=before, limit=TRAIL_SHOWN)
        return [rows.trail_row(row) for row in found]


def _not_found(subject: Subject) -> NotFound:
    return NotFound(
        f"there is no {subject.kind.value} {subject.name[:100]!r} of your organization",
        hint="check its name",
    )
