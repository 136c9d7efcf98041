"""What terms make of usage: known sums, and what holds for all of them."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.pricing.charges import (
    Charge,
    Flat,
    Graduated,
    MeterCharge,
    Package,
    PerUnit,
    PlanTerms,
    Term,
    TermsRefused,
    Tier,
    Volume,
    Window,
    check_terms,
)
from tradewind.core.pricing.proration import prorated
from tradewind.core.pricing.rating import LineKind, RatedLine, Used, rate

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
DOLLAR = 1_000_000_000
PER_MILLION = DOLLAR


def used(quantity: int, *, meter: str = "emails", hours: int = 0, is_batch: bool = False) -> Used:
    return Used(meter, MONDAY + timedelta(hours=hours), quantity, is_batch)


def terms(charge: Charge, *, included: int = 0, windows: tuple[Window, ...] = ()) -> PlanTerms:
    found = PlanTerms("USD", (MeterCharge("emails", charge, included=included, windows=windows),))
    check_terms(found)
    return found


def total(lines: tuple[RatedLine, ...]) -> int:
    return sum(line.nanos for line in lines)


# The example of the marketplace's documentation: 10,000 e-mails included, then 1 dollar per 100.


def emails(*, term: Term, included: int, is_started_whole: bool) -> PlanTerms:
    return PlanTerms(
        "USD",
        (MeterCharge("emails", Package(100, DOLLAR, is_started_whole), included=included),),
        term=term,
    )


@pytest.mark.parametrize(
    ("is_started_whole", "dollars"), [(True, (0, 6, 51)), (False, (0, Fraction("5.01"), 50.5))]
)
def test_included_emails_and_then_a_dollar_a_hundred_by_the_month(is_started_whole, dollars):
    plan = emails(term=Term.MONTH, included=10_000, is_started_whole=is_started_whole)
    bills = [total(rate(plan, [used(sent)])) for sent in (10_000, 10_501, 15_050)]
    assert bills == [amount * DOLLAR for amount in dollars]


@pytest.mark.parametrize(
    ("is_started_whole", "dollars"), [(True, (0, 56, 150)), (False, (0, 55.51, 150))]
)
def test_a_year_with_monthly_invoices_charges_the_difference(is_started_whole, dollars):
    plan = emails(term=Term.YEAR, included=120_000, is_started_whole=is_started_whole)
    sent = [used(100_000), used(25_551, hours=720), used(15_000, hours=1440)]
    so_far = [total(rate(plan, sent[: month + 1])) for month in range(3)]
    bills = [so_far[0], so_far[1] - so_far[0], so_far[2] - so_far[1]]
    assert bills == [round(amount * DOLLAR) for amount in dollars]


def test_each_graduated_unit_costs_what_its_tier_says():
    plan = terms(Graduated((Tier(3 * PER_MILLION, up_to=1_000_000), Tier(PER_MILLION))))
    lines = rate(plan, [used(1_500_000)])
    assert [(line.tier, line.quantity, line.nanos) for line in lines] == [
        (0, 1_000_000, 3 * DOLLAR),
        (1, 500_000, DOLLAR // 2),
    ]


def test_all_units_of_a_volume_cost_what_the_last_ones_tier_says():
    plan = terms(Volume((Tier(3 * PER_MILLION, up_to=1_000_000), Tier(PER_MILLION, flat_nanos=7))))
    assert total(rate(plan, [used(1_000_000)])) == 3 * DOLLAR
    assert total(rate(plan, [used(1_000_001)])) == DOLLAR + 1000 + 7


def test_the_flat_part_of_a_tier_is_charged_once_it_is_reached():
    plan = terms(Graduated((Tier(0, up_to=10, flat_nanos=5), Tier(0, flat_nanos=9))))
    assert [total(rate(plan, [used(units)])) for units in (0, 10, 11)] == [0, 5, 14]


def test_a_flat_charge_is_due_once_when_the_meter_was_used():
    plan = terms(Flat(DOLLAR))
    assert [total(rate(plan, [used(units)])) for units in (0, 1, 9_999)] == [0, DOLLAR, DOLLAR]


def test_hours_in_a_window_cost_their_part():
    night = Window(50, days=(0,), from_hour=0, to_hour=6)
    plan = terms(PerUnit(PER_MILLION), windows=(night,))
    lines = rate(plan, [used(1_000_000, hours=5), used(1_000_000, hours=6)])
    assert {line.part: line.nanos for line in lines} == {500_000: DOLLAR // 2, 1_000_000: DOLLAR}


def test_batches_and_cached_input_cost_their_parts_of_the_price():
    plan = PlanTerms(
        "USD",
        (MeterCharge("input_tokens", PerUnit(PER_MILLION), batch_percent=50, cached_percent=10),),
    )
    check_terms(plan)
    million = 1_000_000
    lines = rate(
        plan,
        [
            used(million, meter="input_tokens"),
            used(million, meter="input_tokens", is_batch=True),
            used(million, meter="cached_input_tokens"),
            used(million, meter="cached_input_tokens", is_batch=True),
        ],
    )
    assert {line.part: line.nanos for line in lines} == {
        1_000_000: DOLLAR,
        500_000: DOLLAR // 2,
        100_000: DOLLAR // 10,
        50_000: DOLLAR // 20,
    }


def test_tokens_of_a_kind_without_a_charge_cost_what_their_family_does():
    plan = PlanTerms("USD", (MeterCharge("output_tokens", PerUnit(PER_MILLION)),))
    assert total(rate(plan, [used(1_000_000, meter="reasoning_tokens")])) == DOLLAR


def test_a_meter_that_the_terms_do_not_name_is_shown_and_costs_nothing():
    (line,) = rate(PlanTerms("USD"), [used(5, meter="images")])
    assert (line.kind, line.meter, line.quantity, line.nanos) == (
        LineKind.UNCHARGED,
        "images",
        5,
        0,
    )


def test_a_term_costs_its_fee_and_at_least_its_minimum():
    plan = PlanTerms(
        "USD",
        (MeterCharge("emails", PerUnit(PER_MILLION)),),
        fee_nanos=20 * DOLLAR,
        minimum_nanos=5 * DOLLAR,
    )
    lines = rate(plan, [used(2_000_000)])
    assert [(line.kind, line.nanos) for line in lines] == [
        (LineKind.FEE, 20 * DOLLAR),
        (LineKind.USAGE, 2 * DOLLAR),
        (LineKind.MINIMUM, 3 * DOLLAR),
    ]


def test_a_part_of_a_term_costs_its_part_of_the_fee_and_includes_its_part_rounded_up():
    plan = PlanTerms(
        "USD", (MeterCharge("emails", PerUnit(1), included=10),), fee_nanos=100, minimum_nanos=30
    )
    part = prorated(plan, Fraction(1, 3))
    assert (part.fee_nanos, part.minimum_nanos, part.charges[0].included) == (33, 10, 4)


@pytest.mark.parametrize(
    ("refused", "says"),
    [
        (PlanTerms("usd"), "currency"),
        (PlanTerms("USD", fee_nanos=-1), "fee_nanos"),
        (PlanTerms("USD", (MeterCharge("E-Mail", PerUnit(1)),)), "a meter's name"),
        (PlanTerms("USD", (MeterCharge("a", PerUnit(1)),) * 2), "a is charged twice"),
        (PlanTerms("USD", (MeterCharge("a", Graduated(())),)), "tiers"),
        (PlanTerms("USD", (MeterCharge("a", Volume((Tier(1, up_to=5),))),)), "no price"),
        (
            PlanTerms("USD", (MeterCharge("a", Volume((Tier(1, 5), Tier(1, 5), Tier(1)))),)),
            "do not rise",
        ),
        (PlanTerms("USD", (MeterCharge("a", Package(0, 1, True)),)), "size"),
        (PlanTerms("USD", (MeterCharge("a", Flat(1), batch_percent=50),)), "go with per_unit"),
        (
            PlanTerms("USD", (MeterCharge("a", PerUnit(1), windows=(Window(5), Window(6))),)),
            "overlap",
        ),
        (PlanTerms("USD", (MeterCharge("a", PerUnit(1), cached_percent=5),)), "input_tokens alone"),
    ],
)
def test_terms_that_contradict_themselves_are_refused_by_name(refused, says):
    with pytest.raises(TermsRefused, match=says):
        check_terms(refused)


# What holds for all terms.

nanos = st.integers(0, 10**12)
quantities = st.integers(0, 10**9)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    ends = sorted(draw(st.sets(st.integers(1, 10**9), max_size=4)))
    return tuple(Tier(draw(nanos), end, draw(nanos)) for end in [*ends, None])


charges = st.one_of(
    st.builds(PerUnit, nanos),
    st.builds(Graduated, tiers()),
    st.builds(Volume, tiers()),
    st.builds(Package, st.integers(1, 10**6), nanos, st.booleans()),
    st.builds(Flat, nanos),
)


@given(charges, st.lists(quantities, min_size=1, max_size=6), quantities)
def test_it_does_not_matter_in_how_many_pieces_an_hour_is_told(charge, pieces, included):
    plan = terms(charge, included=included)
    assert rate(plan, [used(piece) for piece in pieces]) == rate(plan, [used(sum(pieces))])


@given(charges, st.permutations([used(5, hours=at) for at in range(4)]), quantities)
def test_the_order_in_which_usage_arrives_does_not_matter(charge, items, included):
    plan = terms(charge, included=included)
    assert rate(plan, items) == rate(plan, sorted(items, key=lambda item: item.hour))


@given(charges.filter(lambda charge: not isinstance(charge, Volume)), quantities, quantities)
def test_more_usage_never_costs_less(charge, some, more):
    plan = terms(charge)
    assert total(rate(plan, [used(some + more)])) >= total(rate(plan, [used(some)]))


@given(charges, quantities, quantities, quantities)
def test_a_correction_leaves_what_was_right_from_the_start(charge, right, wrong, included):
    plan = terms(charge, included=included)
    corrected = rate(plan, [used(right), used(wrong, hours=1), used(-wrong, hours=1)])
    assert corrected == rate(plan, [used(right)])


@given(charges, st.lists(quantities, max_size=5), quantities)
def test_every_unit_is_on_exactly_one_line(charge, pieces, included):
    lines = rate(
        terms(charge, included=included), [used(p, hours=at) for at, p in enumerate(pieces)]
    )
    units = [line.quantity for line in lines if line.kind in {LineKind.USAGE, LineKind.INCLUDED}]
    assert sum(units) == sum(pieces)


@given(tiers(), quantities)
def test_graduated_tiers_of_one_price_cost_what_a_single_price_does(found, quantity):
    level = tuple(Tier(PER_MILLION, tier.up_to) for tier in found)
    assert total(rate(terms(Graduated(level)), [used(quantity)])) == total(
        rate(terms(PerUnit(PER_MILLION)), [used(quantity)])
    )


@given(st.integers(1, 10**6), nanos, quantities)
def test_a_started_package_costs_less_than_one_more(size, price, quantity):
    whole = total(rate(terms(Package(size, price, True)), [used(quantity)]))
    part = total(rate(terms(Package(size, price, False)), [used(quantity)]))
    assert part <= whole <= part + price


@given(
    st.builds(PlanTerms, st.just("USD"), fee_nanos=nanos, minimum_nanos=nanos), st.fractions(0, 1)
)
def test_the_two_parts_of_a_term_cost_the_term_but_for_rounding(plan, share):
    parts = prorated(plan, share).fee_nanos + prorated(plan, 1 - share).fee_nanos
    assert abs(parts - plan.fee_nanos) <= 1
