"""Runs checks over sets and measures what they say. Local checks only: remote ones cost money."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from tradewind.plugins.checks.base import CheckFailed, Content, LocalCheck
from tradewind.serve.safety_evaluation.card import Card, Checked, Measure, Origin, Part
from tradewind.serve.safety_evaluation.datasets import LabelledSet, Text
from tradewind.serve.safety_evaluation.metrics import (
    auc,
    auc_interval,
    mean_absolute_error,
    mean_interval,
    share,
    wilson,
)

HIGHEST = 7
THRESHOLDS = {"prompt_shield": 6, "profanity": 2}
"""From which severity on a finding counts; 4 (medium) for all others."""
_ORDINARY_THRESHOLD = 4
_BLOCKED = 6
ANY = "any"
"""All categories of a check together, of texts that have none of them."""
_SEED = 20_260_101
_LATENCY_ROUNDS = 5
_LENGTHS = ((200, "up to 200"), (1_000, "up to 1,000"), (4_000, "up to 4,000"))
_LONGER = "longer"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a check said of a text in one category, and what people say."""

    severity: int
    score: float
    label: float | bool
    language: str
    length: int

    @property
    def is_positive(self) -> bool:
        return self.label if isinstance(self.label, bool) else self.label >= 0.5


def evaluate(
    checks: Mapping[str, LocalCheck], sets: Sequence[LabelledSet], progress: Progress
) -> Card:
    """Measure every check on every set that labels a category of it."""
    measured: dict[str, Checked] = {}
    latency: dict[str, float] = {}
    for name, check in checks.items():
        try:
            latency[name] = cpu_ms_per_kb(check, sets)
        except CheckFailed as error:
            measured[name] = Checked(check.version, not_measured=str(error))
            continue
        by_set: dict[str, dict[str, Measure]] = {}
        for each in sets:
            progress(f"{name} on {each.name}: {len(each.texts):,} texts")
            found = measure_set(name, check, each)
            if found:
                by_set[each.name] = found
        reason = "" if by_set else "no set labels what it looks for; its time was measured"
        measured[name] = Checked(check.version, by_set, reason)
    latency["total"] = sum(latency.values())
    origins = {
        each.name: Origin(len(each.texts), each.kinds, each.source, each.licence) for each in sets
    }
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Card(now, _SEED, measured, origins, latency)


def measure_set(name: str, check: LocalCheck, each: LabelledSet) -> dict[str, Measure]:
    """Return what a check is worth on a set, by category. Raises CheckFailed."""
    rows: dict[str, list[Scored]] = {}
    for text in each.texts:
        labels = {
            category: label
            for category, label in text.labels.items()
            if category in check.categories
        }
        if not labels or text.direction not in check.directions:
            continue
        said = _said(check, text)
        if len(labels) > 1 and not any(labels.values()):
            # What an innocent text is to its writer: flagged or not, whatever for.
            said[ANY] = max(said.get(category, (0, 0.0)) for category in labels)
            labels = {**labels, ANY: False}
        for category, label in labels.items():
            severity, score = said.get(category, (0, 0.0))
            scored = Scored(severity, score, label, text.language, len(text.text))
            rows.setdefault(category, []).append(scored)
    threshold = THRESHOLDS.get(name, _ORDINARY_THRESHOLD)
    return {category: measure(scored, threshold) for category, scored in sorted(rows.items())}


