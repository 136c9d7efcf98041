"""The price book: by hand, with notice, and nothing that looks like a mistake."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.features.market.price_parts import (
    ADMIN,
    DAY,
    MODEL,
    NOTICE,
    START,
    PriceWorld,
    Somebody,
    terms,
)
from tradewind.core.errors import Forbidden, InvalidInput, NotFound
from tradewind.features.market.errors import (
    NoticeTooShort,
    PriceMoved,
    PriceRefused,
    PriceUnusual,
)
from tradewind.features.market.schemas import NewPrice, PriceTerms

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(database):
    world = PriceWorld(database)
    world.add_model()
    return world


def test_a_first_price_is_in_force_at_once(world):
    world.set(terms(10))
    assert world.costs_at(START) == 10
    assert world.costs_at(START - DAY) is None


def test_a_rise_is_in_force_after_the_notice_and_the_price_of_before_until_then(world):
    world.set(terms(10))
    world.clock.at += DAY
    quote = world.set(terms(12))
    begins = NOTICE + DAY
    assert (quote.effective_at, quote.earliest_at) == (begins, begins)
    assert world.costs_at(begins - DAY / 24) == 10
    assert world.costs_at(begins) == 12


def test_a_fall_is_in_force_at_once(world):
    world.set(terms(10))
    world.clock.at += DAY
    world.set(terms(8))
    assert (world.costs_at(START), world.costs_at(START + DAY)) == (10, 8)


def test_a_rise_before_the_notice_is_refused_unless_it_is_waived(world):
    world.set(terms(10))
    with pytest.raises(NoticeTooShort, match="2026-02-10"):
        world.set(terms(12), effective_at=START + DAY)
    world.set(terms(12), effective_at=START + DAY, waives_notice=True)
    assert (world.costs_at(START), world.costs_at(START + DAY)) == (10, 12)


def test_a_later_word_takes_the_place_of_a_rise_that_was_announced(world):
    world.set(terms(10))
    world.set(terms(12))
    world.clock.at += DAY
    world.set(terms(9))
    assert [world.costs_at(at) for at in (START, START + DAY, NOTICE + DAY)] == [10, 9, 9]


def test_what_is_dearer_than_now_and_cheaper_than_announced_still_needs_its_notice(world):
    world.set(terms(10))
    world.set(terms(50))
    world.clock.at += DAY
    quote = world.set(terms(20))
    assert quote.effective_at == NOTICE + DAY
    # What was announced for the day before is taken back as well as it can be: it is not dearer.
    assert [world.costs_at(at) for at in (START + DAY, NOTICE + DAY)] == [10, 20]


def test_the_same_price_again_adds_no_version(world):
    world.set(terms(10))
    world.set(terms(10))
    assert len(world.versions()) == 1


def test_what_looks_like_a_mistake_is_refused_unless_it_is_meant(world):
    world.set(terms(10, 10))
    for wrong in (terms(100, 10), terms(1, 10), terms(10, 10, currency="EUR")):
        with pytest.raises(PriceUnusual):
            world.set(wrong)
    world.set(terms(1, 10), is_meant=True)
    assert world.costs_at(START) == 1


def test_a_price_that_was_set_meanwhile_is_not_passed_over(world):
    world.set(terms(10), expected="")
    with pytest.raises(PriceMoved):
        world.set(terms(9), expected="")
    world.set(terms(9), expected=world.versions()[0].price_id)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (terms(0, 0), "does not say that it is free"),
        (terms(1, 0, is_free=True), "says that it is free, and it names a price"),
        (terms(1, 2, Bad=1), "is no meter"),
        (terms(10**15 + 1), "between 0 and"),
        (terms(currency="usd"), "three capital letters"),
        (PriceTerms("USD", {}), "costs nothing"),
    ],
)
def test_a_price_that_is_none_is_refused(world, wrong, why):
    with pytest.raises(PriceRefused, match=why):
        world.set(wrong)


def test_a_price_of_the_past_is_refused(world):
    with pytest.raises(InvalidInput, match="has passed"):
        world.set(terms(1), effective_at=START - DAY)


def test_a_model_that_is_not_there_has_no_price(world):
    with pytest.raises(NotFound):
        world.set(terms(1), model="tw/none")


def test_meters_of_their_own_are_kept_exactly(world):
    world.set(terms(3, 5, images=7, reasoning_tokens=11, cache_write_tokens=13, pages=17))
    assert world.versions()[0].terms.meters == {
        "input_tokens": 3,
        "output_tokens": 5,
        "cached_input_tokens": 3,
        "cache_write_tokens": 13,
        "images": 7,
        "reasoning_tokens": 11,
        "pages": 17,
    }


def test_only_who_runs_the_platform_changes_the_book(world):
    other = Somebody(runs_the_platform=False)
    with pytest.raises(Forbidden):
        world.do(world.book.set_price, other, NewPrice(MODEL, terms(1)), by="x")
    with pytest.raises(Forbidden):
        world.do(world.proposals.waiting, other)
    assert world.do(world.files.keys, ADMIN) == []


def test_the_database_refuses_a_free_price_that_costs_something(world):
    wrong = replace(terms(1), is_free=True)
    with pytest.raises(IntegrityError, match="ck_price_free"):
        world.do(world.market.add_price, world.ids[MODEL], wrong)


def test_what_keeps_prices_holds_for_sessions_that_replicate_too(database):
    with database.transaction() as tx:
        enabled = tx.execute(
            text("SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'price_is_immutable'")
        ).scalar_one()
    assert enabled == "A"


# --- what takes effect ---------------------------------------------------------------------------


def changes_told(database):
    with database.transaction() as tx:
        feed = tx.execute(
            text("SELECT count(*) FROM snapshot_change WHERE kind = 'endpoints'")
        ).scalar_one()
        search = tx.execute(text("SELECT count(*) FROM catalog_search_change")).scalar_one()
    return feed, search


def test_a_price_is_told_once_when_it_takes_effect(world, database):
    with database.transaction() as tx:
        tx.execute(text("UPDATE price_effect SET told_until = :at"), {"at": START})
    world.clock.at += DAY / 24
    world.set(terms(10))
    assert world.do(world.market.tell_effects) is None
    world.set(terms(12))
    before = changes_told(database)
    assert world.do(world.market.tell_effects) == NOTICE
    assert changes_told(database) == before

    world.clock.at = NOTICE
    assert world.do(world.market.tell_effects) is None
    feed, search = changes_told(database)
    assert feed == before[0] + 1
    assert search == before[1] + 1
    world.do(world.market.tell_effects)
    assert changes_told(database) == (feed, search)
