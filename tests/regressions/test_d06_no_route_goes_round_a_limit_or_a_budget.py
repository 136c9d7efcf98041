"""D6: budgets not enforced after a release, on passthrough routes, or for one model only in one
pod; and enforced where none was set, or on free models (litellm#26672, #27735, #33325, #22726,
#20615, #10973; Bifrost#2873, #5673, #5770, #6632).

The route table is walked: each route that reaches a model is refused, in its own words and before
the host hears of it, once a limit or a budget is used up.
"""

import msgspec
import pytest
from every_call import every_call

from tests.fuzz.gateways import MemoryStore, every_operation
from tradewind.snapshot import file
from tradewind.snapshot.contents import Budget, Grant, Limits, Price, Snapshot, Terms
from tradewind.wire.leases import LeaseAnswer, LeaseGrant, LeaseRequest
from tradewind.wire.stored_responses import encode

CALLS = every_call()
IDS = [call.path for call in CALLS]
BUDGET = Budget("bud_1", "Month", "USD")


class Treasury(MemoryStore):
    """Leases up to an amount, and never gives anything out of turn."""

    def __init__(self, nanos):
        super().__init__()
        self.nanos = nanos
        self.asked = 0

    async def __call__(self, call):
        if b"/leases" not in call.head.split(b"\r\n")[0]:
            await super().__call__(call)
            return
        request = msgspec.json.decode(call.body, type=LeaseRequest)
        self.asked += 1
        grants = tuple(
            LeaseGrant(
                ask.budget,
                period_ms=0,
                period_end_ms=None,
                granted_nanos=min(self.nanos, ask.used_nanos + ask.wanted_nanos),
                left_nanos=max(0, self.nanos - ask.used_nanos - ask.wanted_nanos),
                leased_nanos=0,
            )
            for ask in request.leases
        )
        await call.answer(encode(LeaseAnswer(grants)))


async def publish(gateway, *, limits=None, budgets=(), terms=(), price=None):
    """Put a snapshot in force in which the key has these limits and budgets."""
    grant = gateway.grant
    gateway.grant = Grant(
        grant.key_id,
        grant.digest,
        grant.organization_id,
        grant.project_id,
        limits=limits or Limits(),
        budgets=tuple(budget.id for budget in budgets),
    )
    endpoints = gateway.endpoints
    if price is not None:
        endpoints = tuple(msgspec.structs.replace(each, price=price) for each in endpoints)
    gateway.version += 1
    file.write(
        gateway.snapshot_path,
        Snapshot(gateway.version, 1, (gateway.grant,), endpoints, terms, budgets),
    )
    await gateway.in_force()


async def test_every_route_answers_as_long_as_nothing_is_used_up(tmp_path):
    """Else what follows would prove nothing."""
    async with every_operation(tmp_path / "gateway") as gateway:
        for call in CALLS:
            answer = await call.ask(await gateway.client())
            assert answer.status == 200, (call.path, answer.body[:300])
        assert len(gateway.host.requests) == len(CALLS)


@pytest.mark.parametrize("call", CALLS, ids=IDS)
async def test_a_used_up_limit_refuses_at_every_route(tmp_path, call):
    async with every_operation(tmp_path / "gateway") as gateway:
        await publish(gateway, limits=Limits(requests_per_minute=1))
        first = await call.ask(await gateway.client())
        assert first.status == 200, first.body[:300]
        asked = len(gateway.host.requests)
        second = await call.ask(await gateway.client())
        assert second.status == 429
        assert second.number("retry-after-ms") > 0
        assert len(gateway.host.requests) == asked, "the host was not asked"


@pytest.mark.parametrize("call", CALLS, ids=IDS)
async def test_a_spent_budget_refuses_at_every_route(tmp_path, call):
    treasury = Treasury(0)
    async with every_operation(tmp_path / "gateway", treasury) as gateway:
        await publish(gateway, budgets=(BUDGET,))
        answer = await call.ask(await gateway.client())
        assert answer.status == 402, answer.body[:300]
        assert treasury.asked
        assert not gateway.host.requests, "the host was not asked"


async def test_one_limit_holds_over_all_routes_together(tmp_path):
    """A limit is the caller's, not a path's."""
    async with every_operation(tmp_path / "gateway") as gateway:
        await publish(gateway, limits=Limits(requests_per_minute=5))
        statuses = [(await call.ask(await gateway.client())).status for call in CALLS]
        assert statuses.count(200) == 5
        assert statuses.count(429) == len(CALLS) - 5


@pytest.mark.parametrize("place", ["organization", "project", "model"])
async def test_limits_of_every_level_hold_at_every_route(tmp_path, place):
    async with every_operation(tmp_path / "gateway") as gateway:
        limits = Limits(requests_per_minute=1)
        subject = gateway.grant.organization_id
        if place == "project":
            subject = gateway.grant.project_id
        named = tuple((endpoint.name, limits) for endpoint in gateway.endpoints)
        terms = Terms(subject, model_limits=named) if place == "model" else Terms(subject, limits)
        await publish(gateway, terms=(terms,))
        used: set[str] = set()
        for call in CALLS:
            answer = await call.ask(await gateway.client())
            # Of each model's limit, the first call of each model is let in.
            kind = "" if place != "model" else model_of(call, gateway)
            assert answer.status == (429 if kind in used else 200), call.path
            used.add(kind)


def model_of(call, gateway):
    path = call.path.replace("%2F", "/")
    named = [each.name for each in gateway.endpoints if each.name in path]
    return (named or [e.name for e in gateway.endpoints if e.name.encode() in call.body])[0]


async def test_a_free_model_is_not_stopped_by_a_spent_budget(tmp_path):
    async with every_operation(tmp_path / "gateway", Treasury(0)) as gateway:
        await publish(gateway, budgets=(BUDGET,), price=Price("price_free", "USD", 0, 0, 0))
        for call in CALLS:
            answer = await call.ask(await gateway.client())
            assert answer.status == 200, call.path


async def test_without_a_budget_nothing_is_ever_asked_or_refused(tmp_path):
    treasury = Treasury(0)
    async with every_operation(tmp_path / "gateway", treasury) as gateway:
        for call in CALLS:
            assert (await call.ask(await gateway.client())).status == 200
        assert treasury.asked == 0


async def test_a_budget_is_spent_by_all_routes_of_chat_together_and_not_beyond(tmp_path):
    """Of chat alone: the fake host tells more input of its other operations than they have."""
    amount = 2_000_000
    chats = [call for call in CALLS if "tw%2Fchat" in call.path or b"tw/chat" in call.body]
    async with every_operation(tmp_path / "gateway", Treasury(amount)) as gateway:
        await publish(gateway, budgets=(BUDGET,))
        statuses = []
        for _ in range(3):
            for call in chats:
                statuses.append((await call.ask(await gateway.client())).status)  # noqa: PERF401  one by one
        assert set(statuses) == {200, 402}
        spent = sum(event.cost_nanos for event in gateway.events())
        # A call that might cost more than is left is not begun, so some of it stays.
        assert 0 < spent <= amount
