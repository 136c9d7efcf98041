"""How much of what was sent was found to be harmful: one number, and what it is made of.

In each window, findings of a category in a direction are counted, less the false alarms that are to
be expected of as many calls, and weighed by their bands. Points of a window over what a person
looks at in such a window, in hundredths, are its score; the highest of the windows is the score.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tradewind.features.abuse.schemas import (
    CategoryEvidence,
    Evidence,
    Found,
    Level,
    Scored,
    Window,
    WindowEvidence,
)

COUNTED = frozenset({"hate", "sexual", "violence", "self_harm", "jailbreak"})
"""What is done to others with a model. Personal data, secrets and blocked words are the caller's
own matter; what a document says was not written by who brings it along."""
WEIGHTS: Mapping[str, Mapping[str, int]] = {
    "prompt": {"low": 2, "medium": 8, "high": 20},
    # What a model says may be its own fault.
    "completion": {"low": 1, "medium": 4, "high": 10},
}
REVIEW_POINTS: Mapping[Window, int] = {Window.HOUR: 400, Window.DAY: 1_000, Window.WEEK: 3_000}
WATCH_SCORE, REVIEW_SCORE, SEVERE_SCORE = 40, 100, 300
FALSE_ALARMS_PER_1000 = 5
"""Checks are calibrated to 3 of a thousand harmless texts; two more for texts unlike those."""
RECURRING = 10
"""So many findings of one kind are no accident."""
MANY_KEYS = 3
"""So many keys above `ok` are one use spread over keys."""
_BANDS = ("low", "medium", "high")
_SCORE_MAX = 1_000_000
_MOST_CATEGORIES = 40


class _Sort(NamedTuple):
    """One category in one direction in one window."""

    flagged: int
    points: int
    is_recurring: bool


def score_key(found: Iterable[Found]) -> Scored:
    """Score what was found in the calls of one key."""
    return _score(found, flagged_keys=0)


def score_organization(found: Iterable[Found], *, flagged_keys: int) -> Scored:
    """Score all keys of an organization together: what is little at each may be much in all."""
    return _score(found, flagged_keys=flagged_keys)


def by_key(found: Iterable[Found]) -> dict[str, list[Found]]:
    grouped: dict[str, list[Found]] = {}
    for each in found:
        grouped.setdefault(each.key_id, []).append(each)
    return grouped


def level_of(score: int) -> Level:
    if score >= SEVERE_SCORE:
        return Level.SEVERE
    if score >= REVIEW_SCORE:
        return Level.REVIEW
    return Level.WATCH if score >= WATCH_SCORE else Level.OK


def sums_only(scored: Scored) -> Scored:
    """Leave out what says more than sums: of organizations that nobody looks at."""
    kept = Evidence(windows=scored.evidence.windows)
    return Scored(scored.score, scored.level, kept)


def _score(found: Iterable[Found], *, flagged_keys: int) -> Scored:
    rows = list(found)
    is_many = flagged_keys >= MANY_KEYS
    windows: list[WindowEvidence] = []
    recurring: set[tuple[str, str]] = set()
    for window in Window:
        calls = sum(_count(row, window) for row in rows if not row.category)
        sorts = _sorts(rows, window, calls)
        recurring.update(kind for kind, sort in sorts.items() if sort.is_recurring)
        points = sum(sort.points for sort in sorts.values())
        if is_many:
            points = points * 3 // 2
        windows.append(
            WindowEvidence(
                window=window,
                calls=calls,
                flagged=sum(sort.flagged for sort in sorts.values()),
                points=points,
                rate=points * 1000 // max(calls, 1),
                score=min(points * 100 // REVIEW_POINTS[window], _SCORE_MAX),
            )
        )
    score = max(each.score for each in windows)
    categories = _categories(rows, recurring)
    evidence = Evidence(
        windows=tuple(windows),
        categories=categories,
        patterns=_patterns(categories, flagged_keys),
        flagged_keys=flagged_keys,
    )
    return Scored(score, level_of(score), evidence)


def _sorts(rows: Sequence[Found], window: Window, calls: int) -> dict[tuple[str, str], _Sort]:
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(_BANDS, 0))
    for row in rows:
        if _counts(row):
            counts[row.category, row.direction][row.band] += _count(row, window)
    return {kind: _sort(kind[1], bands, calls) for kind, bands in counts.items()}


def _sort(direction: str, bands: Mapping[str, int], calls: int) -> _Sort:
    """Take the false alarms off where they weigh least."""
    alarms = calls * FALSE_ALARMS_PER_1000 // 1000
    flagged = points = 0
    for band in _BANDS:
        left = max(bands[band] - alarms, 0)
        alarms = max(alarms - bands[band], 0)
        flagged += left
        points += left * WEIGHTS[direction][band]
    is_recurring = flagged >= RECURRING
    return _Sort(flagged, points * 3 // 2 if is_recurring else points, is_recurring)


def _categories(
    rows: Iterable[Found], recurring: set[tuple[str, str]]
) -> tuple[CategoryEvidence, ...]:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    hours: dict[tuple[str, str], int] = {}
    for row in rows:
        if not _counts(row):
            continue
        kind = row.category, row.direction
        bands = counts.setdefault(kind, dict.fromkeys(_BANDS, 0))
        bands[row.band] += row.week
        # At least: bands and keys may share hours, so the largest is taken and not the sum.
        hours[kind] = max(hours.get(kind, 0), row.hours)
    found = [
        CategoryEvidence(
            category=kind[0],
            direction=kind[1],
            low=bands["low"],
            medium=bands["medium"],
            high=bands["high"],
            hours=hours[kind],
            is_recurring=kind in recurring,
        )
        for kind, bands in counts.items()
    ]
    found.sort(key=lambda each: (-each.high, -each.medium, -each.low, each.category))
    return tuple(found[:_MOST_CATEGORIES])


def _patterns(categories: Iterable[CategoryEvidence], flagged_keys: int) -> tuple[str, ...]:
    found = [
        f"{each.category} in {each.direction}s again and again, in {each.hours}"
        f" {'hour' if each.hours == 1 else 'hours'}"
        for each in categories
        if each.is_recurring
    ]
    if flagged_keys >= MANY_KEYS:
        found.append(f"{flagged_keys} keys of the organization at once")
    return tuple(found)


def _counts(row: Found) -> bool:
    if row.category not in COUNTED or row.band not in _BANDS or row.direction not in WEIGHTS:
        return False
    # Who asks for help does no abuse; what a model answers to that is looked at.
    return not (row.category == "self_harm" and row.direction == "prompt")


def _count(row: Found, window: Window) -> int:
    match window:
        case Window.HOUR:
            return row.hour
        case Window.DAY:
            return row.day
        case Window.WEEK:
            return row.week
