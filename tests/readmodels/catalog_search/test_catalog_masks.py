"""Sets as integers: counting, and the first of a set in an order."""

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.readmodels.catalog_search.masks import (
    Counted,
    Order,
    as_mask,
    first_of,
    mask_of,
    members_of,
    numbers_in,
)

SIZE = 300
sets = st.sets(st.integers(0, SIZE - 1))


@settings(deadline=None)
@given(sets)
def test_a_mask_holds_its_numbers_and_no_others(numbers):
    mask = mask_of(numbers, SIZE)

    assert numbers_in(mask) == sorted(numbers)
    assert mask.bit_count() == len(numbers)


@pytest.mark.parametrize("step", [1, 3])
def test_many_numbers_make_the_same_mask_as_few(step):
    numbers = range(0, 60_001, step)

    assert mask_of(numbers, 60_001) == sum(1 << number for number in numbers)


@settings(deadline=None)
@given(sets, sets)
def test_members_are_counted_alike_as_a_mask_and_as_numbers(among, members):
    counted = Counted(mask_of(among, SIZE), SIZE)

    assert counted.count(mask_of(members, SIZE)) == len(among & members)
    assert counted.count(array("I", sorted(members))) == len(among & members)


def test_few_of_many_are_kept_as_numbers_and_many_as_a_mask():
    few = members_of([5, 70_000], 100_000)
    many = members_of(range(50_000), 100_000)

    assert few == array("I", [5, 70_000])
    assert as_mask(few, 100_000) == 1 << 5 | 1 << 70_000
    assert many == (1 << 50_000) - 1


@settings(deadline=None)
@given(st.permutations(range(60)), st.sets(st.integers(0, 59)), st.integers(0, 70))
def test_the_first_of_a_set_are_found_in_any_order(numbers, members, most):
    order = Order(numbers, 60)

    found = first_of(mask_of(members, 60), order.slices, most)

    in_order = [number for number in numbers if number in members]
    assert numbers_in(found) == sorted(in_order[:most])
    assert [order.rank(number) for number in numbers] == list(range(60))
