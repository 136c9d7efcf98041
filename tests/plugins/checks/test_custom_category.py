import random

import pytest

from tests.plugins.checks.examining import findings
from tradewind.plugins.checks.base import CheckFailed
from tradewind.plugins.checks.benign_sentences import benign_sentences
from tradewind.plugins.checks.custom_category import (
    CustomCategory,
    SamplesRefused,
    quality_of,
    rapid,
    train,
    wilson,
)

CHECK = CustomCategory()
_TALK = ("blood glucose", "insulin dose", "chest pain", "ibuprofen", "measles", "a rash on my arm")
_ASK = (
    "What should I do about {}?",
    "Can a doctor prescribe something for {}?",
    "I am worried about {} since last week.",
    "The patient was treated for {} at the clinic.",
    "How is {} diagnosed in children?",
)


def medical(count, seed=3):
    chance = random.Random(seed)
    return [chance.choice(_ASK).format(chance.choice(_TALK)) + f" {at}" for at in range(count)]


TRAINED = train("medical", "talks of illness", medical(200), [], seed=5)


def test_a_category_finds_what_it_was_taught_and_leaves_the_rest():
    data = CHECK.prepare("med", TRAINED)
    [finding] = findings(CHECK, "Is chest pain normal after an insulin dose?", data=[data])
    assert (finding.category, finding.source) == ("custom:medical", "med")
    assert finding.severity >= 4
    [other] = findings(CHECK, "The ferry to the coast leaves late on Sunday.", data=[data])
    assert (other.severity, other.start, other.end) == (0, 0, 0)


def test_it_is_found_within_a_long_text_with_its_place():
    data = CHECK.prepare("med", TRAINED)
    filler = " ".join(benign_sentences(60, 1))
    found = "What should I do about chest pain? Can a doctor prescribe something for measles?"
    text = f"{filler} {found} {filler}"
    [finding] = findings(CHECK, text, data=[data])
    assert finding.severity >= 2
    assert finding.start < text.index("chest pain") < finding.end
    assert finding.end - finding.start < 200


def test_it_is_measured_on_rows_it_was_not_taught():
    quality = quality_of(TRAINED)
    assert quality is not None
    assert quality["rows"] == 80
    assert quality["f1"] > 0.9
    value, low, high = quality["precision"]
    assert 0 <= low <= value <= high <= 1


def test_the_same_examples_and_seed_give_the_same_bytes():
    assert train("medical", "talks of illness", medical(200), [], seed=5) == TRAINED
    assert train("medical", "talks of illness", medical(200), [], seed=6) != TRAINED


def test_no_example_is_kept():
    assert b"doctor" not in TRAINED
    assert b"parcel" not in rapid("scam", ["Your parcel is held until you pay"])


def test_an_incident_is_found_by_a_few_samples():
    samples = [
        "Send 500 dollars in gift cards to unlock your parcel",
        "Your parcel is held, pay the fee in gift cards",
    ]
    data = CHECK.prepare("today", rapid("scam", samples))
    [near] = findings(
        CHECK, "please send 500 dollars in gift cards to unlock the parcel", data=[data]
    )
    assert (near.category, near.severity) == ("custom:scam", 6)
    [far] = findings(CHECK, "The ferry to the coast leaves late on Sunday.", data=[data])
    assert far.severity == 0
    assert quality_of(rapid("scam", samples)) is None


@pytest.mark.parametrize(
    ("positives", "negatives"),
    [
        (medical(49), []),
        ([*medical(60), ""], []),
        ([*medical(60), "x" * 2001], []),
        (medical(60), [""]),
        (medical(10_001), []),
        (medical(60), ["x"] * 9_941),
    ],
)
def test_too_few_too_many_or_empty_examples_are_refused(positives, negatives):
    with pytest.raises(SamplesRefused):
        train("x", "y", positives, negatives)


def test_an_incident_is_bounded():
    with pytest.raises(SamplesRefused):
        rapid("x", ["y"] * 1_001)
    with pytest.raises(SamplesRefused):
        rapid("x", ["y" * 501])
    with pytest.raises(SamplesRefused):
        rapid("", ["y"])


@pytest.mark.parametrize(
    "raw",
    [b"", TRAINED[:-30], TRAINED[:40], rapid("s", ["a b c"])[:-20], b"tradewind incident 1\n{}\nx"],
)
def test_other_bytes_are_no_category(raw):
    with pytest.raises(CheckFailed):
        CHECK.prepare("x", raw)


def test_an_interval_holds_its_share_and_narrows():
    wide, narrow = wilson(9, 10), wilson(900, 1000)
    assert wide.low < narrow.low < 0.9 < narrow.high < wide.high
    assert wilson(0, 0).high == 1.0
