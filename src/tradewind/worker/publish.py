"""Publishes the gateway's snapshot: compiles it when something has changed and replaces the
file.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.snapshot import file
from tradewind.snapshot.contents import Endpoint, Grant, Snapshot

_log = logging.getLogger(__name__)

# An announcement can be lost with its connection, so that the content is also compared this often.
# With the gateway's own poll it bounds how long a revoked key can live: below 5 s.
_POLL_S = 2.0


class Publisher:
    """The only writer of a snapshot file."""

    def __init__(
        self,
        database: Database,
        path: Path,
        clock: Clock,
        *,
        grants: Callable[[Connection], list[Grant]],
        endpoints: Callable[[Connection], tuple[Endpoint, ...]],
    ) -> None:
        self._database = database
        self._path = path
        self._clock = clock
        self._grants = grants
        self._endpoints = endpoints
        self._former = self._read_former()

    def publish(self) -> bool:
        """Compile, and write if it differs from what is there. Returns whether it was written."""
        with self._database.transaction() as tx:
            grants, endpoints = tuple(self._grants(tx)), self._endpoints(tx)
        former = self._former
        if former is not None and (grants, endpoints) == (former.grants, former.endpoints):
            return False
        now_ms = int(self._clock.now().timestamp() * 1000)
        snapshot = Snapshot(
            # Gateways ignore a version below the one in force. Where no former one is known, the
            # time is past any that was ever published.
            version=now_ms if former is None else former.version + 1,
            compiled_at_ms=now_ms,
            grants=grants,
            endpoints=endpoints,
        )
        file.write(self._path, snapshot)
        self._former = snapshot
        _log.info("snapshot %d: %d keys, %d models", snapshot.version, len(grants), len(endpoints))
        return True

    def run(self, wait_for_change: Callable[[float], None], stop: threading.Event) -> None:
        """Publish until stopped. `wait_for_change` returns on an announcement or after its
        seconds.
        """
        while not stop.is_set():
            try:
                self.publish()
            except (Unavailable, OSError) as error:
                _log.warning("the snapshot was not published: %s", error)
                stop.wait(0.5)
            else:
                wait_for_change(_POLL_S)

    def _read_former(self) -> Snapshot | None:
        try:
            return file.read(self._path)
        except FileNotFoundError:
            return None
        except (file.SnapshotDamaged, OSError) as error:
            _log.warning("the former snapshot is not used: %s", error)
            return None
