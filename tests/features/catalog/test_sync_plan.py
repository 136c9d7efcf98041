"""Plans of syncs, on small worlds carried out in memory."""

from dataclasses import dataclass, field
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.features.catalog.rules.said import (
    OfferKey,
    Prices,
    Question,
    Said,
    SaidModel,
    SaidOffer,
    Stored,
    StoredOffer,
    Terms,
)
from tradewind.features.catalog.rules.sync_plan import (
    VANISHED,
    plan_sync,
    prices_as_json,
    prices_of_json,
    why_suspicious,
)

DAY = date(2026, 11, 22)
USD = 1_000_000_000


@dataclass
class World:
    """What a catalog would hold, and what somebody decided."""

    offers: dict[OfferKey, StoredOffer] = field(default_factory=dict)
    facts: dict[str, dict[tuple[str, str], object]] = field(default_factory=dict)
    dismissed: dict[Question, object] = field(default_factory=dict)

    def plan(self, said):
        return plan_sync(
            Stored(dict(self.offers), self.facts.get(said.source, {}), self.dismissed), said
        )

    def sync(self, said):
        plan = self.plan(said)
        by_id = {offer.offer_id: offer for offer in self.offers.values()}
        for values in plan.added:
            self._put(f"off {values.key}", values)
        for offer_id, values in plan.changed:
            self._put(offer_id, values)
        for offer_id in plan.vanished:
            there = by_id[offer_id]
            gone = there._replace(terms=there.terms._replace(status=VANISHED))
            self.offers[there.key] = gone
        told = self.facts.setdefault(said.source, {})
        for fact in plan.facts:
            told[fact.model, fact.name] = fact.value
        return plan

    def _put(self, offer_id, values):
        self.offers[values.key] = StoredOffer(
            offer_id, values.key, values.terms, values.prices, values.source, values.price_source
        )


def prices(taken=1.0, given=2.0, **more):
    return Prices("USD", round(taken * USD), round(given * USD), **more)


USUAL = prices()


def offer(name="m", host="h", price: Prices | None = USUAL, model="tw/m", **more):
    terms = {key: more.pop(key) for key in list(more) if key in Terms._fields}
    return SaidOffer(
        OfferKey(host, name, more.pop("region", "")), Terms(model, **terms), price, **more
    )


def said(*offers, source="models_dev", models=(), **more):
    return Said(source, DAY, len(offers), tuple(models), tuple(offers), **more)


def test_a_new_offer_is_added_and_the_same_again_changes_nothing():
    world = World()
    assert [values.key.upstream_model for values in world.sync(said(offer())).added] == ["m"]
    again = world.sync(said(offer()))
    assert (again.added, again.changed, again.held, again.vanished) == ([], [], [], [])
    assert again.unchanged == ["off OfferKey(host='h', upstream_model='m', region='')"]


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (10.0, "the price of input rose 10 times"),
        (0.1, "the price of input fell to a 10th"),
        (0.0, "the price of input fell to nothing"),
    ],
)
def test_a_price_that_looks_wrong_is_held_and_the_rest_applied(taken, words):
    world = World()
    world.sync(said(offer()))
    plan = world.sync(said(offer(price=prices(taken), status="beta")))
    [held] = plan.held
    assert (held.question, held.reason) == (Question("price", "h", "m"), words)
    [stored] = world.offers.values()
    assert (stored.prices, stored.terms.status) == (prices(), "beta")
    assert prices_of_json(held.after) == prices(taken)


@pytest.mark.parametrize("taken", [9.99, 0.11])
def test_a_price_within_bounds_is_taken(taken):
    world = World()
    world.sync(said(offer()))
    assert not world.sync(said(offer(price=prices(taken)))).held
    assert next(iter(world.offers.values())).prices == prices(taken)


def test_unknown_is_no_price_and_free_may_become_paid():
    assert why_suspicious(Prices(), prices()) is None
    assert why_suspicious(prices(0.0), prices(5.0)) is None
    assert why_suspicious(prices(), Prices()) is None
    assert "currency" in (why_suspicious(prices(), prices()._replace(currency="EUR")) or "")
    meters = Prices(meters=(("images", 40),))
    assert why_suspicious(meters, Prices(meters=(("images", 400),))) is not None


