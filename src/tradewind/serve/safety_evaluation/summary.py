"""What a script reads of a quality card: one flat object."""

from typing import Any

from tradewind.serve.safety_evaluation.card import Card, Measure
from tradewind.serve.safety_evaluation.datasets import HARMS
from tradewind.serve.safety_evaluation.runner import ANY

_DETECTION = ("precision", "recall", "fpr", "auc")
BAR = {"hate": 0.171, "self_harm": 0.268, "sexual": 0.195, "violence": 0.244}
"""Mean absolute errors of Azure AI Content Safety on the same texts, as pyrit 1.1.0 records them
(datasets/scorer_evals/harm/*_metrics.jsonl)."""


def summary(card: Card) -> dict[str, Any]:
    """Return the figures that the platform is held to. None where a set was not measured."""
    harms = {category: _measure(card, "harms", f"human_{category}", category) for category in HARMS}
    benign = {category: _measure(card, "harms", "benign", category) for category in (ANY, *HARMS)}
    innocent = benign[ANY]
    prompts = _measure(card, "prompt_shield", "injection_prompts", "jailbreak")
    documents = _measure(card, "prompt_shield", "injection_documents", "indirect_attack")
    return {
        "harm_mae": {name: _rounded(found and found.mae) for name, found in harms.items()},
        "harm_mae_intervals": {name: _interval(found, "mae") for name, found in harms.items()},
        "harm_mae_bar": BAR,
        "benign_fpr": _rounded(innocent and innocent.fpr),
        "benign_fpr_interval": _interval(innocent, "fpr"),
        "benign_fpr_at_6": _rounded(innocent and innocent.fpr_at_6),
        "benign_fpr_by_category": {
            name: _rounded(each and each.fpr) for name, each in benign.items()
        },
        "benign_texts": innocent.n if innocent else 0,
        "benign_kinds": card.sets["benign"].kinds if "benign" in card.sets else {},
        "injection": {**_detection(prompts), "documents": _detection(documents)},
        "cpu_ms_per_kb": _rounded(card.latency.get("total")),
        "cpu_ms_per_kb_by_check": {name: _rounded(ms) for name, ms in card.latency.items()},
        "versions": {name: check.version for name, check in card.checks.items()},
        "made_at": card.made_at,
    }


def _measure(card: Card, check: str, set_name: str, category: str) -> Measure | None:
    if check not in card.checks:
        return None
    return card.checks[check].sets.get(set_name, {}).get(category)


def _detection(found: Measure | None) -> dict[str, Any]:
    return {
        "n": found.n if found else 0,
        "precision": _rounded(found and found.precision),
        "recall": _rounded(found and found.recall),
        "fpr": _rounded(found and found.fpr),
        "auc": _rounded(found and found.auc),
        "intervals": {figure: _interval(found, figure) for figure in _DETECTION},
    }


def _interval(found: Measure | None, figure: str) -> list[float] | None:
    if found is None or figure not in found.intervals:
        return None
    return [round(bound, 4) for bound in found.intervals[figure]]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
