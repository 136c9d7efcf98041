"""Short everyday texts: those that are held out are no others in disguise."""

from tradewind.serve.safety_training.everyday import HELD_OUT, LEARNT, everyday_texts
from tradewind.serve.safety_training.harms import shingles


def plain(text):
    return " ".join(text.lower().split()).strip(".!?")


def test_no_held_out_text_is_learnt_from():
    learnt = {plain(text) for text in everyday_texts(LEARNT)}
    held_out = {plain(text) for text in everyday_texts(HELD_OUT)}
    assert len(learnt) > 600
    assert len(held_out) > 600
    assert learnt.isdisjoint(held_out)


def test_no_held_out_text_shares_eight_words_in_a_row_with_one_that_is_learnt_from():
    learnt = {each for text in everyday_texts(LEARNT) for each in shingles(text)}
    near = [text for text in everyday_texts(HELD_OUT) if not learnt.isdisjoint(shingles(text))]
    assert near == []


def test_the_texts_are_the_same_each_time_and_each_stands_once():
    for file in (LEARNT, HELD_OUT):
        texts = list(everyday_texts(file))
        assert texts == list(everyday_texts(file))
        assert len(texts) == len(set(texts))
        assert not any("{" in text and "}" in text for text in texts if "$" not in text)
