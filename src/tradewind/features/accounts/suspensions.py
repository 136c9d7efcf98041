"""Suspending keys, and the calls of whole organizations: for whoever watches over abuse, who has
asked for the permission and writes down why. Gateways refuse such keys within seconds.
"""

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import OrganizationId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.repository import keys


class Suspensions:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def suspend_key(self, tx: Connection, organization_id: OrganizationId, key_id: str) -> None:
        """Idempotent; a key that is gone stays gone."""
        if keys.set_key_suspended(tx, organization_id, key_id, self._clock.now()):
            record_change(tx, ChangeKind.GRANT, [key_id])

    def lift_key(self, tx: Connection, organization_id: OrganizationId, key_id: str) -> None:
        if keys.set_key_suspended(tx, organization_id, key_id, None):
            record_change(tx, ChangeKind.GRANT, [key_id])

    def suspend_organization(self, tx: Connection, organization_id: OrganizationId) -> None:
        """Its keys call no models from now on, those that are made later neither. Its people, and
        keys that run the platform, go on as before: they have to see why, and may appeal.
        """
        now = self._clock.now()
        changed = keys.set_organization_suspended(tx, organization_id, now)
        record_change(tx, ChangeKind.GRANT, changed)

    def lift_organization(self, tx: Connection, organization_id: OrganizationId) -> None:
        changed = keys.set_organization_suspended(tx, organization_id, None)
        record_change(tx, ChangeKind.GRANT, changed)
