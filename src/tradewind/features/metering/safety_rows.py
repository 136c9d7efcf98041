"""What checks found in calls, as rows: of calls of which there is something to say, and counts of
the hour for the others. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tradewind.usage.event import Flag, SafetyTrail, UsageEvent

_MOST_FLAGS = 100
_MOST_POLICIES = 40
_MOST_TEXT = 60
"""Characters: the key of `safety_hour` must fit into 2,704 bytes of index."""
_INT64_MAX = 2**63 - 1
_GRAVITY = {"": 0, "annotate": 1, "review": 2, "redact": 3, "block": 4}
_BANDS = ("safe", "low", "medium", "high")

EXAMINED, FAILED, BLOCKED = "examined", "failed", "blocked"
"""Actions of a whole call, whose category is empty."""


class SafetyRow(NamedTuple):
    """A row of `usage_safety`; the fields are its columns. Cut and never refused, as the log."""

    event_id: UUID
    at: datetime
    organization_id: str
    project_id: str
    key_id: str
    model: str
    action: str
    policies: list[list[Any]]
    flags: list[dict[str, Any]]
    failures: list[list[str]]
    blocked_at: int | None
    examined_us: int


class ExaminedCall(NamedTuple):
    """A call that a policy held for."""

    organization_id: str
    hour: datetime
    project_id: str
    key_id: str
    row: SafetyRow | None
    """None: there is nothing to say of it but that it was looked at."""


class HourKey(NamedTuple):
    """The key of a row of `safety_hour`, in the order of its columns."""

    organization_id: str
    hour: datetime
    project_id: str
    key_id: str
    category: str
    direction: str
    band: str
    action: str


def examined_call(event: UsageEvent, event_id: UUID, at: datetime) -> ExaminedCall | None:
    """Return what is kept of an event's safety; None where no policy held."""
    trail = None if event.trail is None else event.trail.safety
    if trail is None or not (trail.policies or trail.flags or trail.failures):
        return None
    hour = at.replace(minute=0, second=0, microsecond=0)
    row = _row(event, trail, event_id, at) if _has_something(trail) else None
    return ExaminedCall(event.organization_id, hour, event.project_id, event.key_id, row)


def count_calls(calls: Iterable[ExaminedCall], new: Iterable[SafetyRow]) -> Counter[HourKey]:
    """Return what to add to the hours: every call, and the findings of `new` rows."""
    counts: Counter[HourKey] = Counter()
    for call in calls:
        counts[_whole(call[:4], EXAMINED)] += 1
    for row in new:
        hour = row.at.replace(minute=0, second=0, microsecond=0)
        place = (row.organization_id, hour, row.project_id, row.key_id)
        if row.failures:
            counts[_whole(place, FAILED)] += 1
        if row.action == "block":
            counts[_whole(place, BLOCKED)] += 1
        for flag in row.flags:
            if flag["severity"] or flag["action"] != "annotate":
                band = _BANDS[int(flag["severity"]) // 2]
                key = HourKey(*place, flag["category"], flag["direction"], band, flag["action"])
                counts[key] += 1
    return counts


def _whole(place: tuple[str, datetime, str, str], action: str) -> HourKey:
    return HourKey(*place, "", "", "", action)


def _has_something(trail: SafetyTrail) -> bool:
    return (
        bool(trail.failures)
        or trail.blocked_at is not None
        or any(flag.severity > 0 or flag.action != "annotate" for flag in trail.flags)
    )


def _row(event: UsageEvent, trail: SafetyTrail, event_id: UUID, at: datetime) -> SafetyRow:
    flags = _gravest_first(trail.flags)[:_MOST_FLAGS]
    plain: list[dict[str, Any]] = [
        {
            "category": _cut(flag.category),
            "direction": _cut(flag.direction)[:20],
            "severity": min(max(flag.severity, 0), 7),
            "score": min(max(flag.score, 0.0), 1.0),
            "action": flag.action if flag.action in _GRAVITY else "annotate",
            "check": _cut(flag.check),
            "check_version": _cut(flag.check_version),
        }
        for flag in flags
    ]
    has_found = [each for each in plain if each["severity"] or each["action"] != "annotate"]
    gravest = max((each["action"] for each in has_found), key=_GRAVITY.__getitem__, default="")
    if trail.blocked_at is not None:
        gravest = "block"
    return SafetyRow(
        event_id,
        at,
        event.organization_id,
        event.project_id,
        event.key_id,
        event.model,
        gravest,
        [[_cut(name), version] for name, version in trail.policies[:_MOST_POLICIES]],
        plain,
        [[_cut(check), _cut(why)] for check, why in trail.failures[:_MOST_FLAGS]],
        None if trail.blocked_at is None else min(max(trail.blocked_at, 0), _INT64_MAX),
        min(max(trail.examined_us, 0), _INT64_MAX),
    )


def _gravest_first(flags: Sequence[Flag]) -> list[Flag]:
    return sorted(flags, key=lambda flag: (-_GRAVITY.get(flag.action, 1), -flag.severity))


def _cut(text: str) -> str:
    return text[:_MOST_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}")
