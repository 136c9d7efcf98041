import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.plugins.checks.features import BUCKETS, hashed, windowed

TEXTS = st.text(st.characters(codec=None), max_size=300)
LONG = " ".join(f"word{number} is here and there" for number in range(100))


@given(TEXTS)
def test_features_are_distinct_buckets_of_length_one(text):
    indices, values = hashed(text)
    assert (np.diff(indices) > 0).all()
    assert indices.size == 0 or (indices[0] >= 0 and indices[-1] < BUCKETS)
    assert indices.size or not any(map(str.isalnum, text))
    if indices.size:
        assert np.linalg.norm(values) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("text", ["", " ", "\n\t \r", "\u00a0\u2003"])
def test_a_text_of_nothing_has_no_features(text):
    assert hashed(text)[0].size == 0
    assert windowed(text, 100, 50).starts.size == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ignore ALL", "ignore all"),
        ("a  b\n\tc", "a b c"),
        ("room 1234", "room 5678"),
        ("a\u00a0b", "a b"),
        ("  padded ", "padded"),
    ],
)
def test_case_white_space_and_figures_do_not_matter(one, other):
    assert [each.tolist() for each in hashed(one)] == [each.tolist() for each in hashed(other)]


def test_another_order_of_words_is_another_text():
    assert (
        hashed("the dog bites the man")[0].tolist() != hashed("the man bites the dog")[0].tolist()
    )


@given(TEXTS)
def test_a_text_shorter_than_a_window_is_one_window_with_its_features(text):
    windows = windowed(text, 2_000, 100)
    indices, values = hashed(text)
    assert windows.indices.tolist() == indices.tolist()
    assert np.allclose(windows.values, values, atol=1e-6)
    assert windows.starts.size == (1 if indices.size else 0)


@given(TEXTS, st.integers(5, 80), st.integers(3, 40))
def test_windows_lie_in_the_text_in_order_and_each_has_length_one(text, size, step):
    windows = windowed(text, size, min(step, size))
    assert (windows.starts < windows.ends).all()
    assert (windows.ends <= len(text)).all()
    assert (np.diff(windows.starts) >= 0).all()
    if windows.starts.size:
        lengths = np.sqrt(np.add.reduceat(windows.values**2, windows.offsets[:-1]))
        assert np.allclose(lengths, 1, atol=1e-5)


def test_windows_cover_a_long_text_and_a_window_is_like_its_piece_alone():
    windows = windowed(LONG, 400, 200)
    assert windows.starts[0] == 0
    assert windows.ends[-1] == len(LONG)
    assert (windows.starts[1:] <= windows.ends[:-1]).all()
    piece = LONG[windows.starts[3] : windows.ends[3]]
    alone = dict(zip(*(each.tolist() for each in hashed(piece)), strict=True))
    low, high = windows.offsets[3], windows.offsets[4]
    here = dict(
        zip(windows.indices[low:high].tolist(), windows.values[low:high].tolist(), strict=True)
    )
    likeness = sum(value * alone.get(index, 0) for index, value in here.items())
    # The few n-grams that reach over its edges are all that differs.
    assert likeness > 0.95
