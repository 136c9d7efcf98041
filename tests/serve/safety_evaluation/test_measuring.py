"""What the runner makes of a check and labelled texts."""

from itertools import pairwise
from types import SimpleNamespace
from typing import ClassVar

import pytest

from tradewind.plugins.checks.base import CheckFailed, Finding, Verdict
from tradewind.serve.safety_evaluation.datasets import LabelledSet, Text
from tradewind.serve.safety_evaluation.runner import Scored, evaluate, local_checks, measure
from tradewind.serve.safety_evaluation.summary import summary
from tradewind.snapshot.safety import Direction


class Reader:
    """A check that finds the severity that a text says: `hate 5`."""

    name: ClassVar[str] = "harms"
    version: ClassVar[str] = "reader-1"
    categories: ClassVar[frozenset[str]] = frozenset({"hate", "violence"})
    directions: ClassVar[frozenset[Direction]] = frozenset({Direction.PROMPT})
    most_characters: ClassVar[int] = 1_000
    hold_back: ClassVar[int] = 0

    def prepare(self, name, raw):
        raise CheckFailed("it reads no data")

    def examine(self, contents, options, data):
        assert (dict(options), list(data)) == ({}, [])
        found = []
        for content in contents:
            words = content.text.split()
            findings = tuple(
                Finding(word, int(severity), int(severity) / 7)
                for word, severity in pairwise(words)
                if word in self.categories
            )
            found.append(Verdict(self.name, self.version, findings))
        return found


class Needy(Reader):
    name: ClassVar[str] = "needy"

    def examine(self, contents, options, data):
        raise CheckFailed("a blocklist is needed")


def scored(severity, label):
    return Scored(severity, severity / 7, label, "en", 10)


def test_hits_and_false_alarms_are_counted_at_the_threshold():
    rows = [scored(6, True), scored(4, True), scored(3, True), scored(4, False), scored(0, False)]
    found = measure(rows, threshold=4)
    assert (found.n, found.positives) == (5, 3)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.fpr == pytest.approx(1 / 2)
    assert found.recall_at_6 == pytest.approx(1 / 3)
    assert found.fpr_at_6 == 0.0
    # (6,4), (6,0), (4=4), (4,0), (3<4), (3,0): 4.5 of 6.
    assert found.auc == pytest.approx(4.5 / 6)
    assert found.mae is None


def test_grades_are_compared_as_shares_of_the_scale():
    rows = [scored(7, 1.0), scored(0, 0.5), scored(7, 0.0)]
    found = measure(rows, threshold=4)
    assert found.mae == pytest.approx((0 + 0.5 + 1) / 3)
    assert found.bias == pytest.approx((2 - 1.5) / 3)
    assert found.positives == 2


def test_a_set_without_positives_has_false_alarms_and_nothing_else():
    found = measure([scored(0, False)] * 99 + [scored(5, False)], threshold=4)
    assert found.fpr == pytest.approx(0.01)
    assert (found.precision, found.recall, found.auc) == (None, None, None)
    assert found.intervals["fpr"][0] < 0.01 < found.intervals["fpr"][1]


def test_a_card_says_what_was_measured_of_which_version():
    own = LabelledSet(
        "own",
        (
            Text("hate 5", {"hate": True}),
            Text("hate 0", {"hate": False}, language="zh"),
            Text("violence 7", {"violence": 1.0}),
            Text("hate 7", {"jailbreak": True}),
            Text("hate 7", {"hate": False}, Direction.DOCUMENT),
        ),
    )
    told = []
    card = evaluate({"harms": Reader(), "needy": Needy()}, [own], told.append)
    assert card.checks["harms"].version == "reader-1"
    found = card.checks["harms"].sets["own"]
    assert set(found) == {"hate", "violence"}
    assert (found["hate"].n, found["hate"].recall, found["hate"].fpr) == (2, 1.0, 0.0)
    assert set(found["hate"].by_language) == {"en", "zh"}
    assert found["violence"].mae == 0.0
    assert card.checks["needy"].not_measured == "a blocklist is needed"
    assert card.latency["total"] == card.latency["harms"] > 0
    assert any("own" in line for line in told)


def test_an_innocent_text_is_flagged_whatever_it_is_flagged_for():
    innocent = {"hate": False, "violence": False}
    texts = (Text("hate 5", innocent), Text("violence 6", innocent), Text("violence 0", innocent))
    card = evaluate({"harms": Reader()}, [LabelledSet("benign", texts)], lambda _: None)
    assert card.checks["harms"].sets["benign"]["any"].fpr == pytest.approx(2 / 3)
    told = summary(card)
    assert told["benign_fpr"] == pytest.approx(0.6667)
    assert told["benign_texts"] == 3
    assert told["harm_mae"] == dict.fromkeys(("hate", "self_harm", "sexual", "violence"))


def test_only_checks_that_look_by_themselves_are_run():
    remote = SimpleNamespace(name="far", requests=None)
    assert list(local_checks({"far": remote, "harms": Reader()})) == ["harms"]
