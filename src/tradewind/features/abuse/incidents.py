"""Incidents: what went wrong, whom it affected, and what was learned."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, MalformedId, NotFound
from tradewind.core.ids import IncidentId
from tradewind.core.permissions import Permission, require
from tradewind.features.abuse import rows
from tradewind.features.abuse.errors import CaseMove, PostmortemMissing
from tradewind.features.abuse.repository import incidents as repository
from tradewind.features.abuse.rules.words import clean_affected, clean_text, clean_title
from tradewind.features.abuse.schemas import IncidentRow, TrailRow
from tradewind.features.abuse.trail import Trail
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer

SHOWN_MAX = 200


class Incidents:
    def __init__(self, clock: Clock, trail: Trail) -> None:
        self._clock = clock
        self._trail = trail

    def listed(self, tx: Connection, actor: Actor) -> list[IncidentRow]:
        """Return what is open first: all of them for a reviewer, else what names the actor's
        organization.
        """
        require(actor, Permission.SAFETY_READ)
        affecting = None if may_review(actor) else _naming(actor)
        found = repository.list_incidents(tx, SHOWN_MAX, affecting=affecting)
        return [_shown(row, actor) for row in found]

    def get(self, tx: Connection, actor: Actor, incident_id: str) -> IncidentRow:
        return _shown(self._find(tx, actor, incident_id), actor)

    def trail(self, tx: Connection, actor: Actor, incident_id: str) -> list[TrailRow]:
        """Return what was done about it; for reviewers."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        row = self._find(tx, actor, incident_id)
        return self._trail.of(tx, row.id, names_reviewers=True)

    def open(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        *,
        severity: int,
        title: str,
        description: str,
        affected: Iterable[str] = (),
    ) -> IncidentRow:
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        incident_id = IncidentId.new()
        values: dict[str, Any] = {
            "id": incident_id,
            "severity": _clean_severity(severity),
            "title": clean_title(title),
            "description": clean_text(description, "what happened"),
            "affected": clean_affected(affected),
            "opened_at": self._clock.now(),
            "opened_by": by.name,
        }
        repository.add_incident(tx, values)
        self._note(tx, incident_id, f"opened with severity {severity}", by, values["title"])
        return self.get(tx, actor, incident_id)

    def change(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        incident_id: str,
        *,
        severity: int | None = None,
        description: str | None = None,
        affected: Iterable[str] | None = None,
        postmortem: str | None = None,
    ) -> IncidentRow:
        """Change what is named; the rest stays. What was said before is in the trail. Raises
        CaseMove for one that is closed.
        """
        row = self.require_open(tx, actor, incident_id)
        values: dict[str, Any] = {}
        if severity is not None:
            values["severity"] = _clean_severity(severity)
        if description is not None:
            values["description"] = clean_text(description, "what happened")
        if affected is not None:
            values["affected"] = clean_affected(affected)
        if postmortem is not None:
            values["postmortem"] = clean_text(postmortem, "a postmortem")
        before = row._asdict() | {"affected": list(row.affected)}
        for name, value in values.items():
            if value != before[name]:
                said = f"{before[name]} became {value}" if name == "severity" else str(value)
                self._note(tx, row.incident_id, f"{name} changed", by, said)
        if values:
            repository.update_incident(tx, row.incident_id, values)
        return self.get(tx, actor, incident_id)

    def close(self, tx: Connection, actor: Actor, by: By, incident_id: str) -> IncidentRow:
        """Raises PostmortemMissing (409) before it says what was learned, CaseMove while one of its
        endpoints is stopped.
        """
        row = self.require_open(tx, actor, incident_id)
        if not row.postmortem:
            raise PostmortemMissing(
                "this incident has no postmortem", hint="write what was learned, then close it"
            )
        switches = repository.list_switches(tx, SHOWN_MAX, incident_id=row.incident_id)
        if any(switch.lifted_at is None for switch in switches):
            raise CaseMove("an endpoint of this incident is stopped", hint="let it answer first")
        repository.update_incident(tx, row.incident_id, {"closed_at": self._clock.now()})
        self._note(tx, row.incident_id, "closed", by, "")
        return self.get(tx, actor, incident_id)

    def require_open(self, tx: Connection, actor: Actor, incident_id: str) -> IncidentRow:
        """Lock one that is not closed. Raises CaseMove, NotFound."""
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        row = rows.incident_row(self._find(tx, actor, incident_id, locks=True))
        if row.closed_at is not None:
            raise CaseMove("this incident is closed", hint="open another one")
        return row

    def _note(self, tx: Connection, incident_id: str, move: str, by: By, detail: str) -> None:
        self._trail.note(tx, incident_id, move, by, detail, organization_id=None)

    def _find(
        self, tx: Connection, actor: Actor, incident_id: str, *, locks: bool = False
    ) -> Row[Any]:
        is_reviewer = may_review(actor)
        if not is_reviewer:
            require(actor, Permission.SAFETY_READ)
        try:
            found = repository.find_incident(tx, IncidentId.parse(incident_id), locks=locks)
        except MalformedId:
            found = None
        if found is None or not (is_reviewer or _naming(actor) in found.affected):
            raise NotFound(f"there is no incident {incident_id[:64]!r}", hint="list the incidents")
        return found


def _naming(actor: Actor) -> str:
    return f"organization:{actor.organization_id}"


def _shown(row: Row[Any], actor: Actor) -> IncidentRow:
    """Whoever is affected does not read who else is, nor who works for the platform."""
    found = rows.incident_row(row)
    if may_review(actor):
        return found
    return found._replace(affected=(_naming(actor),), opened_by=rows.THE_PLATFORM)


def _clean_severity(severity: int) -> int:
    if not 1 <= severity <= 4:
        raise InvalidInput("a severity is 1 to 4", hint="1 is the gravest")
    return severity
