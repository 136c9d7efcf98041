"""Makes the weights of the prompt shield, and measures them on what they never met.

The same packages, seed and numpy give the same bytes. Thresholds come from benign rows of the
`calibrate` split; the numbers of the report come from the `test` split and from sources that no
training row comes from, and are what docs/reference/prompt-shield.md tells.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tradewind.plugins.checks.linear import Linear, train
from tradewind.plugins.checks.prompt_shield import HEADS, SEVERITIES, gravest
from tradewind.serve.safety_training.sources import Row, read_rows
from tradewind.serve.safety_training.training import (
    PLANTED_ATTACKS,
    area_under_curve,
    bounds,
    document_examples,
    features,
    prompt_examples,
    threshold_for,
    without_near_duplicates,
)

SEED = 20_261_122
COST = 4.0
_EPOCHS = 20
_FALSE_ALARMS = (0.03, 0.01, 0.003)
"""Shares of benign texts that may reach severity 2, 4 and 6."""
_LARGER = 100
"""Benign rows from which on the thresholds hold for a source by itself."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Share:
    count: int
    total: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SourceReport:
    head: str
    source: str
    is_attack: bool
    is_known: bool
    """Whether training rows came from the same source."""
    reached: dict[int, Share]
    """By severity: how many texts reach it. Recall for attacks, false alarms for benign texts."""


@dataclass(frozen=True, slots=True)
class HeadReport:
    head: str
    is_known: bool
    attacks: int
    benign: int
    area: float
    precision: dict[int, Share]
    recall: dict[int, Share]
    false_alarms: dict[int, Share]


@dataclass(frozen=True, slots=True)
class Report:
    seed: int
    cost: float
    rows: dict[str, int]
    examples: dict[str, int]
    thresholds: dict[str, list[float]]
    heads: list[HeadReport]
    sources: list[SourceReport]


def train_shield(folder: Path, out: Path, progress: Progress) -> Report:
    """Read the packages in `folder`, write weights to the file `out` and the report beside it.

    The report has the same name and ends in `.json`. Takes two minutes of one core.
    """
    rows = without_near_duplicates(read_rows(folder))
    progress(f"{len(rows)} rows after near duplicates went")
    weights, counts = fit(rows, progress)
    report = measured(weights, rows, counts, progress)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(weights.pack())
    told = json.dumps(asdict(report), indent=1)
    out.with_suffix(".json").write_text(told + "\n", encoding="utf-8")
    return report


def fit(
    rows: Sequence[Row],
    progress: Progress,
    *,
    seed: int = SEED,
    planted_count: int = PLANTED_ATTACKS,
) -> tuple[Linear, dict[str, int]]:
    """Train both heads and set their thresholds."""
    columns: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
    biases: list[float] = []
    counts: dict[str, int] = {}
    made = (prompt_examples(rows, seed), document_examples(rows, seed, planted_count))
    for head, examples in zip(HEADS, made, strict=True):
        counts[head] = len(examples)
        progress(f"{head}: {len(examples)} examples")
        column, bias = train(
            features(examples),
            [example.is_attack for example in examples],
            cost=COST,
            costs=[example.weight for example in examples],
            seed=seed,
            epochs=_EPOCHS,
        )
        columns.append(column)
        biases.append(bias)
    bare = Linear(
        HEADS, np.stack(columns, axis=1).astype(np.float16), np.asarray(biases, np.float32)
    )
    benign = [row for row in rows if row.split == "calibrate" and not row.is_attack]
    logits: list[defaultdict[str, list[float]]] = [defaultdict(list) for _ in HEADS]
    for row in benign:
        for head, by_source in enumerate(logits):
            if _is_read_by(head, row):
                by_source[row.source].append(gravest(bare, head, row.text).logit)
    thresholds = [[_strictest(each, share) for each in logits] for share in _FALSE_ALARMS]
    extra = {"thresholds": np.asarray(thresholds, np.float32)}
    return Linear(bare.names, bare.weights, bare.biases, extra), counts


def measured(
    weights: Linear, rows: Sequence[Row], examples: dict[str, int], progress: Progress
) -> Report:
    """Score every held-out row with the head of its role; benign ones with both heads."""
    known = {row.source for row in rows if row.split == "train"}
    thresholds = weights.extra["thresholds"]
    sources: list[SourceReport] = []
    heads: list[HeadReport] = []
    for number, head in enumerate(HEADS):
        scores: defaultdict[tuple[str, bool], list[float]] = defaultdict(list)
        for row in rows:
            if row.split == "test" and _is_read_by(number, row):
                scores[row.source, row.is_attack].append(gravest(weights, number, row.text).logit)
        progress(f"{head}: {sum(map(len, scores.values()))} held-out rows")
        limits = [float(limit) for limit in thresholds[:, number]]
        sources.extend(
            SourceReport(head, source, is_attack, source in known, _reached(logits, limits))
            for (source, is_attack), logits in sorted(scores.items())
        )
        for is_known in (True, False):
            attacks = _joined(scores, known, is_attack=True, is_known=is_known)
            benign = _joined(scores, known, is_attack=False, is_known=is_known)
            heads.append(_head_report(head, attacks, benign, limits, is_known=is_known))
    counts: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        counts[f"{row.source} {row.split} {'attack' if row.is_attack else 'benign'}"] += 1
    return Report(
        SEED,
        COST,
        dict(sorted(counts.items())),
        examples,
        {head: thresholds[:, number].tolist() for number, head in enumerate(HEADS)},
        heads,
        sources,
    )


def _strictest(logits: Mapping[str, Sequence[float]], share: float) -> float:
    """Return the threshold that all benign rows together keep to, and each larger source alone.

    Together is not enough: most rows are one-line questions, which hardly ever raise an alarm, and
    whoever sends pages of prose would get all of the alarms.
    """
    together = [logit for each in logits.values() for logit in each]
    larger = [each for each in logits.values() if len(each) >= _LARGER]
    return max(threshold_for(each, share) for each in [together, *larger])


def _is_read_by(head: int, row: Row) -> bool:
    """Say whether a row tells something about a head.

    People paste documents into prompts; a document that is a request to a model is no document.
    """
    return row.role == ("prompt", "document")[head] or (
        not row.is_attack and (head == 0 or row.source == "writing_bench")
    )


def _joined(
    scores: dict[tuple[str, bool], list[float]],
    known: set[str],
    *,
    is_attack: bool,
    is_known: bool,
) -> list[float]:
    return [
        logit
        for (source, label), logits in sorted(scores.items())
        if label == is_attack and (source in known) == is_known
        for logit in logits
    ]


def _head_report(
    head: str,
    attacks: Sequence[float],
    benign: Sequence[float],
    limits: Sequence[float],
    *,
    is_known: bool,
) -> HeadReport:
    recall = _reached(attacks, limits)
    false_alarms = _reached(benign, limits)
    precision = {
        severity: _share(hits.count, hits.count + false_alarms[severity].count)
        for severity, hits in recall.items()
    }
    area = area_under_curve(attacks, benign)
    return HeadReport(
        head, is_known, len(attacks), len(benign), area, precision, recall, false_alarms
    )


def _reached(logits: Sequence[float], limits: Sequence[float]) -> dict[int, Share]:
    return {
        severity: _share(sum(logit >= limit for logit in logits), len(logits))
        for severity, limit in zip(SEVERITIES, limits, strict=True)
    }


def _share(count: int, total: int) -> Share:
    low, high = bounds(count, total)
    return Share(count, total, round(count / max(1, total), 4), round(low, 4), round(high, 4))