def test_a_dismissed_change_is_not_asked_again_and_another_is():
    world = World()
    world.sync(said(offer()))
    wrong = said(offer(price=prices(50.0)))
    [held] = world.plan(wrong).held
    world.dismissed[held.question] = held.after
    assert world.sync(wrong).held == []
    assert next(iter(world.offers.values())).prices == prices(), "it stays as it was"
    assert len(world.sync(said(offer(price=prices(60.0)))).held) == 1


def test_a_context_that_shrinks_to_less_than_a_quarter_is_held():
    world = World()
    told = SaidModel("tw/m", "TW", facts={"context_tokens": 128_000})
    world.sync(said(offer(context_tokens=128_000), models=[told]))
    less = told._replace(facts={"context_tokens": 31_999})
    plan = world.sync(said(offer(context_tokens=31_999), models=[less]))
    assert [change.question for change in plan.held] == [
        Question("context", "", "tw/m"),
        Question("context", "h", "m"),
    ]
    assert next(iter(world.offers.values())).terms.context_tokens == 128_000
    assert world.facts["models_dev"]["tw/m", "context_tokens"] == 128_000
    quarter = told._replace(facts={"context_tokens": 32_000})
    assert not world.sync(said(offer(context_tokens=32_000), models=[quarter])).held


def test_few_missing_offers_vanish_and_many_are_held():
    names = [f"m{number}" for number in range(30)]
    world = World()
    world.sync(said(*map(offer, names)))
    plan = world.sync(said(*map(offer, names[3:])))
    assert len(plan.vanished) == 3
    plan = world.plan(said(*map(offer, names[7:])))
    [held] = plan.held
    assert plan.vanished == []
    assert held.question == Question("vanished", "h", "")
    assert len(held.after["vanished"]) == 4
    assert held.reason == "4 of 27 offers of h are missing from the list"


def test_a_small_host_may_drop_one_but_not_all():
    world = World()
    world.sync(said(offer("a"), offer("b"), offer("c", host="other")))
    assert len(world.plan(said(offer("a"), offer("c", host="other"))).vanished) == 1
    plan = world.plan(said(offer("a"), offer("b")))
    assert [change.question.host for change in plan.held] == ["other"]


def test_what_a_reading_does_not_cover_has_not_vanished():
    world = World()
    world.sync(said(offer("a", host="one"), offer("b", host="two"), source="ollama"))
    plan = world.plan(said(offer("a", host="one"), source="ollama", hosts=frozenset({"one"})))
    assert (plan.vanished, plan.held) == ([], [])


def test_what_vanished_comes_back():
    world = World()
    world.sync(said(offer("a"), offer("b"), offer("c")))
    world.sync(said(offer("a"), offer("b")))
    key = OfferKey("h", "c")
    assert world.offers[key].terms.status == VANISHED
    world.sync(said(offer("a"), offer("b"), offer("c")))
    assert world.offers[key].terms.status == "active"


def test_a_hosts_own_list_goes_before_a_list_of_others():
    world = World()
    world.sync(said(offer(price=prices(3.0))))
    own = said(offer(price=prices(90.0)), source="openrouter")
    assert world.sync(own).held == [], "its first word is compared with nothing"
    assert world.offers[OfferKey("h", "m")].source == "openrouter"
    assert world.sync(said(offer(price=prices(3.0)))).overruled == 1
    assert world.offers[OfferKey("h", "m")].prices == prices(90.0)


def test_a_list_of_prices_fills_in_what_no_other_tells_and_adds_no_second_offer():
    world = World()
    world.sync(said(offer("m", price=None), offer("n", model="tw/n")))
    told = said(
        offer("m-short", price=prices(7.0), is_price_only=True),
        offer("n-short", price=prices(7.0), model="tw/n", is_price_only=True),
        source="genai_prices",
    )
    world.sync(told)
    assert world.offers[OfferKey("h", "m")].prices == prices(7.0)
    assert world.offers[OfferKey("h", "m")].price_source == "genai_prices"
    assert world.offers[OfferKey("h", "n")].prices == prices(), "another id is no better word"
    assert len(world.offers) == 2
    again = world.sync(told)
    assert (again.added, again.changed, again.vanished, again.held) == ([], [], [], [])
    world.sync(said(offer("m", price=None), offer("n", model="tw/n")))
    assert world.offers[OfferKey("h", "m")].prices == prices(7.0), "not taken back by another"


def test_prices_come_through_json_unchanged():
    told = prices(1.0, 2.0, meters=(("images", 4),), tiers=((200_000, 1, 2, None, None),))
    assert prices_of_json(prices_as_json(told)) == told


