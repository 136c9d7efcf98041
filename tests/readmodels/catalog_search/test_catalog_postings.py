"""Postings: what is packed comes out again, in whatever form a word's numbers are kept."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.readmodels.catalog_search.masks import mask_of
from tradewind.readmodels.catalog_search.postings import PART, MaskBuilder, Postings
from tradewind.readmodels.catalog_search.words import Place

offsets = st.sets(st.integers(0, PART - 1), min_size=1, max_size=30).map(sorted)
many = st.builds(
    lambda start, step: list(range(start, PART, step)), st.integers(0, 9), st.integers(1, 20)
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), offsets | many), max_size=6))
def test_what_is_packed_in_parts_is_the_mask_of_all_numbers(had):
    size = 4 * PART
    builder = MaskBuilder(size)
    for part, numbers in had:
        postings = Postings()
        for offset in numbers:
            postings.add(offset, {Place.NAME: ["word"]})
        [posting] = postings.packed()
        assert (posting.word, posting.place) == ("word", Place.NAME)
        builder.add(part, posting.sparse, [] if posting.dense is None else [posting.dense])

    all_numbers = sorted({part * PART + offset for part, numbers in had for offset in numbers})
    assert builder.mask() == mask_of(all_numbers, size)


@settings(deadline=None)
@given(offsets, many)
def test_offsets_are_added_by_joining_bytes(first, second):
    joined = b""
    for numbers in (first, second):
        postings = Postings()
        for offset in numbers:
            postings.add(offset, {Place.GROUP: ["word"]})
        [posting] = postings.joinable()
        assert posting.dense is None
        joined += posting.sparse

    builder = MaskBuilder(PART)
    builder.add(0, joined, [])
    assert builder.mask() == mask_of(sorted({*first, *second}), PART)


def test_a_part_that_came_after_the_version_is_left_out():
    builder = MaskBuilder(PART - 1)
    builder.add(1, b"\0\0", [b"\xff"])
    assert builder.mask() == 0
