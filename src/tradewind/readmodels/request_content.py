"""The content of one call, for those who may see it, and why there is none.

What an organization keeps no more is not shown, whether it was deleted already or not.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from tradewind.core.ids import request_id
from tradewind.core.permissions import MayAct, Permission, require
from tradewind.features.budgets.tables import terms
from tradewind.features.content.service import is_kept
from tradewind.features.content.tables import request_content
from tradewind.readmodels.requests import RequestDetail

_log = logging.getLogger(__name__)


class ContentState(StrEnum):
    SHOWN = "shown"
    OFF = "off"
    """The organization keeps none."""
    EXPIRED = "expired"
    NOT_KEPT = "not_kept"
    """It was not on then, the call was refused, or there was too much; or it is on its way yet."""


@dataclass(frozen=True, slots=True)
class ContentPart:
    """A prompt or an answer: decoded, redacted JSON."""

    value: Any
    is_truncated: bool

    @property
    def pretty(self) -> str:
        """As a person reads it."""
        return msgspec.json.format(msgspec.json.encode(self.value), indent=2).decode()


@dataclass(frozen=True, slots=True)
class RequestContent:
    state: ContentState
    days: int
    """For how many days the organization keeps content now."""
    prompt: ContentPart | None = None
    answer: ContentPart | None = None
    """None when nothing was answered, too."""


def show_content(  # noqa: PLR0917
    tx: Connection,
    actor: MayAct,
    reader: str,
    organization_id: str,
    request: RequestDetail,
    now: datetime,
) -> RequestContent:
    """Return the content of a call of this organization. Raises Forbidden.

    `reader` is the id of the person or the key: who has read what is in the log.
    """
    require(actor, Permission.CONTENT_READ)
    days = content_days(tx, [organization_id]).get(organization_id, 0)
    if days <= 0:
        return RequestContent(ContentState.OFF, 0)
    line = request.line
    if not is_kept(line.at, days, now):
        return RequestContent(ContentState.EXPIRED, days)
    row = tx.execute(
        select(request_content).where(
            request_content.c.at == line.at,
            request_content.c.event_id == line.event_id,
            request_content.c.organization_id == organization_id,
        )
    ).first()
    if row is None:
        return RequestContent(ContentState.NOT_KEPT, days)
    _log.info("%s reads the content of %s", reader, request_id(line.event_id.bytes))
    return RequestContent(
        ContentState.SHOWN,
        days,
        _part(row.prompt, is_truncated=row.is_prompt_truncated),
        _part(row.answer, is_truncated=row.is_answer_truncated),
    )


def content_days(tx: Connection, organizations: Collection[str] | None = None) -> dict[str, int]:
    """Return for how many days organizations keep content; those that keep none are left out."""
    query = select(terms.c.organization_id, terms.c.content_days).where(
        terms.c.project_id.is_(None), terms.c.content_days > 0
    )
    if organizations is not None:
        query = query.where(terms.c.organization_id.in_(organizations))
    return {row.organization_id: row.content_days for row in tx.execute(query)}


def _part(json: bytes, *, is_truncated: bool) -> ContentPart | None:
    return ContentPart(msgspec.json.decode(json), is_truncated) if json else None