def measure(rows: Sequence[Scored], threshold: int) -> Measure:
    """Return all figures of one category on one set. Pure."""
    positive = [row for row in rows if row.is_positive]
    negative = [row for row in rows if not row.is_positive]
    hits = sum(row.severity >= threshold for row in positive)
    alarms = sum(row.severity >= threshold for row in negative)
    blocked = sum(row.severity >= _BLOCKED for row in positive)
    blocked_alarms = sum(row.severity >= _BLOCKED for row in negative)
    intervals: dict[str, tuple[float, float]] = {}
    for figure, successes, trials in (
        ("precision", hits, hits + alarms),
        ("recall", hits, len(positive)),
        ("fpr", alarms, len(negative)),
        ("recall_at_6", blocked, len(positive)),
        ("fpr_at_6", blocked_alarms, len(negative)),
    ):
        interval = wilson(successes, trials)
        if interval is not None:
            intervals[figure] = interval
    order = [row.severity + row.score for row in rows]
    sides = [row.is_positive for row in rows]
    area = auc(order, sides)
    if area is not None:
        intervals["auc"] = auc_interval(order, sides, _SEED)
    said = [row.severity / HIGHEST for row in rows if not isinstance(row.label, bool)]
    meant = [float(row.label) for row in rows if not isinstance(row.label, bool)]
    if said:
        errors = [abs(one - other) for one, other in zip(said, meant, strict=True)]
        intervals["mae"] = mean_interval(errors, _SEED)
    return Measure(
        n=len(rows),
        positives=len(positive),
        threshold=threshold,
        precision=share(hits, hits + alarms) if positive else None,
        recall=share(hits, len(positive)),
        fpr=share(alarms, len(negative)),
        auc=area,
        mae=mean_absolute_error(said, meant) if said else None,
        bias=(sum(said) - sum(meant)) / len(said) if said else None,
        recall_at_6=share(blocked, len(positive)),
        fpr_at_6=share(blocked_alarms, len(negative)),
        intervals=intervals,
        by_language=_parts(rows, threshold, lambda row: row.language),
        by_length=_parts(rows, threshold, lambda row: _length(row.length)),
    )


def cpu_ms_per_kb(check: LocalCheck, sets: Sequence[LabelledSet]) -> float:
    """Return the CPU milliseconds of 1,024 characters, the best of several rounds."""
    pieces = _pieces(each.texts for each in sets)
    direction = min(check.directions)
    contents = [Content(piece, direction) for piece in pieces]
    check.examine(contents[:1], {}, ())  # Not the first call's loading.
    best = float("inf")
    for _ in range(_LATENCY_ROUNDS):
        started = time.thread_time()
        for content in contents:
            check.examine([content], {}, ())
        best = min(best, time.thread_time() - started)
    return best * 1e3 / (sum(map(len, pieces)) / 1_024)


def _pieces(groups: Iterable[Sequence[Text]]) -> list[str]:
    """Return about 100 texts of about 1 KB, of what the sets hold."""
    texts = [text.text for group in groups for text in group]
    step = max(1, len(texts) // 1_000)
    joined = "\n".join(texts[::step])[:102_400] or "nothing to read"
    return [joined[start : start + 1_024] for start in range(0, len(joined), 1_024)]


def _said(check: LocalCheck, text: Text) -> dict[str, tuple[int, float]]:
    said: dict[str, tuple[int, float]] = {}
    content = Content(text.text[: check.most_characters], text.direction)
    for finding in check.examine([content], {}, ())[0].findings:
        now = (finding.severity, finding.score)
        said[finding.category] = max(said.get(finding.category, (0, 0.0)), now)
    return said


def _parts(
    rows: Sequence[Scored], threshold: int, part_of: Callable[[Scored], str]
) -> dict[str, Part]:
    groups: dict[str, list[Scored]] = {}
    for row in rows:
        groups.setdefault(part_of(row), []).append(row)
    return {name: _part(groups[name], threshold) for name in sorted(groups)}


def _part(rows: Sequence[Scored], threshold: int) -> Part:
    positive = [row for row in rows if row.is_positive]
    negative = [row for row in rows if not row.is_positive]
    hits = sum(row.severity >= threshold for row in positive)
    alarms = sum(row.severity >= threshold for row in negative)
    graded = [row for row in rows if not isinstance(row.label, bool)]
    errors = [abs(row.severity / HIGHEST - row.label) for row in graded]
    intervals: dict[str, tuple[float, float]] = {}
    for figure, successes, trials in (
        ("recall", hits, len(positive)),
        ("fpr", alarms, len(negative)),
    ):
        interval = wilson(successes, trials)
        if interval is not None:
            intervals[figure] = interval
    if errors:
        intervals["mae"] = mean_interval(errors, _SEED)
    return Part(
        n=len(rows),
        positives=len(positive),
        recall=share(hits, len(positive)),
        fpr=share(alarms, len(negative)),
        mae=sum(errors) / len(errors) if errors else None,
        intervals=intervals,
    )


def _length(characters: int) -> str:
    return next((name for most, name in _LENGTHS if characters <= most), _LONGER)


def local_checks(checks: Mapping[str, object]) -> dict[str, LocalCheck]:
    """Return those of a registry that look by themselves, in the order of their names."""
    return {
        name: cast("LocalCheck", check)
        for name, check in sorted(checks.items())
        if hasattr(check, "examine")
    }
