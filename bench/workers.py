"""What a second gateway process brings: two on a port, a core each, against one.

Where the load has no core of its own, it takes time from the gateways, so that plain rates would
tell of the load. Then each gateway's rate is reckoned over the time in which it had its core or did
not want it: all but the time it stood ready while the load ran there. Nothing is extrapolated from
that but those gaps; waiting for locks and for the load counts against the pair.
"""

import contextlib
import os
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from bench.loads import JsonFigures, load_json
from bench.mock import Mock
from bench.processes import clocked, second_core, server_core, spare_cores
from bench.servers import Server

# The kernel spreads connections by a hash: of more of them each gets nearer to its half.
CONNECTIONS = 128


class WorkerFigures(NamedTuple):
    """One round."""

    rate_ratio: float
    """Requests/s of two over one, each gateway's over the time it was not kept from its core."""
    plain_ratio: float
    """Requests/s of two over one, by the clock on the wall."""
    cpu_ratio: float
    """CPU time that two may spend a second and one request costs, against one."""


def measured_as() -> str:
    """Return how `rate_ratio` came about on this machine."""
    if not spare_cores() & {server_core(), second_core()}:
        return "load and mock on cores of their own"
    return "load and mock on the gateways' cores, the time they take there left out"


def compare_workers(one: Server, two: Server, mock: Mock, duration_s: int) -> WorkerFigures:
    """Load one and two in turn, the load where it least disturbs two."""
    with _moved(mock.pid, spare_cores()):
        single, single_rate = _rate(one, duration_s)
        pair, pair_rate = _rate(two, duration_s)
    return WorkerFigures(
        rate_ratio=pair_rate / single_rate,
        plain_ratio=pair.requests_per_s / single.requests_per_s,
        cpu_ratio=2 * single.cpu_us / pair.cpu_us,
    )


def _rate(server: Server, duration_s: int) -> tuple[JsonFigures, float]:
    before = [clocked(pid) for pid in server.pids]
    figures = load_json(server, duration_s, connections=CONNECTIONS, cores=spare_cores())
    after = [clocked(pid) for pid in server.pids]
    took = [end.at - begin.at for begin, end in zip(before, after, strict=True)]
    queued = [end.queued - begin.queued for begin, end in zip(before, after, strict=True)]
    free_part = 1 - statistics.mean(queued) / statistics.mean(took)
    return figures, figures.requests_per_s / free_part


@contextlib.contextmanager
def _moved(pid: int, cores: set[int]) -> Iterator[None]:
    before = os.sched_getaffinity(pid)
    os.sched_setaffinity(pid, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(pid, before)
