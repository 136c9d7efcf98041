"""Budgets in the gateway: holds, leases, and what is left when there is little left."""

import random

import pytest
from admission_parts import (
    ORGANIZATION,
    PRICE,
    PROJECT,
    Bank,
    Gateway,
    HandTurnedLoop,
    budget_of,
    endpoint_of,
    terms_of,
)

from tradewind.gateway.admission.base import Ask
from tradewind.gateway.admission.lease import worst_case
from tradewind.snapshot.contents import Grant, Operation, Price

UNIT = 1_000_000_000


def gateway_of(amount, *, bank=None, loop=None, node="gateway", **changes):
    """One hard budget of the key's project. Prices: a nano a token read, two a token written."""
    loop = loop or HandTurnedLoop()
    return Gateway(
        loop=loop,
        bank=bank or Bank(loop, b1=amount),
        node=node,
        terms=[terms_of(PROJECT, budgets=("b1",))],
        budgets=[budget_of("b1", name="Team")],
        **changes,
    )


def ask(gateway, **how):
    # Input that costs nothing, so that amounts are those of the answer.
    told = gateway.ask(endpoint=free_to_read(), **{"read": 0, "write": 100} | how)
    gateway.loop.settle()
    return told


def free_to_read(**changes):
    return endpoint_of(price=Price("p", "USD", 0, 2_000_000, 0), **changes)


def test_the_first_call_asks_for_a_lease_and_the_next_ones_need_not():
    gateway = gateway_of(UNIT)
    told = ask(gateway)
    assert told.is_admitted
    assert len(gateway.bank.requests) == 1
    for _ in range(100):
        assert ask(gateway).is_admitted
    assert len(gateway.bank.requests) == 1


@pytest.mark.parametrize(
    ("is_wallet", "is_charged", "is_admitted"),
    [(True, True, False), (True, False, True), (False, False, False)],
)
def test_an_empty_wallet_is_nothing_to_calls_that_are_only_shown(
    is_wallet, is_charged, is_admitted
):
    price = Price("p", "USD", 0, 2_000_000, 0, is_charged=is_charged)
    loop = HandTurnedLoop()
    gateway = Gateway(
        loop=loop,
        bank=Bank(loop, b1=0),
        terms=[terms_of(ORGANIZATION, budgets=("b1",))],
        budgets=[budget_of("b1", is_wallet=is_wallet)],
        endpoint=endpoint_of(price=price),
    )
    told = gateway.ask(write=100)
    loop.settle()
    assert told.is_admitted is is_admitted
    assert is_admitted or told.error.status == 402


def test_a_call_holds_its_worst_case_and_settles_with_what_it_cost():
    gateway = gateway_of(1000)
    first = ask(gateway, write=100)
    assert first.admission.most_output_tokens == 100
    second = ask(gateway, write=400)
    assert second.is_admitted
    third = ask(gateway, write=100)
    assert third.is_waiting, "all is held"
    gateway.settle(first, cost=10)
    gateway.loop.turn(1.1)
    assert third.admission.most_output_tokens == 95


def test_what_a_call_did_not_use_is_there_for_the_next():
    gateway = gateway_of(200)
    for _ in range(10):
        told = ask(gateway)
        assert told.is_admitted, told.error
        gateway.settle(told, cost=0)


def test_a_smaller_hold_lets_a_shorter_answer_be_generated():
    gateway = gateway_of(51)
    told = ask(gateway, write=100)
    gateway.loop.turn(2.0)
    assert told.admission.most_output_tokens == 25
    gateway.settle(told, cost=50)
    told = ask(gateway, write=100)
    gateway.loop.turn(2.0)
    assert (told.error.status, told.error.code) == (402, "budget_exceeded")


def test_an_answer_of_less_than_one_token_for_each_choice_is_none():
    gateway = gateway_of(7)
    told = ask(gateway, write=400, choices=4)
    gateway.loop.turn(2.0)
    assert told.error.status == 402
    told = ask(gateway, write=300, choices=3)
    gateway.loop.turn(2.0)
    assert told.admission.most_output_tokens == 3


def test_d6_a_spent_budget_refuses_and_names_itself():
    gateway = gateway_of(0)
    told = ask(gateway)
    gateway.loop.settle()
    error = told.error
    assert (error.status, error.type, error.code) == (402, "insufficient_quota", "budget_exceeded")
    assert "'Team'" in error.message
    assert b"x-should-retry: false" in error.headers


def test_d6_a_spent_budget_does_not_ask_for_every_call():
    gateway = gateway_of(0)
    for _ in range(1000):
        assert ask(gateway).error.status == 402
    assert len(gateway.bank.requests) <= 2
    gateway.bank.balances["b1"] = gateway.bank.balances["b1"]._replace(amount=UNIT)
    gateway.loop.turn(1.1)
    assert ask(gateway).is_admitted, "the amount was raised"


