"""Fixtures for tests that start replicas, here and in the contract suite."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradewind.plugins.engines.local import LocalProcesses


@pytest.fixture
def run_folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets, which pytest's is not."""
    folder = Path(tempfile.mkdtemp(prefix="tw-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def processes(run_folder: Path) -> Iterator[LocalProcesses]:
    # Asks for the folder so that it ends before it: replicas write their logs there.
    processes = LocalProcesses(log_limit_bytes=64 * 1024)
    yield processes
    processes.close(grace_s=1.0)
