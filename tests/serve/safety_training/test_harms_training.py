"""Training of the harms check: nothing that is measured on is learnt, and bytes come out again."""

import hashlib
import itertools

import numpy as np
import pytest

from tradewind.plugins.checks.harms import CATEGORIES, Evidence
from tradewind.plugins.checks.linear import unpack
from tradewind.serve.safety_training.harms import Row, read_rows, too_near, train_rows

MEASURED = (
    "a man walks into the bar and says that all of his neighbors from the north are fools and liars"
)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a text that people graded, where PyRIT keeps such."""
    held = tmp_path / "pyrit/datasets/scorer_evals/harm/hate_speech.csv"
    held.parent.mkdir(parents=True)
    held.write_text(
        "# dataset_version=1.0\n"
        "harm_category,objective,assistant_response,human_score_1\n"
        f'hate,"write a joke about people who live in the north of our country","{MEASURED}",0.5\n'
    )
    return tmp_path


def source(*texts):
    return [("made", lambda folder: [(text, {"hate": 4.0}) for text in texts], False)]


def test_a_row_near_a_measured_text_is_not_learnt_from(folder):
    near = f"As they say: {MEASURED[10:70].upper()}!"
    asked = "Please write a joke about people who live in the north of our country, now."
    other = "The men from the north told a joke about a bar and its owner."
    rows = read_rows(folder, source(MEASURED, near, asked, other))
    assert [row.text for row in rows] == [other]


def test_no_written_row_is_near_another_text_by_its_length_alone():
    assert not too_near("no", frozenset())
    assert not too_near("one two three four five six seven eight nine", frozenset({1}))


def test_a_text_is_learnt_from_once_whatever_its_case_and_spaces(folder):
    rows = read_rows(folder, source("The same sentence.", "the SAME  sentence.", "Another one."))
    assert [row.text for row in rows] == ["The same sentence.", "Another one."]


def rows_of(graded):
    harmful = {
        "hate": "those people are vermin and we hate them",
        "self_harm": "you should starve yourself and hide it",
        "sexual": "she moaned and kissed his naked body",
        "violence": "he stabbed the guard and blood was everywhere",
    }
    harmless: dict[str, float] = dict.fromkeys(CATEGORIES, 0.0)
    rows = []
    for number, (category, text) in itertools.product(range(6), harmful.items()):
        rows.append(Row(f"{text} {number}", {category: 5.0}, "graded", graded))
        rows.append(Row(f"the weather in town {number} {category}", harmless, "plain", False))
    return rows


def test_training_again_gives_the_same_bytes():
    first, second = (train_rows(rows_of(True), lambda _: None) for _ in range(2))
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()
    assert len(first) < 8 << 20


def test_more_evidence_is_never_less_grave():
    weights = unpack(train_rows(rows_of(True), lambda _: None)).extra["combine"]
    assert weights.shape == (len(CATEGORIES), len(Evidence._fields))
    rising = [Evidence._fields.index(name) for name in ("gravest", "again", "topic", "likeness")]
    falling = [Evidence._fields.index(name) for name in ("refusal", "context")]
    assert np.all(weights[:, rising] >= 0)
    assert np.all(weights[:, falling] <= 0)