def test_d6_free_models_are_never_blocked():
    gateway = gateway_of(0)
    told = gateway.ask(endpoint=endpoint_of(price=Price("p", "USD", 0, 0, 0)), write=100)
    assert told.is_admitted
    assert not gateway.bank.requests


def test_d6_without_a_budget_nothing_is_exceeded():
    loop = HandTurnedLoop()
    gateway = Gateway(loop=loop, bank=Bank(loop, b1=0), budgets=[budget_of("b1")])
    assert ask(gateway).is_admitted


def test_a_soft_budget_refuses_nothing():
    loop = HandTurnedLoop()
    gateway = Gateway(
        loop=loop,
        bank=Bank(loop, b1=0),
        terms=[terms_of(PROJECT, budgets=("b1",))],
        budgets=[budget_of("b1", is_hard=False)],
    )
    assert ask(gateway).is_admitted
    assert not gateway.bank.requests


def test_a_budget_in_another_currency_cannot_pay():
    loop = HandTurnedLoop()
    gateway = Gateway(
        loop=loop,
        bank=Bank(loop, b1=UNIT),
        terms=[terms_of(PROJECT, budgets=("b1",))],
        budgets=[budget_of("b1", currency="EUR")],
    )
    error = ask(gateway).error
    assert (error.status, error.code) == (402, "budget_currency")
    assert "EUR" in error.message
    assert "USD" in error.message


def test_every_budget_of_a_call_is_held_and_the_poorest_decides():
    loop = HandTurnedLoop()
    gateway = Gateway(
        loop=loop,
        bank=Bank(loop, key=10_000, project=10_000, organization=60),
        key_budgets=("key",),
        terms=[
            terms_of(PROJECT, budgets=("project",)),
            terms_of(ORGANIZATION, budgets=("organization",)),
        ],
        budgets=[
            budget_of("key"),
            budget_of("project"),
            budget_of("organization", name="Everything"),
        ],
    )
    told = ask(gateway, write=100)
    loop.turn(2.0)
    assert told.admission.most_output_tokens == 30
    gateway.settle(told, cost=60)
    told = ask(gateway, write=100)
    loop.turn(2.0)
    assert "'Everything'" in told.error.message
    leases = {lease.budget.id: lease for lease in gateway.budgets._leases.values()}
    assert {name: (lease.used, lease.held) for name, lease in leases.items()} == {
        "key": (60, 0),
        "project": (60, 0),
        "organization": (60, 0),
    }


def test_a_hold_that_is_refused_leaves_the_limits_as_they_were():
    from tradewind.snapshot.contents import Limits  # noqa: PLC0415

    gateway = gateway_of(0, limits=Limits(5, 1000, 1))
    for _ in range(50):
        assert ask(gateway).error.status == 402


def test_while_calls_hold_the_rest_others_wait_for_it_a_little():
    gateway = gateway_of(200)
    running = ask(gateway, write=100)
    waiting = [ask(gateway, write=100) for _ in range(3)]
    gateway.loop.turn(0.5)
    assert all(each.is_waiting for each in waiting)
    gateway.settle(running, cost=1)
    assert [each.is_admitted for each in waiting] == [True, False, False]
    gateway.settle(waiting[0], cost=1)
    assert [each.is_admitted for each in waiting] == [True, True, False]
    gateway.loop.turn(2.0)
    assert waiting[2].error.status == 402
    assert "held by running calls" in waiting[2].error.message


def test_a_caller_that_goes_while_it_waits_holds_nothing():
    gateway = gateway_of(200)
    running = ask(gateway, write=100)
    gone = ask(gateway, write=100)
    gone.waiting.cancel()
    gateway.settle(running, cost=0)
    told = ask(gateway, write=100)
    assert told.is_admitted
    assert gone.is_waiting
    assert gateway.budgets.waiting == 0


def test_with_the_control_plane_away_the_lease_is_spent_down_and_then_calls_are_refused():
    gateway = gateway_of(100 * 200)
    told = ask(gateway)
    gateway.settle(told, cost=0)
    gateway.bank.is_away = True
    admitted = []
    while (told := ask(gateway)).is_admitted:
        admitted.append(told)
    leased = gateway.bank.balances["b1"].leased
    assert sum(200 for _ in admitted) <= leased < sum(200 for _ in admitted) + 200
    assert (told.error.status, told.error.code) == (503, "budget_unavailable")
    for each in admitted:
        gateway.settle(each, cost=0)
    assert ask(gateway).is_admitted, "what came back can be spent again"
    gateway.bank.is_away = False


