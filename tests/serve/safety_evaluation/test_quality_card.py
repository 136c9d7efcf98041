"""The card that ships, and how cards are written and read."""

import re
from pathlib import Path

import pytest

from tradewind.core.errors import NotFound
from tradewind.plugins.checks.registry import checks
from tradewind.serve.safety_evaluation.card import Card, Checked, Measure, read_card, write_card
from tradewind.serve.safety_evaluation.runner import local_checks
from tradewind.serve.safety_evaluation.summary import BAR, summary

ROOT = Path(__file__).resolve().parents[3]
AGAIN = "run `tradewind safety evaluate --card src/tradewind/plugins/checks/data/quality_card.json`"


def test_the_shipped_card_is_that_of_the_shipped_checks():
    shipped = {name: check.version for name, check in local_checks(checks()).items()}
    measured = {name: check.version for name, check in read_card().checks.items()}
    assert measured == shipped, AGAIN


def test_the_shipped_card_measures_all_that_is_asked_for():
    told = summary(read_card())
    assert set(told["harm_mae"]) == {"hate", "self_harm", "sexual", "violence"}
    assert all(0 < error < 0.5 for error in told["harm_mae"].values())
    assert all(
        low < told["harm_mae"][name] < high
        for name, (low, high) in told["harm_mae_intervals"].items()
    )
    assert told["benign_texts"] >= 1_000
    assert {"technical", "medical", "legal", "news", "code", "fiction"} <= set(told["benign_kinds"])
    assert told["benign_fpr"] < 0.02
    assert {"precision", "recall", "fpr", "auc"} <= set(told["injection"])
    assert 0 < told["cpu_ms_per_kb"] < 6


def test_the_page_says_what_the_card_says():
    page = (ROOT / "docs/reference/safety-quality.md").read_text(encoding="utf-8")
    told = summary(read_card())
    rows = dict(re.findall(r"^\| (hate|self_harm|sexual|violence) \| (.*) \|$", page, re.MULTILINE))
    for name, error in told["harm_mae"].items():
        low, high = told["harm_mae_intervals"][name]
        assert f"{error:.3f} ({low:.3f}-{high:.3f})" in rows[name], AGAIN
        assert f"{BAR[name]:.3f}" in rows[name]


def test_a_card_comes_back_as_it_was_but_for_digits_that_say_nothing(tmp_path):
    found = Measure(n=3, positives=1, mae=1 / 3, intervals={"mae": (0.12345678, 0.5)})
    card = Card(
        "2026-01-01T00:00:00+00:00", 1, {"harms": Checked("1", {"s": {"hate": found}})}, {}, {}
    )
    write_card(card, tmp_path / "deep" / "card.json")
    read = read_card(tmp_path / "deep" / "card.json").checks["harms"].sets["s"]["hate"]
    assert (read.n, read.mae, read.intervals) == (3, 0.3333, {"mae": (0.1235, 0.5)})


def test_a_card_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(NotFound, match="safety evaluate"):
        read_card(tmp_path / "none.json")
