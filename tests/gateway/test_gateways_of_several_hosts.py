"""What a gateway does differently where other hosts serve the same platform."""

import asyncio
import contextlib
import json

import pytest
from gateway_parts import MODEL, World, until, whole_answer

from tradewind.gateway.live_gateways import LiveGatewaysWatch
from tradewind.snapshot.contents import ELSEWHERE
from tradewind.snapshot.live_gateways import LiveGateways, write_live_gateways


@pytest.fixture
async def make_world(tmp_path):
    worlds = []

    def make(**config):
        worlds.append(World(tmp_path, **config))
        return worlds[-1]

    yield make
    for world in worlds:
        await world.stop()


async def test_it_names_the_portal_that_is_elsewhere(make_world):
    world = make_world(portal_url="https://portal.example")
    await world.start()
    answer = await (await world.client()).call("GET", "/sign-in", key=None)
    assert answer.status == 404
    assert (
        answer.body == b"There is nothing at this path. The portal is at https://portal.example\n"
    )


async def test_an_engine_of_another_host_is_a_refusal_and_no_call(make_world):
    world = make_world()
    world.publish(world.endpoint(world.target("", provider=ELSEWHERE)))
    await world.start()
    question = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    answer = await (await world.client()).call(
        "POST", "/v1/chat/completions", json.dumps(question).encode()
    )
    assert answer.status == 503
    assert json.loads(answer.body)["error"]["code"] == "target_elsewhere"


async def test_from_its_start_it_gives_out_its_share_by_the_last_number_that_was_known(
    tmp_path, upstream, make_world
):
    async def say_hi(call):
        await call.answer(whole_answer())

    upstream.script = say_hi
    write_live_gateways(tmp_path / "live-gateways", LiveGateways(3, 3))
    world = make_world(live_gateways_path=tmp_path / "live-gateways")
    world.limit(requests_per_minute=3)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    statuses = [(await world.chat()).status for _ in range(2)]
    assert statuses == [200, 429]


def test_it_is_told_of_each_change_once_and_of_no_nonsense(tmp_path):
    path, told = tmp_path / "live-gateways", []
    watch = LiveGatewaysWatch(path, told.append)
    watch.look()
    assert told == []
    write_live_gateways(path, LiveGateways(2, 3))
    watch.look()
    watch.look()
    path.write_bytes(b"{")
    watch.look()
    write_live_gateways(path, LiveGateways(2, 3))
    watch.look()
    write_live_gateways(path, LiveGateways(1, 1))
    watch.look()
    assert told == [LiveGateways(2, 3), LiveGateways(1, 1)]


async def test_it_goes_on_looking_while_it_runs(tmp_path):
    path, told = tmp_path / "live-gateways", []
    watching = asyncio.create_task(LiveGatewaysWatch(path, told.append, poll_s=0.01).run())
    write_live_gateways(path, LiveGateways(4, 4))
    await until(lambda: told == [LiveGateways(4, 4)])
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
