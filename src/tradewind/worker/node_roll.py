"""Keeps this node on the roll of live ones, and its gateways told of how many there are."""

import logging
import threading
from pathlib import Path

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.db.node_roll import (
    SILENT_AFTER,
    Node,
    NodeCount,
    beat_roll,
    join_roll,
    leave_roll,
)
from tradewind.snapshot.live_gateways import LiveGateways, read_live_gateways, write_live_gateways

BEAT_S = 2.0
_log = logging.getLogger(__name__)


def stay_on_roll(
    database: Database, node: Node, path: Path, clock: Clock, stop: threading.Event
) -> None:
    """Give a sign of life until stopped, then leave. `path` is where the gateways read the number.

    Raises NodeRefused; what the gateways know then stays.
    """
    number = LiveNumber(read_live_gateways(path))
    step = join_roll
    while not stop.is_set():
        try:
            with database.transaction() as tx:
                count = step(tx, node)
            step = beat_roll
            if number.counted(count, clock.monotonic()):
                write_live_gateways(path, number.live)
        except (Unavailable, OSError) as error:
            _log.warning("this node gave no sign of life: %s", error)
        stop.wait(BEAT_S)
    try:
        with database.transaction() as tx:
            leave_roll(tx, node)
    except Unavailable as error:
        _log.warning("this node is counted for a while longer: %s", error)


class LiveNumber:
    """What the gateways should reckon with.

    A number never falls on the first word after a silence of ours: the others may have been cut off
    as well, and be counted again in a moment. Fewer gateways than there are would give out more
    than the limits.
    """

    def __init__(self, known: LiveGateways | None) -> None:
        self.live = known or LiveGateways()
        self._heard_at: float | None = None
        self._doubted_until: float | None = None

    def counted(self, count: NodeCount, now: float) -> bool:
        """Take a count in; say whether `live` has changed, or was never told."""
        silence_s = SILENT_AFTER.total_seconds()
        is_first = self._heard_at is None
        if self._heard_at is None or now - self._heard_at > silence_s / 2:
            self._doubted_until = now + silence_s
        self._heard_at = now
        former = self.live
        nodes, gateways = max(1, count.nodes), max(1, count.nodes, count.gateways)
        if self._doubted_until is not None and now < self._doubted_until:
            nodes, gateways = max(nodes, former.nodes), max(gateways, former.gateways)
        self.live = LiveGateways(nodes, gateways)
        return is_first or self.live != former
