import pytest

from tests.plugins.checks.examining import findings, found
from tests.plugins.checks.pii_sample import negatives, positives
from tradewind.plugins.checks.pii import Pii

CHECK = Pii()


def test_the_sample_is_large_enough_to_say_something():
    assert len(positives()) >= 150
    assert len(negatives()) >= 300


def test_of_the_labelled_sample_nearly_all_is_found_and_nothing_else():
    missed = [
        text
        for part, text, value in positives()
        if not any(
            category == f"pii.{part}" and severity >= 4 and piece == value
            for category, severity, piece in found(CHECK, text)
        )
    ]
    # A German passport's number has no check digit that stands next to it.
    assert missed == ["Reisepass C01X00T47"]
    wrong = [text for _, text, _ in positives() if len(found(CHECK, text)) > 1]
    assert wrong == []


def test_what_looks_like_personal_data_and_is_none_raises_no_alarm():
    assert [
        text for text in negatives() if any(f.severity >= 4 for f in findings(CHECK, text))
    ] == []
    suspected = [text for text in negatives() if findings(CHECK, text)]
    assert len(suspected) <= 0.01 * len(negatives())


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("a@example.org", "EMAIL"),
        ("+49 30 901820", "PHONE"),
        ("4111 1111 1111 1111", "CARD"),
        ("DE89 3704 0044 0532 0130 00", "IBAN"),
        ("ssn 536-22-1234", "SSN"),
        ("DNI 12345678Z", "NATIONAL_ID"),
        ("91.198.174.192", "IP_ADDRESS"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "WALLET"),
        ("born on 4 March 1985", "DATE_OF_BIRTH"),
        ("NHS 943 476 5919", "HEALTH_ID"),
    ],
)
def test_each_part_has_the_name_of_its_placeholder(text, label):
    assert [each.label for each in findings(CHECK, text)] == [label]


def test_a_word_nearby_makes_a_suspicion_likely():
    assert found(CHECK, "ref 415-555-2671") == [("pii.phone", 2, "415-555-2671")]
    assert found(CHECK, "phone 415-555-2671") == [("pii.phone", 4, "415-555-2671")]


def test_several_in_one_text_stand_in_their_order():
    text = "Bob (bob@example.org, +49 30 901820) paid with 4111 1111 1111 1111."
    assert found(CHECK, text) == [
        ("pii.email", 6, "bob@example.org"),
        ("pii.phone", 4, "+49 30 901820"),
        ("pii.card", 6, "4111 1111 1111 1111"),
    ]


def test_what_ended_within_the_look_back_is_not_told_again():
    text = "a@example.org b@example.org"
    assert [piece for _, _, piece in found(CHECK, text, look_back=13)] == ["b@example.org"]


def test_a_password_before_a_host_is_no_mail_address():
    assert found(CHECK, "postgres://app:pw@db.example.org/x") == []


def test_spans_hold_where_capitals_become_two_characters():
    text = "İİİ " * 20 + "mail a@example.org, DOB: 04/03/1985"
    assert [piece for _, _, piece in found(CHECK, text)] == ["a@example.org", "04/03/1985"]
