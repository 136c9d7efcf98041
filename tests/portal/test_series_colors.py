"""A series keeps its colour."""

from hypothesis import given
from hypothesis import strategies as st

from tradewind.portal.series_colors import assign_colors

GROUPS = st.lists(st.text(min_size=1), max_size=7, unique=True)


@given(GROUPS)
def test_no_two_series_of_a_chart_share_a_colour(groups: list[str]):
    colors = assign_colors([*groups, ""], 7)

    assert len(set(colors.values())) == len(groups) + 1
    assert set(colors.values()) <= set(range(1, 9))
    assert colors[""] == 8


@given(GROUPS, st.randoms(use_true_random=False))
def test_the_order_of_the_series_does_not_matter(groups: list[str], random):
    shuffled = list(groups)
    random.shuffle(shuffled)

    assert assign_colors(shuffled, 7) == assign_colors(groups, 7)


def test_a_series_alone_has_the_colour_of_its_name():
    assert assign_colors(["a"], 7) == {"a": assign_colors(["a", ""], 7)["a"]}
