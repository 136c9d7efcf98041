"""Which words somebody may have meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.readmodels.catalog_search.typos import (
    Vocabulary,
    corrections,
    distance_within,
    least_similarity,
    most_errors,
)

words = st.text("abl", min_size=0, max_size=6)


def distance(one, other):
    """The definition, letter by letter (optimal string alignment)."""
    if not one or not other:
        return len(one) + len(other)
    found = [
        distance(one[:-1], other) + 1,
        distance(one, other[:-1]) + 1,
        distance(one[:-1], other[:-1]) + (one[-1] != other[-1]),
    ]
    if one[-2:] == other[-2:][::-1] and len(one) > 1:
        found.append(distance(one[:-2], other[:-2]) + 1)
    return min(found)


@given(st.text("ab", max_size=4), st.text("ab", max_size=4), st.integers(0, 3))
def test_the_bounded_distance_is_the_distance_or_none(one, other, most):
    exact = distance(one, other)

    assert distance_within(one, other, most) == (exact if exact <= most else None)


@given(words, words)
def test_the_distance_is_the_same_both_ways(one, other):
    assert distance_within(one, other, 2) == distance_within(other, one, 2)


def _mistypings(word):
    letters = "aelmx"
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :]
        for letter in letters:
            yield word[:i] + letter + word[i + 1 :]
            yield word[:i] + letter + word[i:]


@pytest.mark.parametrize("word", ["qwen", "llama", "gemma", "mistral", "deepseek", "anthropic"])
def test_one_error_anywhere_in_a_name_leads_back_to_it(word):
    vocabulary = Vocabulary([word, "grok", "claude", "phi"])

    for mistyped in set(_mistypings(word)) - {word}:
        if len(mistyped) >= 4:
            found = corrections(mistyped, vocabulary.similar(mistyped))
            assert word in [correction.word for correction in found], mistyped


def test_short_words_have_one_error_and_long_ones_two():
    assert most_errors("mistral") == 1
    assert most_errors("deepseek") == 2
    assert corrections("depsek", ["deepseek"]) == []
    assert [one.word for one in corrections("depseeek", ["deepseek"])] == ["deepseek"]


def test_candidates_come_by_likeness_then_name():
    vocabulary = Vocabulary(["mistral", "mistrals", "minstrel", "llama"])

    assert vocabulary.similar("mistral") == ["mistral", "mistrals"]
    assert least_similarity("mistral") == 0.3
