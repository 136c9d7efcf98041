"""Placeholders of one call."""

from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.guard.placeholders import LONGEST, MOST_PLACEHOLDERS, Placeholders


def restored(placeholders, text):
    parts, at = [], 0
    for start, end, value in placeholders.found_in(text, 0, len(text)):
        parts += [text[at:start], value]
        at = end
    return "".join([*parts, text[at:]])


@given(st.lists(st.tuples(st.text(max_size=60), st.text(min_size=1, max_size=20))))
def test_any_label_and_value_has_one_placeholder_that_leads_back(values):
    placeholders = Placeholders()
    for label, value in values:
        placeholder = placeholders.of_prompt(label, value)
        assert len(placeholder) <= LONGEST
        assert placeholders.of_prompt(label, value) == placeholder
        assert restored(placeholders, f"a {placeholder} b") == f"a {value} b"
        assert placeholders.open_end(placeholder, 0, len(placeholder)) == len(placeholder)
        for cut in range(1, len(placeholder)):
            assert placeholders.open_end("x" + placeholder, 0, 1 + cut) == 1


def test_values_are_numbered_by_their_kind():
    placeholders = Placeholders()
    told = [
        placeholders.of_prompt("email", "a@b.test"),
        placeholders.of_prompt("EMAIL", "c@d.test"),
        placeholders.of_prompt("card number", "4111"),
        placeholders.of_prompt("", "x"),
    ]
    assert told == ["<EMAIL_1>", "<EMAIL_2>", "<CARD_NUMBER_1>", "<REDACTED_1>"]


def test_what_the_answer_alone_holds_is_not_turned_back():
    placeholders = Placeholders()
    told = placeholders.of_answer("EMAIL", "a@b.test")
    assert restored(placeholders, told) == told
    assert not placeholders.may_return


def test_more_than_can_be_kept_have_no_number():
    placeholders = Placeholders()
    for number in range(MOST_PLACEHOLDERS):
        placeholders.of_prompt("EMAIL", str(number))
    assert placeholders.of_prompt("EMAIL", "one more") == "<EMAIL>"
    assert restored(placeholders, "<EMAIL>") == "<EMAIL>"
