"""D11: latency through the gateway, from databases, traces and parsing on the request's own path
(litellm#21046, #13546, #9491, #6345; gpustack#1842).

Nothing here is measured in seconds. An event of a stream is the client's before the host writes the
next one; a stream is not journalled event by event; and what speaks to databases is not even in the
process.
"""

import asyncio
import subprocess
import sys

import pytest
from dialect_clients import DIALECTS
from gateway_parts import soon, text_event, until, usage_event

from tradewind.wire.sse import DONE

SLOW_ONES = ("sqlalchemy", "psycopg", "alembic", "fastapi", "starlette", "pydantic", "httpx2")
EVENTS = 3_000


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_event_is_the_clients_before_the_host_writes_the_next(world, upstream, dialect):
    seen = asyncio.Event()

    async def script(call):
        await call.begin()
        for number in range(5):
            await call.send(text_event(f"word{number}"))
            await soon(seen.wait())
            seen.clear()
        await call.send(usage_event(10, 0, 5) + DONE)
        await call.end()

    upstream.script = script
    client = await world.client()
    asked = asyncio.create_task(DIALECTS[dialect].ask(client, stream=True))
    for number in range(5):
        word = f"word{number}".encode()
        await until(lambda word=word: word in client.received)
        seen.set()
    assert (await asked).text == "word0word1word2word3word4"


async def test_the_journal_grows_by_calls_and_not_by_events(world, upstream):
    async def script(call):
        await call.begin()
        for _ in range(EVENTS // 10):
            await call.send(text_event("w") * 10)
        await call.send(usage_event(10, 0, EVENTS) + DONE)
        await call.end()

    upstream.script = script
    client = await world.client()
    await client.stream()
    async for _ in client.pieces():
        pass
    await world.event()
    # OPEN, FINAL, and PROGRESS at most once for 512 tokens or 2 s.
    assert len(world.records()) <= 2 + EVENTS // 512 + 5


def test_a_gateway_has_no_database_driver_and_no_web_framework_in_its_process():
    code = (
        "import sys, tradewind.gateway.process; "
        f"print([name for name in {SLOW_ONES!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ended.stdout.strip() == b"[]"
