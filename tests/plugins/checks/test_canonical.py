import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.plugins.checks.canonical import canonical

TEXTS = st.text(st.characters(codec=None), max_size=300)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ignоrе", "ignore"),
        ("𝐢𝐠𝐧𝐨𝐫𝐞", "ignore"),
        ("ｉｇｎｏｒｅ", "ignore"),
        ("ⓘⓖⓝⓞⓡⓔ", "ignore"),
        ("🅘🅖🅝🅞🅡🅔", "ignore"),
        ("i\u0301\u0310g\u0336nor\u0489e", "ignore"),
        ("ìgñörę", "ignore"),
        ("ig\u200bno\u200dre\u00ad", "ignore"),
        ("\u202eignore\u202c", "ignore"),
        ("ignore\u00a0all", "ignore all"),
        ("plain ASCII, and nothing else", "plain ASCII, and nothing else"),
        ("你好", "你好"),
        ("नमस्ते"[:2], "नम"),
    ],
)
def test_what_reads_the_same_becomes_the_same(written, read):
    assert canonical(written).text.lower() == read.lower()


@given(TEXTS)
def test_no_text_breaks_it_or_makes_it_grow_beyond_its_bound(text):
    view = canonical(text)
    assert len(view.text) <= 4 * len(text)
    assert view.positions is not None
    assert len(view.positions) == len(view.text)


@given(TEXTS, st.integers(0, 1_200), st.integers(0, 1_200))
def test_every_span_of_a_reading_is_a_span_of_the_text(text, start, length):
    start, end = canonical(text).span(start, start + length)
    assert 0 <= start <= end <= len(text)
    assert end > start or not text


def test_a_span_names_the_characters_that_were_folded():
    text = "\u200b\u200bsay 𝐢𝐠𝐧𝐨𝐫𝐞 now"
    view = canonical(text)
    start = view.text.index("ignore")
    first, last = view.span(start, start + 6)
    assert text[first:last] == "𝐢𝐠𝐧𝐨𝐫𝐞"