# Worlds are small, and most of what matters happens between two readings of one host.
FEW = settings(max_examples=60)

# --- properties -----------------------------------------------------------------------------

NANOS = st.none() | st.sampled_from([0, 1, 5, 9, 10, 60, 100, 10**9])
PRICES = st.none() | st.tuples(NANOS, NANOS).map(lambda both: Prices("USD", *both))
TERMS = st.tuples(
    st.sampled_from(["tw/m", "tw/n"]),
    st.none() | st.sampled_from([1_000, 4_000, 200_000]),
    st.sampled_from(["active", "beta"]),
).map(lambda told: Terms(told[0], told[1], status=told[2]))
KEYS = st.tuples(st.sampled_from("hi"), st.sampled_from("abcd")).map(lambda key: OfferKey(*key))
MODELS = st.dictionaries(
    st.sampled_from(["tw/m", "tw/n"]), st.sampled_from([1_000, 4_000, 200_000]), max_size=2
).map(
    lambda told: [
        SaidModel(name, "TW", facts={"context_tokens": tokens}) for name, tokens in told.items()
    ]
)


def readings(source="models_dev", *, is_price_only=False):
    offers = st.lists(
        st.tuples(KEYS, TERMS, PRICES).map(lambda told: SaidOffer(*told, is_price_only)),
        max_size=6,
        unique_by=lambda each: each.key,
    )
    return st.tuples(offers, MODELS).map(lambda told: said(*told[0], source=source, models=told[1]))


ANY = st.one_of(readings(), readings("openrouter"), readings("genai_prices", is_price_only=True))


@FEW
@given(st.lists(ANY, max_size=3), ANY)
def test_applying_twice_is_applying_once(before, reading):
    world = World()
    for each in before:
        world.sync(each)
    first = world.sync(reading)
    offers, facts = dict(world.offers), dict(world.facts[reading.source])
    second = world.sync(reading)
    assert (second.added, second.changed, second.vanished, second.facts_changed) == ([], [], [], 0)
    assert {change.question for change in second.held} <= {change.question for change in first.held}
    assert (world.offers, world.facts[reading.source]) == (offers, facts)


@FEW
@given(st.lists(ANY, max_size=2), ANY, st.permutations(range(6)))
def test_the_order_of_entries_makes_no_difference(before, reading, places):
    world = World()
    for each in before:
        world.sync(each)
    offers = [reading.offers[place] for place in places if place < len(reading.offers)]
    assert world.plan(reading._replace(offers=tuple(offers))) == world.plan(reading)


@FEW
@given(st.lists(ANY, max_size=3), ANY)
def test_nothing_goes_silently(before, reading):
    """What is stored stays, is marked, or is asked about; nothing is removed."""
    world = World()
    for each in before:
        world.sync(each)
    former = dict(world.offers)
    plan = world.sync(reading)
    asked = {
        offer_id
        for change in plan.held
        if change.question.kind == VANISHED
        for offer_id in change.after["vanished"]
    }
    told = {offer.key for offer in reading.offers}
    for key, there in former.items():
        assert key in world.offers
        is_gone = there.source == reading.source and there.terms.status != VANISHED
        if is_gone and key not in told:
            assert there.offer_id in asked or there.offer_id in plan.vanished


@FEW
@given(st.lists(ANY, max_size=3), ANY)
def test_no_price_jumps_without_being_asked(before, reading):
    world = World()
    for each in before:
        world.sync(each)
    former = dict(world.offers)
    world.sync(reading)
    for key, there in former.items():
        now = world.offers[key]
        is_same_word = there.price_source == now.price_source == reading.source
        if is_same_word and there.prices is not None and now.prices is not None:
            assert why_suspicious(there.prices, now.prices) is None


@FEW
@given(readings(), readings("openrouter"))
def test_the_order_of_two_sources_makes_no_difference(one, other):
    """Their first readings: what they say of an offer, and of a model, does not depend on it."""
    forth, back = World(), World()
    for world, order in ((forth, (one, other)), (back, (other, one))):
        for reading in order:
            world.sync(reading)

    def seen(world):
        return {
            key: (each.terms, each.source, each.price_source if each.prices else None)
            for key, each in world.offers.items()
        }

    assert seen(forth) == seen(back)
    assert forth.facts == back.facts
