"""Many streams at once: 1,000 that are read as they come, 500 read at one byte a second."""

import sys
from pathlib import Path
from typing import NamedTuple

from bench.backstage import running_backstage
from bench.gateway import running_gateway
from bench.loads import CHAT_PATH, run_load
from bench.mock import Pace, running_mock

STREAMS = 1_000
SLOW_READERS = 500
# 5 events of 2 KB a second: what is not read fills the kernel's buffers within some seconds.
_INTERVAL_US = 200_000
_TEXT_BYTES = 2_048
# Streams must not end by themselves, however long it takes to open them all.
_SPARE_S = 300


class HeldFigures(NamedTuple):
    seconds: int
    errors: int
    first_error: str | None
    events_per_s: float
    pss_mb_start: float
    """When all were open."""
    pss_mb_half: float
    """Half-way, when what slow readers leave has filled the buffers."""
    pss_mb_end: float
    pss_mb_max: float


def hold_streams(folder: Path, seconds: int) -> HeldFigures:
    """Hold the streams at a gateway of their own. Raises BenchError when nothing can be run."""
    folder.mkdir()
    pace = Pace((seconds + _SPARE_S) * 1_000_000 // _INTERVAL_US, _INTERVAL_US, _TEXT_BYTES)
    with (
        running_mock(folder, pace) as mock,
        running_backstage(folder) as backstage,
        running_gateway(folder, mock.port, backstage.socket, starts=1) as gateway,
    ):
        server = gateway.server
        result = run_load(
            [
                *(sys.executable, "-m", "bench.held_client", server.url + CHAT_PATH),
                *("--streams", str(STREAMS), "--slow", str(SLOW_READERS)),
                *("--duration", str(seconds), "--pid", str(server.pids[0])),
            ],
            server,
        )
    return HeldFigures(seconds=seconds, **result)
