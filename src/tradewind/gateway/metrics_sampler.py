"""Writes down, once a second and before each scrape, what the parts of the gateway know of
themselves. Costs 50 us.
"""

import asyncio
import dataclasses
import time
from collections.abc import Callable

from tradewind.gateway.metrics.families import (
    ADMISSION,
    ALONE,
    CACHE,
    CACHE_BYTES,
    CONTENTS,
    HTTP,
    IN_FLIGHT,
    JOURNAL,
    JOURNAL_HEALTHY,
    JOURNAL_SYNC_AGE,
    JOURNAL_UNSYNCED,
    LEASES,
    OPEN_CONNECTIONS,
    OPEN_STREAMS,
    ROUTING,
    SAFETY_WAITING,
    SNAPSHOT_AGE,
    SNAPSHOT_VERSION,
    TARGETS_UNWELL,
    UPSTREAM,
    UPSTREAM_CONNECTIONS,
    UPSTREAM_WAITING,
    WAITING,
)
from tradewind.gateway.state import GatewayState
from tradewind.telemetry.families import MICRO

PERIOD_S = 1.0


class Sampler:
    """One for a gateway process. The lateness of its own timer is the lag of the event loop."""

    def __init__(
        self,
        state: GatewayState,
        open_connections: Callable[[], int],
        server_counters: Callable[[], dict[str, int]],
    ) -> None:
        self._state = state
        self._open_connections = open_connections
        self._server_counters = server_counters
        self._timer: asyncio.TimerHandle | None = None
        self._alone_s = 0.0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sample()
        self._plan(loop)

    def stop(self) -> None:
        """Write down the last numbers; those of this process are still read when it is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.sample()

    def sample(self) -> None:
        state, metrics = self._state, self._state.metrics
        view, upstream, journal = state.view, state.upstream, state.recorder.journal
        idle = upstream.idle_connections
        age_s = time.time() - view.compiled_at_ms / 1000 if view.version else 0.0
        unsynced = journal.unsynced_bytes
        sync_age_s = time.monotonic() - journal.synced_at if unsynced else 0.0
        put = metrics.put
        put(WAITING, state.admissions.waiting)
        put(IN_FLIGHT, state.router.in_flight)
        put(OPEN_STREAMS, metrics.open_streams)
        put(OPEN_CONNECTIONS, self._open_connections())
        put(UPSTREAM_CONNECTIONS, upstream.open_connections - idle, ("state", "busy"))
        put(UPSTREAM_CONNECTIONS, idle, ("state", "idle"))
        put(UPSTREAM_WAITING, upstream.waiting_calls)
        put(TARGETS_UNWELL, state.router.unwell)
        put(SNAPSHOT_VERSION, view.version)
        put(SNAPSHOT_AGE, int(max(age_s, 0.0) * MICRO))
        put(JOURNAL_HEALTHY, state.recorder.is_healthy)
        put(JOURNAL_UNSYNCED, unsynced)
        put(JOURNAL_SYNC_AGE, int(sync_age_s * MICRO))
        put(LEASES, state.admissions.budgets.leases)
        put(ALONE, int(self._alone_s * MICRO))
        put(CACHE_BYTES, state.response_cache.bytes)
        put(SAFETY_WAITING, state.examiner.waiting)
        put_kinds = metrics.put_kinds
        put_kinds(HTTP, self._server_counters())
        put_kinds(UPSTREAM, dataclasses.asdict(upstream.counters))
        put_kinds(ADMISSION, state.admissions.counters)
        put_kinds(
            ROUTING, {**dataclasses.asdict(state.router.counters), "rests": state.router.rests}
        )
        put_kinds(JOURNAL, journal.counters)
        cache = state.response_cache
        put_kinds(CACHE, {"hits": cache.hits, "misses": cache.misses})
        put_kinds(CONTENTS, dataclasses.asdict(state.contents.counters))

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + PERIOD_S
        self._timer = loop.call_at(due, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        late_s = loop.time() - due
        self._state.metrics.add_loop_lag(int(max(late_s, 0.0) * MICRO))
        if self._state.admissions.is_alone:
            self._alone_s += PERIOD_S + late_s
        self._plan(loop)
        self.sample()
