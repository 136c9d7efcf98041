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
from tradewind.features.market.errors import PriceRefused
from tradewind.features.market.schemas import Margin, NewMargin, ProviderCost, Scope

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(database):
    world = PriceWorld(database)
    world.add_model()
    return world


def put(world, scope=Scope.ALL, target="", percent=1000, **more):
    new = NewMargin(scope, target, Margin(percent, **more))
    return world.do(world.margins.put, ADMIN, new, by="Ada")


def cost(world, nanos, *, currency="USD", host="groq", output=20):
    meters = {"input_tokens": nanos, "output_tokens": output}
    return ProviderCost(world.ids[MODEL], MODEL, currency, frozenset({host}), meters)


def run(world):
    return tuple(world.do(world.margins.run))


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
    [waiting] = world.do(world.proposals.waiting, ADMIN)
    world.do(world.proposals.decide, ADMIN, waiting.proposal_id, is_accepted=False, by="Ada")
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


def test_a_cost_in_another_currency_is_exchanged_and_rounded_up(world):
    world.set(terms(1, 20))
    world.clock.at += DAY
    world.exchange("EUR", "USD", 1_083_400_000)
    world.costs = [cost(world, 7, currency="EUR", output=10)]
    put(world, percent=0)
    run(world)
    [outcome] = world.do(world.margins.preview, ADMIN, NewMargin(Scope.ALL, "", Margin(0))).outcomes
    # 7 x 1.0834 = 7.5838 and 10 x 1.0834 = 10.834
    assert outcome.costs == {"input_tokens": 8, "output_tokens": 11}
    assert outcome.currency == "USD"
    assert world.costs_at(NOTICE + DAY) == 8


def test_a_rate_serves_in_both_directions(world):
    world.set(terms(1, 1))
    world.clock.at += DAY
    world.exchange("USD", "EUR", 500_000_000)
    world.costs = [cost(world, 3, currency="EUR", output=4)]
    put(world, percent=0)
    run(world)
    assert world.costs_at(NOTICE + DAY) == 6


def test_of_places_in_several_currencies_the_dearest_counts(world):
    world.set(terms(10, 20))
    world.clock.at += DAY
    world.exchange("EUR", "USD", 2_000_000_000)
    world.costs = [cost(world, 9), cost(world, 5, currency="EUR", output=5)]
    put(world, percent=0)
    assert run(world) == (0, 0)
    world.costs = [cost(world, 9), cost(world, 6, currency="EUR", output=5)]
    assert run(world) == (1, 0)
    assert world.costs_at(NOTICE + DAY) == 12


def test_without_a_price_places_in_several_currencies_are_priced_in_that_of_the_platform(world):
    world.exchange("EUR", "USD", 2_000_000_000)
    world.costs = [cost(world, 10), cost(world, 10, currency="EUR")]
    put(world, percent=0)
    assert run(world) == (1, 0)
    assert (world.versions()[0].currency, world.costs_at(START)) == ("USD", 20)


def test_without_a_rate_nothing_is_guessed_and_the_reason_is_told(world):
    world.costs = [cost(world, 10), cost(world, 10, currency="EUR")]
    put(world, percent=0)
    assert run(world) == (0, 1)
    assert run(world) == (0, 0)
    assert world.versions() == []
    [waiting] = world.do(world.proposals.waiting, ADMIN)
    assert waiting.reason == "no rate of EUR in USD is stored"
    with pytest.raises(PriceRefused, match="no rate of EUR in USD"):
        world.do(world.proposals.decide, ADMIN, waiting.proposal_id, is_accepted=True, by="Ada")


def test_once_the_rate_is_stored_nothing_waits_any_more(world):
    world.costs = [cost(world, 10), cost(world, 10, currency="EUR")]
    put(world, percent=0)
    run(world)
    world.exchange("EUR", "USD", 1_500_000_000)
    assert run(world) == (1, 0)
    assert world.costs_at(START) == 15
    assert world.do(world.proposals.waiting, ADMIN) == []


def test_a_rate_that_is_valid_later_does_not_count_yet(world):
    world.exchange("EUR", "USD", 2_000_000_000, at=START + DAY)
    world.costs = [cost(world, 10), cost(world, 10, currency="EUR")]
    put(world)
    assert run(world) == (0, 1)


def test_a_margin_that_is_stopped_takes_what_waits_with_it(world):
    world.costs = [cost(world, 10), cost(world, 10, currency="EUR")]
    row = put(world)
    run(world)
    world.do(world.margins.stop, ADMIN, row.margin_id)
    assert world.do(world.proposals.waiting, ADMIN) == []


def test_a_preview_says_what_would_be_and_changes_nothing(world):
    world.add_model("other")
    other = ProviderCost(world.ids["tw/other"], "tw/other", "USD", frozenset({"x"}), {"images": 4})
    gift = cost(world, 0, output=0)
    world.set(terms(9, 20))
    world.clock.at += DAY
    world.costs = [gift, other]
    new = NewMargin(Scope.ALL, "", Margin(5000))
    before = world.versions()

    given, priced = world.do(world.margins.preview, ADMIN, new).outcomes[::-1]

    assert (priced.model, priced.costs, priced.quote.terms.meters) == (
        "tw/other",
        {"images": 4},
        {"images": 6},
    )
    assert (given.quote, given.is_held) == (None, False)
    assert "take nothing" in given.reason
    assert (world.versions(), world.do(world.margins.all, ADMIN)) == (before, [])


def test_a_preview_leaves_out_what_a_narrower_margin_prices(world):
    world.costs = [cost(world, 10)]
    put(world, Scope.MODEL, MODEL)
    wide = NewMargin(Scope.ALL, "", Margin(0))
    assert world.do(world.margins.preview, ADMIN, wide).outcomes == ()
    narrow = NewMargin(Scope.MODEL, MODEL, Margin(0))
    [outcome] = world.do(world.margins.preview, ADMIN, narrow).outcomes
    assert outcome.quote.terms.meters["input_tokens"] == 10


def test_what_a_provider_gives_away_is_not_given_away_by_a_margin(world):
    world.costs = [cost(world, 0, output=0)]
    put(world)
    assert run(world) == (0, 0)


def test_a_margin_that_was_stopped_sets_nothing(world):
    world.costs = [cost(world, 10)]
    row = put(world)
    world.do(world.margins.stop, ADMIN, row.margin_id)
    assert run(world) == (0, 0)
    with pytest.raises(NotFound):
        world.do(world.margins.stop, ADMIN, "margin_x")


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
