"""Kill switches: an endpoint is stopped at once, what runs of it is ended, and how long that took
is measured by what gateways recorded.
"""

from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import MalformedId, NotFound
from tradewind.core.ids import KillSwitchId
from tradewind.core.permissions import Permission
from tradewind.core.reasons import clean_reason
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.abuse import rows
from tradewind.features.abuse.incidents import Incidents
from tradewind.features.abuse.ports import AbuseReaders
from tradewind.features.abuse.repository import incidents as repository
from tradewind.features.abuse.schemas import KillSwitchRow
from tradewind.features.abuse.trail import Trail
from tradewind.features.accounts.schemas import Actor, require_reviewer

SHOWN_MAX = 100


class KillSwitches:
    def __init__(
        self, clock: Clock, readers: AbuseReaders, incidents: Incidents, trail: Trail
    ) -> None:
        self._clock = clock
        self._readers = readers
        self._incidents = incidents
        self._trail = trail

    def listed(
        self, tx: Connection, actor: Actor, incident_id: str | None = None
    ) -> list[KillSwitchRow]:
        """Return what is thrown first, then the newest, with what was measured."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        found = repository.list_switches(tx, SHOWN_MAX, incident_id=incident_id)
        return [
            rows.switch_row(row, self._readers.last_token(tx, row.endpoint, row.stopped_at))
            for row in found
        ]

    def stop(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        endpoint: str,
        *,
        reason: str,
        incident_id: str | None = None,
    ) -> KillSwitchRow:
        """Stop an endpoint by its name. Idempotent: one that is stopped stays so since then.

        Raises NotFound for an endpoint or an incident that is not there, CaseMove for an incident
        that is closed.
        """
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        reason = clean_reason(reason)
        endpoint_id = self._readers.find_endpoint(tx, endpoint)
        if endpoint_id is None:
            raise NotFound(
                f"there is no endpoint {endpoint[:100]!r}", hint="name it as calls name it"
            )
        incident = None
        if incident_id is not None:
            incident = self._incidents.require_open(tx, actor, incident_id).incident_id
        switch_id = KillSwitchId.new()
        values = {
            "id": switch_id,
            "endpoint_id": endpoint_id,
            "endpoint": endpoint,
            "incident_id": incident,
            "reason": reason,
            "stopped_at": self._clock.now(),
            "stopped_by": by.name,
        }
        if repository.add_switch(tx, values):
            record_change(tx, ChangeKind.ENDPOINTS)
            subject = incident or switch_id
            self._trail.note(tx, subject, f"{endpoint} stopped", by, reason, organization_id=None)
        row = repository.thrown_switch(tx, endpoint_id)
        assert row is not None, "it was thrown by this or by another one"
        return rows.switch_row(row, self._readers.last_token(tx, row.endpoint, row.stopped_at))

    def lift(
        self, tx: Connection, actor: Actor, by: By, switch_id: str, reason: str
    ) -> KillSwitchRow:
        """Let an endpoint answer again. Idempotent. Raises NotFound."""
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        reason = clean_reason(reason)
        row = self._find(tx, switch_id, locks=True)
        if row.lifted_at is None:
            values = {"lifted_at": self._clock.now(), "lifted_by": by.name}
            repository.lift_switch(tx, KillSwitchId(row.id), values)
            record_change(tx, ChangeKind.ENDPOINTS)
            move = f"{row.endpoint} answers again"
            self._trail.note(tx, row.incident_id or row.id, move, by, reason, organization_id=None)
            row = self._find(tx, switch_id)
        return rows.switch_row(row, self._readers.last_token(tx, row.endpoint, row.stopped_at))

    @staticmethod
    def _find(tx: Connection, switch_id: str, *, locks: bool = False) -> Row[Any]:
        try:
            found = repository.find_switch(tx, KillSwitchId.parse(switch_id), locks=locks)
        except MalformedId:
            found = None
        if found is None:
            raise NotFound(f"there is no kill switch {switch_id[:64]!r}")
        return found
