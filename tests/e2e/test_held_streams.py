"""1,000 open streams that are read as they come, 500 that are read at one byte a second: nobody is
cut off, and the gateway takes no more memory the longer it lasts.

`TRADEWIND_TEST_SOAK_S=60` holds them for as long as the proof. Mock, gateway and readers are those
of `make bench`, which measures the same with smaller events.
"""

import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from bench.backstage import running_backstage
from bench.gateway import running_gateway
from bench.held import SLOW_READERS, STREAMS, HeldFigures
from bench.loads import CHAT_PATH, run_load
from bench.mock import Pace, running_mock
from bench.processes import allow_many_files

pytestmark = [
    pytest.mark.platform,
    pytest.mark.enable_socket,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="the mock host is compiled"
    ),
]
SECONDS = int(os.environ.get("TRADEWIND_TEST_SOAK_S", "30"))
# What is not read fills the kernel's buffers within seconds. Few events, for what a machine that
# stands still for a moment sends afterwards at once is memory too.
INTERVAL_US, TEXT_BYTES = 1_000_000, 10_240
# Streams must not end by themselves, however long it takes to open them all.
SPARE_S = 300
MOST_MB = 250
MOST_GROWTH_MB = 6
"""In the second half, when all buffers are full: 4 KB a stream."""


@pytest.fixture
def folder():
    # A socket's path is short, which pytest's folders are not everywhere.
    place = Path(tempfile.mkdtemp(prefix="tradewind-held-"))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def many_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_many_files()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_memory_stays_flat_under_open_streams_and_slow_readers(folder):
    held = hold(folder)
    assert (held.errors, held.first_error) == (0, None)
    assert held.pss_mb_max < MOST_MB, held
    assert held.pss_mb_end - held.pss_mb_half < MOST_GROWTH_MB, held
    # Everybody who reads got what was sent: no stream fell behind.
    assert held.events_per_s > 0.8 * STREAMS * 1_000_000 / INTERVAL_US, held


def hold(folder: Path) -> HeldFigures:
    pace = Pace((SECONDS + SPARE_S) * 1_000_000 // INTERVAL_US, INTERVAL_US, TEXT_BYTES)
    with (
        running_mock(folder, pace) as mock,
        running_backstage(folder) as backstage,
        running_gateway(folder, mock.port, backstage.socket, starts=1) as gateway,
    ):
        server = gateway.server
        figures = run_load(
            [
                *(sys.executable, "-m", "bench.held_client", server.url + CHAT_PATH),
                *("--streams", str(STREAMS), "--slow", str(SLOW_READERS)),
                *("--duration", str(SECONDS), "--pid", str(server.pids[0])),
            ],
            server,
        )
        gateway.check_metered()
    return HeldFigures(seconds=SECONDS, **figures)
