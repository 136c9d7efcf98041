"""The index of a base file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.snapshot.table import SALT_BYTES, Table, TableBuilder

SALT = b"s" * SALT_BYTES


def table_of(keys, salt=SALT):
    """Return a table of these keys whose records are their numbers."""
    names = list(keys)
    builder = TableBuilder(salt)
    for number, key in enumerate(names, 1):
        builder.add(key, number)
    slots = b"in front" + builder.slots()
    return Table(slots, 8, (len(slots) - 8) // 8, salt, lambda offset: (names[offset - 1], offset))


def place_in(table, key):
    found = table.locate(key)
    assert found is not None
    return found[0]


@given(st.sets(st.text(), max_size=200), st.text())
def test_each_key_leads_to_its_own_record(keys, other):
    names = list(keys)
    table = table_of(names)
    assert [table.get(key) for key in names] == list(range(1, len(names) + 1))
    if other not in keys:
        assert table.get(other) is None


def test_another_key_in_its_place_is_not_taken_for_it():
    """Two keys may have the same 24 bits of hash."""
    table = table_of(["a"])
    same_place = Table(table._buffer, 8, table.slots, SALT, lambda _offset: ("b", 1))
    assert table.get("a") == 1
    assert same_place.get("a") is None


def test_slots_without_an_empty_one_end_a_search():
    full = Table(b"\xff" * 64, 0, 8, SALT, lambda _offset: ("x", 1))
    assert full.get("a") is None


def test_unmarked_records_are_those_that_nobody_located():
    table = table_of(["a", "b", "c"])
    marks = bytearray(table.slots)
    marks[place_in(table, "b")] = 1
    assert sorted(table.unmarked(marks)) == [("a", 1), ("c", 3)]


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_half_of_the_slots_are_empty(count):
    assert table_of(str(number) for number in range(count)).slots == 2 * count


def test_the_place_of_a_key_cannot_be_foreseen():
    keys = [str(number) for number in range(100)]
    places = {place_in(table_of(keys, bytes([salt]) * SALT_BYTES), "7") for salt in range(9)}
    assert len(places) > 1
