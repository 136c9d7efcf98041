"""What was spent by the books, and of which gateways the books are complete: for budgets."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    exists,
    func,
    literal,
    select,
    union_all,
)

from tradewind.features.budgets.schemas import SpendQuestion
from tradewind.features.budgets.upkeep import WriterEnd
from tradewind.features.market.tables import price
from tradewind.features.metering.tables import (
    journal_open,
    journal_segment,
    usage_event,
    usage_hour,
    usage_writer_day,
)

_AT_ONCE = 500
"""Sums of one statement: the number of its parameters is bounded."""


def read_spend(tx: Connection, question: SpendQuestion) -> int:
    """Return what a scope has spent in a time, in nanos of the question's currency.

    Whole hours come from the hourly sums, which hold for any length of time; what begins or ends
    within an hour is summed from the events.
    """
    return int(tx.execute(_sum_of(question)).scalar_one())


def read_spends(tx: Connection, questions: Sequence[SpendQuestion]) -> list[int]:
    """Return what `read_spend` does of each, in their order, in one statement for many."""
    found: list[int] = []
    for first in range(0, len(questions), _AT_ONCE):
        some = questions[first : first + _AT_ONCE]
        parts = [
            select(literal(place).label("place"), _sum_of(question).scalar_subquery().label("sum"))
            for place, question in enumerate(some)
        ]
        sums = {row.place: int(row.sum) for row in tx.execute(union_all(*parts))}
        found += [sums[place] for place in range(len(some))]
    return found


def read_writer_spend(
    tx: Connection, node: str, boot_ns: int, question: SpendQuestion
) -> int | None:
    """Return what one gateway has spent of a scope, by whole days of UTC; None where that is not
    known to the last call: parts of its journal were damaged, or taken in by an older release.
    """
    segments = tx.execute(
        select(
            func.bool_and(
                journal_segment.c.is_summed_by_writer
                & (journal_segment.c.missing_frames == 0)
                & (journal_segment.c.quarantined_bytes == 0)
            )
        ).where(journal_segment.c.node == node, journal_segment.c.boot_ns == boot_ns)
    ).scalar_one()
    if not segments:
        return None
    days = usage_writer_day
    condition = _scope(days, question) & (days.c.node == node) & (days.c.boot_ns == boot_ns)
    condition &= days.c.day >= question.since.astimezone(UTC).date()
    if question.until is not None:
        condition &= days.c.day < question.until.astimezone(UTC).date()
    total = tx.execute(
        select(func.coalesce(func.sum(days.c.cost_nanos), 0)).where(condition)
    ).scalar_one()
    return int(total)


def _sum_of(question: SpendQuestion) -> Select[Any]:
    since, until = question.since, question.until
    is_whole = _is_hour(since) and (until is None or _is_hour(until))
    table, at = (usage_hour, usage_hour.c.hour) if is_whole else (usage_event, usage_event.c.at)
    condition = _scope(table, question)
    condition &= at >= since
    if until is not None:
        condition &= at < until
    return select(func.coalesce(func.sum(table.c.cost_nanos), 0)).where(condition)


def find_writer_end(tx: Connection, node: str, boot_ns: int) -> WriterEnd | None:
    """Return when a gateway was known to be gone, once all it wrote is in the books; else None."""
    segments = tx.execute(
        select(
            func.bool_and(journal_segment.c.is_finished), func.max(journal_segment.c.updated_at)
        ).where(journal_segment.c.node == node, journal_segment.c.boot_ns == boot_ns)
    ).one()
    is_finished, finished_at = segments
    if not is_finished:
        return None
    is_open = tx.execute(
        select(journal_open.c.event_id)
        .where(journal_open.c.node == node, journal_open.c.boot_ns == boot_ns)
        .limit(1)
    ).first()
    return None if is_open is not None else WriterEnd(finished_at.astimezone(UTC))


def _scope(table: Table, question: SpendQuestion) -> ColumnElement[bool]:
    condition = and_(
        table.c.organization_id == question.organization_id,
        table.c.currency == question.currency,
    )
    if question.project_id is not None:
        condition &= table.c.project_id == question.project_id
    if question.key_id is not None:
        condition &= table.c.key_id == question.key_id
    if question.is_charged_only:
        shown = select(price.c.id).where(
            price.c.id == table.c.price_id, price.c.is_charged.is_(False)
        )
        condition &= ~exists(shown)
    return condition


def _is_hour(moment: datetime) -> bool:
    return not (moment.minute or moment.second or moment.microsecond)