def test_a_control_plane_that_does_not_answer_is_not_waited_for_for_ever():
    gateway = gateway_of(UNIT)
    gateway.bank.held_back = []
    told = ask(gateway)
    gateway.loop.turn(1.9)
    assert told.is_waiting
    gateway.loop.turn(0.3)
    assert told.error.code == "budget_unavailable"
    gateway.bank.release()
    assert ask(gateway).is_admitted


def test_a_lost_answer_costs_nothing_but_time():
    gateway = gateway_of(1000)
    gateway.bank.held_back = []
    told = ask(gateway)
    lost = gateway.bank.held_back
    gateway.loop.turn(2.2)
    assert told.error.status == 503
    gateway.bank.held_back = None
    lease = gateway.budgets._leases["b1"]
    lease.is_asked = False  # as when the connection breaks
    assert lost
    told = ask(gateway)
    gateway.loop.turn(1.0)
    gateway.settle(told, cost=150)
    gateway.loop.turn(30.0)
    balance = gateway.bank.balances["b1"]
    assert balance.spent == 150
    assert balance.spent + balance.leased <= 1000


def test_a_budget_that_is_gone_bounds_nothing():
    gateway = gateway_of(UNIT)
    del gateway.bank.balances["b1"]
    assert ask(gateway).is_admitted


def test_what_lies_idle_is_given_back():
    gateway = gateway_of(UNIT)
    told = ask(gateway)
    gateway.settle(told, cost=7)
    gateway.loop.turn(5.1)
    assert gateway.bank.balances["b1"].spent == 7
    gateway.loop.turn(90.0)
    assert gateway.bank.balances["b1"].leased == 0
    gateway.loop.turn(90.0)
    assert not gateway.budgets._leases


def test_when_a_gateway_stops_it_gives_everything_back():
    gateway = gateway_of(UNIT)
    gateway.settle(ask(gateway), cost=7)
    closed = []
    gateway.admissions.close(lambda: closed.append(True))
    gateway.loop.settle()
    assert closed
    balance = gateway.bank.balances["b1"]
    assert (balance.spent, balance.leased) == (7, 0)


def test_what_comes_while_a_gateway_stops_is_given_back_too():
    gateway = gateway_of(UNIT)
    gateway.settle(ask(gateway), cost=7)
    gateway.bank.held_back = []
    gateway.loop.turn(5.1)
    assert len(gateway.bank.held_back) == 1
    closed = []
    gateway.admissions.close(lambda: closed.append(True))
    gateway.loop.settle()
    assert not closed
    gateway.bank.release()
    gateway.loop.settle()
    assert closed
    balance = gateway.bank.balances["b1"]
    assert (balance.spent, balance.leased) == (7, 0)


def test_a_gateway_that_stops_with_the_control_plane_away_does_not_wait_for_it():
    gateway = gateway_of(UNIT)
    gateway.settle(ask(gateway), cost=7)
    gateway.bank.is_away = True
    closed = []
    gateway.admissions.close(lambda: closed.append(True))
    gateway.loop.settle()
    assert closed


def test_when_the_period_ends_a_new_lease_begins_and_the_old_one_is_settled():
    loop = HandTurnedLoop()
    bank = PeriodBank(loop, b1=1000)
    gateway = gateway_of(1000, loop=loop, bank=bank)
    running = ask(gateway, write=400)
    loop.turn(61.0)
    told = ask(gateway, write=400)
    assert told.is_admitted
    gateway.settle(running, cost=300)
    gateway.settle(told, cost=20)
    loop.turn(10.0)
    assert {start: balance.spent for (_, start), balance in bank.by_period.items()} == {
        PeriodBank.FIRST: 300,
        PeriodBank.FIRST + 60_000: 20,
    }


class PeriodBank(Bank):
    """Every minute is a period."""

    FIRST = 1_900_000_000_000 // 60_000 * 60_000

    def __init__(self, loop, **amounts):
        super().__init__(loop, **amounts)
        self.by_period = {}

    def _renew(self, request, ask):
        now_ms = self._loop.unix_ms()
        start = now_ms // 60_000 * 60_000 if ask.period_ms is None else ask.period_ms
        key = (ask.budget, start)
        self.balances[ask.budget] = self.by_period.get(
            key, self.balances[ask.budget]._replace(spent=0, leased=0, overspent=0)
        )
        leases = self.leases
        self.leases = leases.setdefault(start, {})
        grant = super()._renew(request, ask)
        self.leases = leases
        self.by_period[key] = self.balances[ask.budget]
        from msgspec.structs import replace  # noqa: PLC0415

        return replace(grant, period_ms=start, period_end_ms=start + 60_000)


