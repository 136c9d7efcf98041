"""The gateway's own test parts: these tests attack the gateway from outside, as its clients and
hosts do.
"""

import sys
from pathlib import Path

import pytest
import uvloop

# They import each other by their plain names, as tests beside them do.
sys.path.append(str(Path(__file__).parents[1] / "gateway"))

from gateway_parts import World
from scripted_upstream import ScriptedUpstream


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def upstream():
    """A host on a free port; set its `script`."""
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def second():
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def world(tmp_path, upstream):
    """A gateway in this process whose one model is answered by `upstream`."""
    world = World(tmp_path)
    world.publish(world.endpoint(world.target(upstream.address), context_tokens=1_000_000))
    await world.start()
    yield world
    await world.stop()
