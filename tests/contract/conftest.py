"""The gateway's own test parts, and the engines' fixtures."""

import sys
from pathlib import Path

import uvloop

from tests.plugins.engines.replica_fixtures import processes, run_folder

# Its parts import each other by their plain names, as tests beside them do.
sys.path.append(str(Path(__file__).parents[1] / "gateway"))

__all__ = ["processes", "run_folder"]


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}