@pytest.mark.parametrize("seed", range(8))
def test_however_many_gateways_spend_the_amount_is_never_exceeded(seed):
    """Four gateways, calls of all sizes and costs, answers that are lost, gateways that die."""
    source = random.Random(seed)
    loop = HandTurnedLoop()
    amount = source.choice([500, 5_000, 100_000, UNIT])
    bank = Bank(loop, b1=amount)
    gateways = [gateway_of(amount, loop=loop, bank=bank, node=f"g{n}") for n in range(4)]
    running = []
    spent = 0
    for _ in range(1500):
        gateway = source.choice(gateways)
        match source.randrange(8):
            case 0 | 1 | 2:
                told = gateway.ask(
                    endpoint=free_to_read(),
                    write=source.choice([1, 10, 100, 1000]),
                    choices=source.choice([1, 1, 1, 2]),
                )
                running.append((gateway, told))
            case 3 | 4 | 5 if running:
                _, told = running.pop(source.randrange(len(running)))
                if told.is_admitted:
                    most = 2 * told.admission.most_output_tokens
                    cost = source.randint(0, most)
                    spent += cost
                    told.admission.settle(0, cost, loop.time)
                elif told.is_waiting:
                    told.waiting.cancel()
            case 6:
                bank.is_away = source.random() < 0.2
            case _:
                loop.turn(source.choice([0.0, 0.01, 0.2, 3.0]))
        assert spent <= amount
    assert all(gateway.budgets.overruns == 0 for gateway in gateways)
    bank.is_away = False
    loop.turn(3.0)
    for _, told in running:
        if told.is_admitted:
            told.admission.settle(0, 0, loop.time)
    loop.turn(200.0)
    assert bank.balances["b1"].spent == spent
    assert bank.balances["b1"].leased == 0


def test_a_call_that_costs_more_than_it_held_is_counted():
    gateway = gateway_of(UNIT)
    gateway.settle(ask(gateway, write=100), cost=201)
    assert gateway.admissions.counters["hold_overruns"] == 1
    gateway.loop.turn(10.0)
    assert gateway.bank.balances["b1"].spent == 201


# --- the worst case ---------------------------------------------------------------------------


def worst(endpoint, *, most_input=1000, write: int | None = 100, read=250, choices=1):
    grant = Grant("k", b"", "o", "p")
    return worst_case(Ask(grant, endpoint, read, most_input, write, choices=choices))


def test_input_is_held_at_its_dearest_price_and_with_what_hosts_add():
    price = Price("p", "USD", 1_000_000, 2_000_000, 100_000, cache_write_nanos=1_250_000)
    found = worst(endpoint_of(price=price))
    assert found.whole_nanos == (1000 + 1024) * 1.25 + 100 * 2


def test_meters_of_a_part_of_the_tokens_are_held_at_their_dearest_price():
    meters = {"audio_input_tokens": 3_000_000, "reasoning_tokens": 5_000_000, "requests": 7_000_000}
    price = Price("p", "USD", 1_000_000, 2_000_000, 100_000, meters=meters)
    found = worst(endpoint_of(price=price))
    assert found.whole_nanos == (1000 + 1024) * 3 + 100 * 5 + 7


def test_input_is_never_held_beyond_the_context():
    assert worst(endpoint_of(context_tokens=500), most_input=10**7, write=0).whole_nanos == 10**7
    assert worst(endpoint_of(context_tokens=500), most_input=10**7, write=1).whole_nanos == 502


def test_output_is_held_by_what_is_wanted_and_what_can_be_made():
    endpoint = free_to_read(max_output_tokens=1000)
    assert worst(endpoint, write=100).whole_nanos == 200
    assert worst(endpoint, write=10**9).whole_nanos == 2000
    assert worst(endpoint, write=None).whole_nanos == 2000
    assert worst(endpoint, write=None, choices=3).whole_nanos == 6000
    near_the_end = free_to_read(max_output_tokens=1000, context_tokens=1100)
    assert worst(near_the_end, write=None, read=250).whole_nanos == 2 * 850


def test_other_meters_are_held_too():
    price = Price("p", "USD", 0, 0, 0, meters={"requests": 5_000_000, "images": 7_000_000})
    assert worst(endpoint_of(price=price, operation=Operation.IMAGES), write=0).whole_nanos == 12


def test_what_an_amount_pays_for_never_costs_more():
    found = worst(endpoint_of(price=PRICE))
    for nanos in range(found.least_nanos, found.whole_nanos + 3):
        tokens = found.output_for(nanos)
        assert 1 <= tokens <= 100
        assert found.nanos(tokens) <= nanos
        assert tokens == 100 or found.nanos(tokens + 1) > nanos
