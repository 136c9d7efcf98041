"""Watches the accounts at providers, and tells when one fails or is well again."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.ids import ConnectionId, OrganizationId
from tradewind.db import outbox
from tradewind.features.providers import health, repository
from tradewind.features.providers.health import Minute, Verdict

FAILING = "connection.failing"
RECOVERED = "connection.recovered"
_KEPT = timedelta(hours=1)
_LONGEST_REASON = 100


class HealthWatch:
    """For whoever ships usage (`note`), and for one worker that judges (`judge`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def note(self, tx: Connection, minutes: Mapping[str, Sequence[Minute]]) -> None:
        """Add calls to what is known of connections, by their ids."""
        if minutes:
            cut = {
                connection_id: [each._replace(reason=each.reason[:_LONGEST_REASON]) for each in of]
                for connection_id, of in minutes.items()
            }
            repository.add_minutes(tx, cut)

    def judge(self, tx: Connection, platform: OrganizationId) -> dict[str, Verdict]:
        """Tell of each connection whose state is another now, and return them. Whoever owns it is
        told; of the platform's own, the organization `platform` is.
        """
        repository.lock_health(tx)
        now = self._clock.now()
        failing = repository.failing_connections(tx)
        changed: dict[str, Verdict] = {}
        for connection_id, minutes in repository.minutes_since(tx, now - health.WINDOW).items():
            verdict = health.judge(minutes, is_failing=connection_id in failing, now=now)
            if verdict is not None:
                self._change(tx, ConnectionId(connection_id), verdict, platform)
                changed[connection_id] = verdict
        repository.forget_minutes(tx, now - _KEPT)
        return changed

    def _change(
        self,
        tx: Connection,
        connection_id: ConnectionId,
        verdict: Verdict,
        platform: OrganizationId,
    ) -> None:
        row = repository.find_any_connection(tx, connection_id)
        if row is None:
            return  # deleted just now
        repository.put_health(
            tx,
            connection_id,
            is_failing=verdict.is_failing,
            since=verdict.since,
            reason=verdict.reason,
        )
        # What these minutes told once is not told again, in either direction.
        since = verdict.since.isoformat()
        kind = FAILING if verdict.is_failing else RECOVERED
        payload = {
            "connection": connection_id,
            "name": row.name,
            "host": row.host,
            "is_shared": row.organization_id is None,
            "since": since,
            "calls": verdict.calls,
        }
        if verdict.is_failing:
            payload["reason"] = verdict.reason
        owner = OrganizationId(row.organization_id) if row.organization_id else platform
        outbox.enqueue(tx, kind, owner, payload, key=f"{kind} {connection_id} {since}")
