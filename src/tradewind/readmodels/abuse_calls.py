"""Single calls, as cases of abuse and feedback ask about them. Texts only in `read_content`, which
takes a grant.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, Select, select
from sqlalchemy.sql.elements import ColumnElement

from tradewind.core.ids import request_id
from tradewind.features.abuse.schemas import FlaggedCall, KeptContent, RatedCall
from tradewind.features.accounts.schemas import KeyPurpose
from tradewind.features.accounts.tables import api_key
from tradewind.features.content.service import is_kept
from tradewind.features.content.tables import request_content
from tradewind.features.metering.tables import usage_event, usage_safety
from tradewind.readmodels.request_content import content_days

_WEEK = timedelta(days=7)
_ROUNDING = timedelta(milliseconds=2)


def flagged_calls(
    tx: Connection, organization_id: str, key_id: str, now: datetime, limit: int
) -> Sequence[FlaggedCall]:
    """Return calls of a week in which something was found, the newest first."""
    rows = tx.execute(
        _flagged(organization_id, key_id)
        .where(usage_safety.c.at > now - _WEEK)
        .order_by(usage_safety.c.at.desc(), usage_safety.c.event_id)
        .limit(limit)
    )
    return [_call(row) for row in rows]


def find_flagged_call(
    tx: Connection, organization_id: str, key_id: str, event_id: UUID
) -> FlaggedCall | None:
    row = tx.execute(
        _flagged(organization_id, key_id).where(
            _began(usage_safety.c.at, event_id), usage_safety.c.event_id == event_id
        )
    ).one_or_none()
    return None if row is None else _call(row)


def read_content(
    tx: Connection, organization_id: str, event_id: UUID, now: datetime
) -> KeptContent | None:
    """Return what is kept of a call; None where nothing is, or not any more."""
    days = content_days(tx, [organization_id]).get(organization_id, 0)
    if not is_kept(_at(event_id), days, now):
        return None
    row = tx.execute(
        select(request_content.c.prompt, request_content.c.answer).where(
            _began(request_content.c.at, event_id),
            request_content.c.event_id == event_id,
            request_content.c.organization_id == organization_id,
        )
    ).one_or_none()
    return None if row is None else KeptContent(_json(row.prompt), _json(row.answer))


def keeps_content(tx: Connection, organization_id: str) -> bool:
    return bool(content_days(tx, [organization_id]))


def find_rated(tx: Connection, organization_id: str, event_id: UUID) -> RatedCall | None:
    """Return what somebody rates: a call of this organization that has ended."""
    row = tx.execute(
        select(usage_event.c.at, usage_event.c.project_id, usage_event.c.model).where(
            _began(usage_event.c.at, event_id),
            usage_event.c.event_id == event_id,
            usage_event.c.organization_id == organization_id,
        )
    ).one_or_none()
    return None if row is None else RatedCall(row.at, row.project_id, row.model)


def _flagged(organization_id: str, key_id: str) -> Select[Any]:
    query = select(usage_safety).where(
        usage_safety.c.organization_id == organization_id, usage_safety.c.action != ""
    )
    if key_id:
        return query.where(usage_safety.c.key_id == key_id)
    red_team = select(api_key.c.id).where(
        api_key.c.organization_id == organization_id,
        api_key.c.purpose == KeyPurpose.RED_TEAM.value,
    )
    return query.where(usage_safety.c.key_id.not_in(red_team))


def _call(row: Row[Any]) -> FlaggedCall:
    return FlaggedCall(
        request_id(row.event_id.bytes),
        row.at,
        row.key_id,
        row.model,
        row.action,
        tuple(
            (str(flag["category"]), str(flag["direction"]), int(flag["severity"]))
            for flag in row.flags
            if flag["severity"]
        ),
    )


def _at(event_id: UUID) -> datetime:
    """Return when a call was admitted: its id is a UUIDv7."""
    return datetime.fromtimestamp((event_id.int >> 80) / 1000, UTC)


def _began(column: ColumnElement[datetime], event_id: UUID) -> ColumnElement[bool]:
    """Name the time of the call, so that only its day is looked at."""
    at = _at(event_id)
    return column.between(at - _ROUNDING, at + _ROUNDING)


def _json(stored: bytes) -> Any:
    return msgspec.json.decode(stored) if stored else None
