"""What checks found in an organization's calls lately, and what was made of one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from tradewind.features.metering.tables import safety_hour, usage_safety
from tradewind.usage.event import Flag

WINDOW = timedelta(days=7)
_MOST_ROWS = 100


@dataclass(frozen=True, slots=True)
class FoundRow:
    """Findings of one category in one direction: how often each action followed."""

    category: str
    direction: str
    blocked: int
    redacted: int
    reviewed: int
    annotated: int


@dataclass(frozen=True, slots=True)
class SafetyCounts:
    """Of a week."""

    examined: int
    """Calls that a policy held for."""
    blocked: int
    failed: int
    """Calls in which a check could not tell."""
    found: Sequence[FoundRow]


@dataclass(frozen=True, slots=True)
class CallSafety:
    """What policies made of one call."""

    action: str
    """The gravest that followed; empty is none."""
    policies: Sequence[tuple[str, int]]
    flags: Sequence[Flag]
    failures: Sequence[tuple[str, str]]
    blocked_at: int | None
    examined_us: int


def count_findings(tx: Connection, organization_id: str, now: datetime) -> SafetyCounts:
    """Return what the last 7 days brought, the gravest first."""
    rows = tx.execute(
        select(
            safety_hour.c.category,
            safety_hour.c.direction,
            safety_hour.c.action,
            func.sum(safety_hour.c.calls).label("calls"),
        )
        .where(
            safety_hour.c.organization_id == organization_id,
            safety_hour.c.hour >= now - WINDOW,
        )
        .group_by(safety_hour.c.category, safety_hour.c.direction, safety_hour.c.action)
    )
    whole: dict[str, int] = {}
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        if row.category:
            found.setdefault((row.category, row.direction), {})[row.action] = int(row.calls)
        else:
            whole[row.action] = int(row.calls)
    lines = [
        FoundRow(
            category,
            direction,
            actions.get("block", 0),
            actions.get("redact", 0),
            actions.get("review", 0),
            actions.get("annotate", 0),
        )
        for (category, direction), actions in found.items()
    ]
    lines.sort(
        key=lambda line: (
            -line.blocked,
            -line.redacted,
            -line.reviewed,
            -line.annotated,
            line.category,
            line.direction,
        )
    )
    return SafetyCounts(
        whole.get("examined", 0),
        whole.get("blocked", 0),
        whole.get("failed", 0),
        lines[:_MOST_ROWS],
    )


def safety_of_call(
    tx: Connection, organization_id: str, event_id: UUID, at: datetime
) -> CallSafety | None:
    """Return what there is to say of a call; None where checks had nothing to say, or none ran."""
    row = tx.execute(
        select(usage_safety).where(
            usage_safety.c.organization_id == organization_id,
            usage_safety.c.at == at,
            usage_safety.c.event_id == event_id,
        )
    ).first()
    if row is None:
        return None
    flags: list[dict[str, Any]] = row.flags
    return CallSafety(
        row.action,
        [(str(policy), int(version)) for policy, version in row.policies],
        [_flag(flag) for flag in flags],
        [(str(check), str(why)) for check, why in row.failures],
        row.blocked_at,
        row.examined_us,
    )


def _flag(stored: dict[str, Any]) -> Flag:
    return Flag(
        str(stored.get("category", "")),
        str(stored.get("direction", "")),
        int(stored.get("severity", 0)),
        float(stored.get("score", 0.0)),
        str(stored.get("action", "")),
        str(stored.get("check", "")),
        str(stored.get("check_version", "")),
    )
