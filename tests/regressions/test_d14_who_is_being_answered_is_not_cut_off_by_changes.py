"""D14: live clients closed under load when a cache of HTTP clients evicted theirs (LiteLLM's
httpx-cache-eviction incident).

Streams are open while targets, credentials, keys and whole models are replaced and removed, and
while more hosts are called than any pool would keep: every stream comes to its end.
"""

import asyncio
import contextlib

from gateway_parts import soon, text_event, usage_event, whole_answer
from scripted_upstream import ScriptedUpstream

from tradewind.usage.event import Outcome
from tradewind.wire.sse import DONE

STREAMS = 30
CHANGES = 25
HOSTS = 60


async def test_streams_outlive_every_change_of_what_they_came_by(world, upstream):
    go_on = asyncio.Event()

    async def script(call):
        await call.begin()
        await call.send(text_event("one"))
        await go_on.wait()
        await call.send(text_event(" two"))
        await call.send(usage_event(10, 0, 2) + DONE)
        await call.end()

    upstream.script = script
    clients = [await world.client() for _ in range(STREAMS)]
    pieces = []
    for client in clients:
        await client.stream()
        pieces.append(client.pieces())
        await soon(anext(pieces[-1]))
    async with ScriptedUpstream(script) as other:
        for number in range(CHANGES):
            target = world.target(
                other.address if number % 2 else upstream.address,
                f"rep_{number}",
                credential=f"key-{number}",
            )
            world.publish(world.endpoint(target), grants=() if number % 5 == 4 else None)
        # The last one leaves nothing: no model, and no key.
        world.publish(grants=())
        await world.in_force()
        go_on.set()
        for each in pieces:
            assert b"".join([piece async for piece in each]).endswith(DONE)
    for event in world.events():
        assert event.outcome is Outcome.COMPLETED
        assert event.deployment_id == "dep_of_rep_1"
    assert len(world.events()) == STREAMS


async def test_streams_outlive_calls_to_many_other_hosts(world, upstream):
    go_on = asyncio.Event()

    async def hold(call):
        await call.begin()
        await call.send(text_event("one"))
        await go_on.wait()
        await call.send(usage_event(10, 0, 1) + DONE)
        await call.end()

    async def answer(call):
        await call.answer(whole_answer())

    upstream.script = hold
    held = await world.client()
    await held.stream()
    pieces = held.pieces()
    await soon(anext(pieces))
    async with contextlib.AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(ScriptedUpstream(answer)) for _ in range(HOSTS)]
        world.publish(
            world.endpoint(world.target(upstream.address)),
            *(
                world.endpoint(
                    world.target(host.address, f"rep_{number}"), name=f"tw/{number}", aliases=()
                )
                for number, host in enumerate(hosts)
            ),
        )
        await world.in_force()
        for _ in range(2):
            answers = await asyncio.gather(
                *(world.chat(model=f"tw/{number}") for number in range(HOSTS))
            )
            assert {answer.status for answer in answers} == {200}
    go_on.set()
    assert b"".join([piece async for piece in pieces]).endswith(DONE)
