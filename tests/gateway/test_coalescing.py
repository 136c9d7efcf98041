"""Events of streams that are ready within a few milliseconds leave as one write, where the operator
wants it.
"""

import asyncio

import pytest
from gateway_parts import MODEL, World, assembled, soon, text_event, until, usage_event

from tradewind.gateway.coalescing import Coalescer
from tradewind.usage.event import Outcome
from tradewind.usage.journal import Journal
from tradewind.wire.sse import DONE


class TurnedByHand:
    """As much of a loop as a coalescer needs. Time passes when the test says so."""

    def __init__(self):
        self.timers = []

    def call_later(self, delay, callback):
        self.timers.append((delay, callback))

    def pass_time(self):
        timers, self.timers = self.timers, []
        for _, callback in timers:
            callback()


class Answer:
    def __init__(self):
        self.reads = 0

    def read_on(self):
        self.reads += 1


@pytest.fixture
def hand():
    return TurnedByHand()


@pytest.fixture
async def held(upstream, hand, tmp_path):
    """A gateway that coalesces for as long as the test likes."""
    world = World(tmp_path)
    world.publish(world.endpoint(world.target(upstream.address)))
    async with assembled(world, Journal.open(world.journal, node="held")) as state:
        state.coalescer = Coalescer(hand, 0.04)
        yield world


def test_one_timer_serves_all_and_none_runs_when_nothing_waits(hand):
    coalescer, answers = Coalescer(hand, 0.04), [Answer(), Answer()]
    for answer in answers:
        coalescer.wait(answer)
    assert [delay for delay, _ in hand.timers] == [0.04]
    hand.pass_time()
    assert [answer.reads for answer in answers] == [1, 1]
    assert not hand.timers
    coalescer.wait(answers[0])
    hand.pass_time()
    assert [answer.reads for answer in answers] == [2, 1]


async def test_the_first_event_leaves_at_once_and_the_next_ones_together(held, upstream, hand):
    may_go_on, has_sent = asyncio.Event(), asyncio.Event()

    async def script(call):
        await call.begin()
        await call.send(text_event("one"))
        await soon(may_go_on.wait())
        for event in (text_event("two"), text_event("three")):
            await call.send(event)
            for _ in range(50):  # turns of the loop in which it would be passed on
                await asyncio.sleep(0)
        await call.send(usage_event(10, 4, 3) + DONE)
        await call.end()
        has_sent.set()

    upstream.script = script
    client = await held.client()
    await client.stream()
    pieces = client.pieces()
    first = await anext(pieces)
    assert first == renamed(text_event("one"))
    await until(lambda: hand.timers)
    may_go_on.set()
    await soon(has_sent.wait())
    hand.pass_time()
    rest = [piece async for piece in pieces]
    assert rest[0].startswith(renamed(text_event("two") + text_event("three")))
    assert b"".join(rest) == renamed(text_event("two") + text_event("three")) + DONE
    assert (await held.event()).outcome is Outcome.COMPLETED


async def test_a_client_that_reads_slowly_holds_its_upstream_back_all_the_same(
    held, upstream, hand
):
    sent, event = 0, text_event("x" * 64_000)

    async def script(call):
        nonlocal sent
        await call.begin()
        for _ in range(1500):
            await call.send(event)
            sent += 1

    upstream.script = script
    client = await held.client()
    await client.stream()
    await until(lambda: hand.timers)
    before = -1
    while sent != before:  # until the sockets between are full
        before = sent
        for _ in range(50):
            hand.pass_time()
            await asyncio.sleep(0.005)
    assert sent * len(event) < 48 * 1024 * 1024
    client.reset()
    await until(held.events)


async def test_a_client_that_left_ends_the_call(held, upstream, hand):
    async def script(call):
        await call.begin()
        await call.send(text_event("one"))
        await call.gone()

    upstream.script = script
    client = await held.client()
    await client.stream()
    await anext(client.pieces())
    await until(lambda: hand.timers)
    client.reset()
    assert (await held.event()).outcome is Outcome.CANCELLED
    hand.pass_time()


def renamed(events):
    return events.replace(b"upstream-model", MODEL.encode())
