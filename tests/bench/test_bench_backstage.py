"""The benchmark's control plane: a budget that is not held would flatter the figures."""

import asyncio
import json

import pytest

from bench.backstage import RunningBackstage, granted, serve
from tradewind.wire.leases import LeaseAsk

WAIT_S = 30


@pytest.fixture
async def backstage(tmp_path):
    running = RunningBackstage(tmp_path / "backstage")
    serving = asyncio.create_task(serve(running.socket))
    async with asyncio.timeout(WAIT_S):
        while not running.socket.exists():
            await asyncio.sleep(0)
    yield running
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_every_lease_is_granted_what_it_wants(backstage):
    asked = {
        "node": "bench",
        "boot": 1,
        "leases": [
            {
                "budget": "budget_1",
                "period_ms": None,
                "used_nanos": 30,
                "needed_nanos": 5,
                "wanted_nanos": 70,
            }
        ],
    }
    assert not backstage.has_leased
    status, answer = await post(backstage, "/leases", asked)
    assert status == 200
    assert answer is not None
    (lease,) = answer["leases"]
    assert (lease["budget"], lease["granted_nanos"]) == ("budget_1", 100)
    assert backstage.has_leased


async def test_what_is_no_lease_is_answered_404_and_is_none(backstage):
    status, _ = await post(backstage, "/responses", {})
    assert status == 404
    assert not backstage.has_leased


def test_a_lease_is_never_granted_less_than_is_needed():
    lease = granted(LeaseAsk("budget_1", 7, used_nanos=10, needed_nanos=90, wanted_nanos=0))
    assert (lease.granted_nanos, lease.period_ms) == (100, 7)


async def post(backstage, path, body):
    sent = json.dumps(body).encode()
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_unix_connection(backstage.socket)
        head = f"POST {path} HTTP/1.1\r\nhost: b\r\ncontent-length: {len(sent)}\r\n\r\n"
        writer.write(head.encode() + sent)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        answer = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
    return int(head.split()[1]), json.loads(answer) if answer else None
