"""Margins: prices that follow what providers take."""

import pytest

from tests.features.market.price_parts import (
    ADMIN,
    DAY,
    MODEL,
    NOTICE,
    START,
    PriceWorld,
    terms,
)
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.features.market.schemas import Margin, NewMargin, ProviderCost, Scope

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(database):
    world = PriceWorld(database)
    world.add_model()
    return world


def put(world, scope=Scope.ALL, target="", percent=1000, **more):
    new = NewMargin(scope, target, Margin(percent, **more))
    return world.do(world.book.put_margin, ADMIN, new, by="Ada")


def cost(world, nanos, *, currency="USD", host="groq", output=20):
    meters = {"input_tokens": nanos, "output_tokens": output}
    return ProviderCost(world.ids[MODEL], MODEL, currency, frozenset({host}), meters)


def run(world):
    return tuple(world.do(world.book.run_margins))


def test_a_model_without_a_price_gets_one_at_once(world):
    world.costs = [cost(world, 10)]
    put(world)
    assert run(world) == (1, 0)
    assert world.costs_at(START) == 11
    assert run(world) == (0, 0)


def test_a_cost_that_falls_is_passed_on_at_once_and_one_that_rises_after_the_notice(world):
    world.costs = [cost(world, 10)]
    put(world, percent=0)
    run(world)
    world.clock.at += DAY
    world.costs = [cost(world, 8)]
    assert run(world) == (1, 0)
    assert world.costs_at(START + DAY) == 8
    world.costs = [cost(world, 12)]
    assert run(world) == (1, 0)
    assert run(world) == (0, 0)
    assert (world.costs_at(NOTICE), world.costs_at(NOTICE + DAY)) == (8, 12)


def test_the_narrowest_margin_counts(world):
    world.costs = [cost(world, 100)]
    put(world, percent=0)
    put(world, Scope.HOST, "groq", 1000)
    put(world, Scope.PUBLISHER, "tw", 2000)
    put(world, Scope.MODEL, MODEL, 3000)
    put(world, Scope.MODEL, "tw/other", 9000)
    run(world)
    assert world.costs_at(START) == 130


def test_what_looks_like_a_mistake_waits_and_is_asked_once(world):
    world.costs = [cost(world, 10)]
    put(world, percent=0)
    run(world)
    world.costs = [cost(world, 1000)]
    assert run(world) == (0, 1)
    assert run(world) == (0, 0)
    [waiting] = world.do(world.book.proposals, ADMIN)
    world.do(world.book.decide, ADMIN, waiting.proposal_id, is_accepted=False, by="Ada")
    assert run(world) == (0, 0)
    world.costs = [cost(world, 2000)]
    assert run(world) == (0, 1)
    assert world.costs_at(START) == 10


def test_whoever_spoke_last_is_heard(world):
    world.costs = [cost(world, 10)]
    put(world, percent=0)
    run(world)
    world.clock.at += DAY
    world.set(terms(9, 20))
    assert run(world) == (0, 0)
    world.clock.at += DAY
    put(world, percent=500)
    assert run(world) == (1, 0)
    assert world.costs_at(world.clock.at) == 9


def test_costs_of_two_currencies_make_no_price(world):
    world.costs = [cost(world, 10), cost(world, 10, currency="EUR")]
    put(world)
    assert run(world) == (0, 0)


def test_what_a_provider_gives_away_is_not_given_away_by_a_margin(world):
    world.costs = [cost(world, 0, output=0)]
    put(world)
    assert run(world) == (0, 0)


def test_a_margin_that_was_stopped_sets_nothing(world):
    world.costs = [cost(world, 10)]
    row = put(world)
    world.do(world.book.stop_margin, ADMIN, row.margin_id)
    assert run(world) == (0, 0)
    with pytest.raises(NotFound):
        world.do(world.book.stop_margin, ADMIN, "margin_x")


@pytest.mark.parametrize(
    ("scope", "target", "more"),
    [
        (Scope.ALL, "x", {}),
        (Scope.HOST, "", {}),
        (Scope.ALL, "", {"percent": -10_001}),
        (Scope.ALL, "", {"step_nanos": 0}),
        (Scope.ALL, "", {"least_nanos": -1}),
    ],
)
def test_a_margin_that_cannot_be_is_refused(world, scope, target, more):
    with pytest.raises(InvalidInput):
        put(world, scope, target, **more)
