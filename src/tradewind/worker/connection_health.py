"""Notes what became of calls at providers, by the minute, and has it judged.

`observe` is called by the thread that ships usage; `run` has one of its own. Each host notes its
own calls, and one worker judges all of them: what one gateway cannot reach and others can is no
failure of the provider.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from tradewind.core.errors import NotFound, Unavailable
from tradewind.db.database import Database
from tradewind.features.metering.rules import LogRow
from tradewind.features.providers.health import Minute, failure_of
from tradewind.features.providers.health_watch import HealthWatch
from tradewind.readmodels.first_organization import first_organization

EVERY_S = 10.0
MOST_MINUTES = 50_000
"""Kept in memory while the database is away; what comes then is not counted."""
_CONNECTION = "conn_"
_log = logging.getLogger(__name__)


class ConnectionHealth:
    def __init__(self, database: Database, watch: HealthWatch) -> None:
        self._database = database
        self._watch = watch
        self._lock = threading.Lock()
        self._noted: dict[tuple[str, datetime], Minute] = {}

    def observe(self, log: Sequence[LogRow]) -> None:
        """Count the attempts of calls that are in the log now."""
        with self._lock:
            for row in log:
                begins_at = row.at.astimezone(UTC).replace(second=0, microsecond=0)
                for attempt in row.attempts:
                    self._count(begins_at, attempt)

    def run(self, stop: threading.Event, *, judges: bool = True, every_s: float = EVERY_S) -> None:
        """Run until stopped. The database may go away and come back."""
        while not stop.wait(every_s):
            try:
                self.note()
                if judges:
                    self.judge()
            except Unavailable as error:
                _log.warning("the health of connections is not noted: %s", error)

    def note(self) -> None:
        """Bring what was observed into the database. Raises Unavailable; then it is kept."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        minutes: dict[str, list[Minute]] = {}
        for (connection_id, _), minute in noted.items():
            minutes.setdefault(connection_id, []).append(minute)
        try:
            with self._database.transaction() as tx:
                self._watch.note(tx, minutes)
        except Unavailable:
            with self._lock:
                for key, minute in noted.items():
                    self._add(key, minute)
            raise

    def judge(self) -> None:
        with self._database.transaction() as tx:
            try:
                platform = first_organization(tx)
            except NotFound:
                return  # before the first run there is nobody to tell
            changed = self._watch.judge(tx, platform)
        for connection_id, verdict in changed.items():
            word = f"fails: {verdict.reason}" if verdict.is_failing else "is well again"
            _log.warning("the connection %s %s", connection_id, word)

    def _count(self, begins_at: datetime, attempt: dict[str, object]) -> None:
        connection_id = str(attempt.get("deployment_id", ""))
        if not connection_id.startswith(_CONNECTION):
            return
        status = attempt.get("status")
        reason = failure_of(
            str(attempt.get("failure", "")), status if isinstance(status, int) else 0
        )
        if reason is None:
            return
        self._add((connection_id, begins_at), Minute(begins_at, 1, int(bool(reason)), reason))

    def _add(self, key: tuple[str, datetime], more: Minute) -> None:
        known = self._noted.get(key)
        if known is None and len(self._noted) >= MOST_MINUTES:
            return
        if known is not None:
            more = Minute(
                known.begins_at,
                known.calls + more.calls,
                known.failed + more.failed,
                more.reason or known.reason,
            )
        self._noted[key] = more
