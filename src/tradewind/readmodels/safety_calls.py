"""What checks found in single calls, and in the hours of an organization."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from tradewind.features.metering.tables import safety_hour, usage_safety


@dataclass(frozen=True, slots=True)
class CallFlag:
    """The gravest finding of one category in one direction."""

    category: str
    direction: str
    severity: int
    score: float
    action: str
    check: str
    check_version: str


@dataclass(frozen=True, slots=True)
class CallSafety:
    """What policies made of a call of which there is something to say."""

    action: str
    """The gravest that followed; empty: none."""
    policies: tuple[tuple[str, int], ...]
    flags: tuple[CallFlag, ...]
    """The gravest first; those of severity 0 tell that a check looked."""
    failures: tuple[tuple[str, str], ...]
    """Checks that could not tell, and why."""
    blocked_at: int | None
    """Characters of the answer that had gone out when it was ended."""
    examined_us: int


@dataclass(frozen=True, slots=True)
class FindingCount:
    """Calls of a span of time; of an empty category: calls as a whole, whose action is `examined`,
    `failed` or `blocked`.
    """

    category: str
    direction: str
    band: str
    action: str
    calls: int


def find_call_safety(
    tx: Connection, organization_id: str, at: datetime, event_id: UUID
) -> CallSafety | None:
    """Return what is kept of a call's safety; None where there was nothing to say, or no more."""
    row = tx.execute(
        select(usage_safety).where(
            usage_safety.c.at == at,
            usage_safety.c.event_id == event_id,
            usage_safety.c.organization_id == organization_id,
        )
    ).first()
    if row is None:
        return None
    return CallSafety(
        action=row.action,
        policies=tuple((policy_id, version) for policy_id, version in row.policies),
        flags=tuple(_flag(each) for each in row.flags),
        failures=tuple((check, why) for check, why in row.failures),
        blocked_at=row.blocked_at,
        examined_us=row.examined_us,
    )


def count_findings(
    tx: Connection,
    organization_id: str,
    since: datetime,
    until: datetime,
    *,
    project_id: str | None = None,
    key_id: str | None = None,
) -> Sequence[FindingCount]:
    """Return sums of whole hours, the most frequent first."""
    keys = (safety_hour.c.category, safety_hour.c.direction, safety_hour.c.band)
    calls = func.sum(safety_hour.c.calls)
    query = (
        select(*keys, safety_hour.c.action, calls.label("calls"))
        .where(
            safety_hour.c.organization_id == organization_id,
            safety_hour.c.hour >= since,
            safety_hour.c.hour < until,
        )
        .group_by(*keys, safety_hour.c.action)
        .order_by(calls.desc(), *keys, safety_hour.c.action)
    )
    if project_id is not None:
        query = query.where(safety_hour.c.project_id == project_id)
    if key_id is not None:
        query = query.where(safety_hour.c.key_id == key_id)
    return [
        FindingCount(row.category, row.direction, row.band, row.action, int(row.calls))
        for row in tx.execute(query)
    ]


def _flag(said: Mapping[str, Any]) -> CallFlag:
    return CallFlag(
        category=said["category"],
        direction=said["direction"],
        severity=said["severity"],
        score=said["score"] or 0.0,
        action=said["action"],
        check=said["check"],
        check_version=said["check_version"],
    )
