"""An organization's calls that are over, as dry runs of safety policies judge them again."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from tradewind.features.content.tables import request_content
from tradewind.features.metering.tables import usage_event, usage_safety
from tradewind.features.safety.ports import FlaggedCall, KeptCall
from tradewind.features.safety.rules.past_calls import HeldPolicy, History, PastFlag
from tradewind.features.safety.schemas import (
    DEFAULT_POLICY,
    FLOOR_POLICY,
    PolicyContent,
    SubjectKind,
)
from tradewind.features.safety.tables import safety_binding, safety_policy_version
from tradewind.readmodels.request_content import content_days
from tradewind.snapshot.safety import Direction

_MOST_BINDINGS = 2_000
_MOST_VERSIONS = 2_000
_DIRECTIONS = frozenset(each.value for each in Direction)


def read_history(tx: Connection, organization_id: str) -> History:
    """Return which policies held for an organization and its projects, and what they said. What is
    bound to single endpoints is left out: a call is judged again as if that had not run.
    """
    bound = tx.execute(
        select(safety_binding)
        .where(
            safety_binding.c.organization_id == organization_id,
            safety_binding.c.kind.in_([SubjectKind.ORGANIZATION.value, SubjectKind.PROJECT.value]),
        )
        .order_by(safety_binding.c.id.desc())
        .limit(_MOST_BINDINGS)
    ).all()
    held = [
        HeldPolicy(row.policy_id, row.subject_id, row.bound_at, row.unbound_at) for row in bound
    ]
    ids = {DEFAULT_POLICY, FLOOR_POLICY, *(each.policy_id for each in held)}
    said: dict[str, list[tuple[datetime, PolicyContent]]] = {}
    for row in tx.execute(
        select(safety_policy_version)
        .where(safety_policy_version.c.policy_id.in_(ids))
        .order_by(safety_policy_version.c.changed_at.desc())
        .limit(_MOST_VERSIONS)
    ):
        content = msgspec.convert(row.content, PolicyContent)
        said.setdefault(row.policy_id, []).append((row.changed_at, content))
    versions = {key: list(reversed(found)) for key, found in said.items()}
    return History(organization_id, DEFAULT_POLICY, FLOOR_POLICY, held, versions)


def count_calls(
    tx: Connection, organization_id: str, since: datetime, until: datetime
) -> Mapping[str, int]:
    """Return how many calls each project made."""
    rows = tx.execute(
        select(usage_event.c.project_id, func.count().label("calls"))
        .where(
            usage_event.c.organization_id == organization_id,
            usage_event.c.at >= since,
            usage_event.c.at < until,
            usage_event.c.corrects.is_(None),
        )
        .group_by(usage_event.c.project_id)
    )
    return {row.project_id: row.calls for row in rows}


def flagged_calls(
    tx: Connection, organization_id: str, since: datetime, until: datetime, limit: int
) -> Sequence[FlaggedCall]:
    """Return calls of which checks had something to say, the newest first."""
    rows = tx.execute(
        select(
            usage_safety.c.at,
            usage_safety.c.event_id,
            usage_safety.c.project_id,
            usage_safety.c.action,
            usage_safety.c.flags,
            usage_safety.c.failures,
        )
        .where(
            usage_safety.c.organization_id == organization_id,
            usage_safety.c.at >= since,
            usage_safety.c.at < until,
        )
        .order_by(usage_safety.c.at.desc(), usage_safety.c.event_id)
        .limit(limit)
    )
    return [
        FlaggedCall(
            row.at,
            row.event_id,
            row.project_id,
            row.action,
            tuple(_flag(each) for each in row.flags if each["direction"] in _DIRECTIONS),
            frozenset(check for check, _ in row.failures),
        )
        for row in rows
    ]


def kept_calls(
    tx: Connection, organization_id: str, since: datetime, until: datetime, limit: int
) -> Sequence[KeptCall]:
    """Return calls whose contents are kept, the newest first."""
    days = content_days(tx, [organization_id]).get(organization_id, 0)
    if days <= 0:
        return []
    # As readers of single calls: what is older than the organization says is not shown.
    since = max(since, datetime.now(UTC) - timedelta(days=days))
    rows = tx.execute(
        select(request_content)
        .where(
            request_content.c.organization_id == organization_id,
            request_content.c.at >= since,
            request_content.c.at < until,
        )
        .order_by(request_content.c.at.desc(), request_content.c.event_id)
        .limit(limit)
    )
    return [
        KeptCall(
            row.at,
            row.event_id,
            row.project_id,
            bytes(row.prompt),
            bytes(row.answer),
            row.is_prompt_truncated or row.is_answer_truncated,
        )
        for row in rows
    ]


def _flag(said: Mapping[str, Any]) -> PastFlag:
    return PastFlag(said["category"], Direction(said["direction"]), said["severity"], said["check"])


__all__ = ["count_calls", "flagged_calls", "kept_calls", "read_history"]
