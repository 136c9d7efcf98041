from pathlib import Path

import pytest

from tests.plugins.engines.fake_replicas import FakeReplicas
from tests.plugins.engines.replica_fixtures import processes, run_folder
from tradewind.plugins.engines.local import LocalProcesses

__all__ = ["fakes", "processes", "run_folder"]


@pytest.fixture
def fakes(
    processes: LocalProcesses,
    run_folder: Path,
) -> FakeReplicas:
    return FakeReplicas(processes, run_folder)
