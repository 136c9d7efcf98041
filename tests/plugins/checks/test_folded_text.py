import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.plugins.checks.folded_text import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Bad\nWord", "bad word"),
        ("b\u200ba\u00add", "bad"),
        ("ＢＡＤ", "bad"),
        ("Straße", "strasse"),
        ("ﬁne", "fine"),
        ("an\u0303o", "a\u00f1o"),
        ("a\u200b\u0303", "\u00e3"),
        ("ПАССАТ", "пассат"),
        ("\u0130", "i\u0307"),
        ("\u0301x", "\u0301x"),
        ("", ""),
    ],
)
def test_a_text_is_compared_as_it_reads(text, folded):
    assert fold(text).text == folded


def test_a_span_leads_back_to_where_it_came_from():
    text = "so b\u200bad pin\u0303 ﬁne"
    folded = fold(text)
    for word, original in (("bad", "b\u200bad"), ("pi\u00f1", "pin\u0303"), ("fine", "ﬁne")):
        start = folded.text.index(word)
        first, last = folded.span(start, start + len(word))
        assert text[first:last] == original


@given(st.text(st.sampled_from("aB1 \n\u0301\u200b\u00dfﬁÅЖİ\u00f1日e\u0308\ud800"), max_size=40))
def test_every_character_has_a_place_in_the_original(text):
    folded = fold(text)
    if folded.origins is None:
        assert len(folded.text) == len(text)
        return
    assert len(folded.origins) == len(folded.text) + 1
    assert list(folded.origins) == sorted(folded.origins)
    for at in range(len(folded.text)):
        start, end = folded.span(at, at + 1)
        assert 0 <= start < end <= len(text)
