"""The gateway runs on uvloop, so its tests do."""

import pytest
import uvloop
from gateway_parts import World
from scripted_upstream import ScriptedUpstream


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def upstream():
    """An upstream on a free port; set its `script`."""
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def world(tmp_path, upstream):
    """A gateway in this process whose one model is answered by `upstream`."""
    world = World(tmp_path)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    yield world
    await world.stop()
