"""Four gateways and one wallet: calls are refused with 402 when it is empty, and it never owes."""

import asyncio
import contextlib
import json
from collections import Counter
from typing import cast

import pytest
from sqlalchemy import insert

from tests.e2e.test_overspend import (
    CALLS,
    MEAN_NANOS,
    PATIENCE_S,
    PEPPER,
    QUESTION,
    EagerUpstream,
    Gateways,
    spend,
    sums,
)
from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core import api_keys
from tradewind.core.clock import SystemClock
from tradewind.features.accounts.tables import organization
from tradewind.features.budgets.tables import budget
from tradewind.features.budgets.wallets import WalletBudgets
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.ledger.service import Ledger
from tradewind.features.payments.ports import Bills, Payer
from tradewind.features.payments.schemas import PaidIn
from tradewind.features.payments.service import Wallets
from tradewind.readmodels.spend import read_spend
from tradewind.serve.backstage import backstage_served

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]


class PaysAhead:
    """The billing of somebody who pays ahead and has no invoice yet."""

    def payer(self, _tx, organization_id):
        return Payer(organization_id, "USD", is_prepaid=True)

    def prepaid(self, _tx, _after, _limit):
        return ()

    def covered_nanos(self, _tx, _organization_id, _currency):
        return 0


@pytest.fixture
def wallets():
    clock = SystemClock()
    return Wallets(
        clock, Ledger(clock), WalletBudgets(clock, read_spend), cast("Bills", PaysAhead())
    )


@pytest.fixture
def fill(database, wallets):
    """Return a function that opens a wallet with an amount; return the id of its budget."""

    def fill(nanos):
        with database.transaction() as tx:
            now = SystemClock().now()
            tx.execute(insert(organization).values(id="org_1", name="One", created_at=now))
            bank = AccountRef(AccountKind.CASH, "bank", "USD")
            paid = PaidIn(
                "org_1", "USD", nanos, bank, "k", "wallet_top_up", now, "", "", payment_id="pay_1"
            )
            assert wallets.pay_in(tx, paid)
            return tx.execute(budget.select()).one().id

    return fill


async def test_calls_of_who_paid_ahead_stop_at_zero(tmp_path, database, fill, wallets):
    amount = MEAN_NANOS * CALLS // 2
    budget_id = fill(amount)
    socket = tmp_path / "backstage.sock"
    async with contextlib.AsyncExitStack() as stack:
        services = BackstageServices(database, SystemClock())
        stack.enter_context(backstage_served(create_backstage(services), socket))
        upstream = await stack.enter_async_context(EagerUpstream())
        key = api_keys.mint(PEPPER)
        gateways = Gateways(tmp_path, socket, upstream.address, key, budget_id)
        stack.push_async_callback(gateways.stop)
        await gateways.start()
        statuses = await spend(gateways, key, CALLS)
        await gateways.stop()

    costs = gateways.costs()
    assert set(statuses) == {200, 402}, statuses
    assert len(costs) == statuses[200]
    assert 0.9 * amount < sum(costs) <= amount
    period, _ = sums(database)
    assert (period.spent_nanos, period.leased_nanos) == (sum(costs), 0)
    assert period.overspent_nanos == 0
    with database.transaction() as tx:
        assert wallets.of(tx, "org_1").left_nanos == amount - sum(costs)


MOST_TOKENS = 500
STREAM_NANOS = MOST_TOKENS * 3_300_003 // 1_000_000 + 22
"""What a stream costs that writes all it may."""


class HeldUpstream(EagerUpstream):
    """Begins each stream, and ends all of them once `go_on` is set."""

    def __init__(self):
        super().__init__()
        self.go_on = asyncio.Event()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                    b"transfer-encoding: chunked\r\n\r\n" + _event({"content": "Hi"})
                )
                await writer.drain()
                await self.go_on.wait()
                used = {
                    "prompt_tokens": 20,
                    "completion_tokens": MOST_TOKENS,
                    "total_tokens": 20 + MOST_TOKENS,
                }
                writer.write(_event({}, finish="stop") + _event(None, usage=used))
                writer.write(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # a gateway has gone, or the test is over
        finally:
            writer.transport.abort()
            self._tasks.discard(task)


def _event(delta, *, finish=None, usage=None):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    told = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": choices,
        "usage": usage,
    }
    return _chunk(b"data: " + json.dumps(told).encode() + b"\n\n")


def _chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


async def begin_stream(port, key):
    """Begin a stream; return its status, and what reads it to its end."""
    body = json.dumps(
        {"model": "tw/small", "messages": QUESTION, "max_tokens": MOST_TOKENS, "stream": True}
    ).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nauthorization: Bearer %b\r\n"
        b"connection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (key.text.encode(), len(body), body)
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)

    async def end():
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE_S)
        finally:
            writer.transport.abort()

    return int(head.split(b" ", 2)[1]), end


async def test_streams_that_are_under_way_hold_what_they_may_cost(
    tmp_path, database, fill, wallets
):
    amount = 8 * STREAM_NANOS
    budget_id = fill(amount)
    socket = tmp_path / "backstage.sock"
    async with contextlib.AsyncExitStack() as stack:
        services = BackstageServices(database, SystemClock())
        stack.enter_context(backstage_served(create_backstage(services), socket))
        upstream = await stack.enter_async_context(HeldUpstream())
        key = api_keys.mint(PEPPER)
        gateways = Gateways(tmp_path, socket, upstream.address, key, budget_id)
        stack.push_async_callback(gateways.stop)
        await gateways.start()
        # None of them has ended, so nothing is spent yet; what they hold refuses the others.
        begun = [
            await begin_stream(gateways.ports[number % len(gateways.ports)], key)
            for number in range(24)
        ]
        statuses = Counter(status for status, _ in begun)
        with database.transaction() as tx:
            held = wallets.of(tx, "org_1")
        upstream.go_on.set()
        ended = [(status, await end()) for status, end in begun]
        await gateways.stop()

    costs = gateways.costs()
    assert set(statuses) == {200, 402}, statuses
    assert held.left_nanos == amount
    assert held.held_nanos >= statuses[200] * STREAM_NANOS
    assert all((b"[DONE]" in answer) is (status == 200) for status, answer in ended)
    assert len(costs) == statuses[200]
    assert set(costs) == {STREAM_NANOS}
    assert sum(costs) <= amount
    with database.transaction() as tx:
        assert wallets.of(tx, "org_1").left_nanos == amount - sum(costs)
