"""What is paid ahead: how much of each line is neither earned nor taken back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, or_, select, text, update

from tradewind.features.billing.rules.periods import month_start
from tradewind.features.billing.tables import deferral


class Deferred(NamedTuple):
    invoice_id: str
    seq: int
    organization_id: str
    currency: str
    seller: str
    since: datetime
    until: datetime
    earned_until: datetime
    left_nanos: int
    left_fee_nanos: int


def add(tx: Connection, deferred: Iterable[Deferred]) -> None:
    rows = [
        {**each._asdict(), "nanos": each.left_nanos, "fee_nanos": each.left_fee_nanos}
        for each in deferred
    ]
    if rows:
        tx.execute(insert(deferral), rows)


def lock_due(tx: Connection, now: datetime, most: int) -> list[Deferred]:
    """Return what has a part that is earned by now; nobody else earns it in this transaction."""
    found = (
        select(deferral)
        .where(
            deferral.c.left_nanos != 0,
            deferral.c.earned_until < now,
            or_(deferral.c.earned_until < month_start(now), deferral.c.until <= now),
        )
        .order_by(deferral.c.invoice_id, deferral.c.seq)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [_deferred(row) for row in tx.execute(found)]


def lock_of(tx: Connection, invoice_id: str) -> Mapping[int, Deferred]:
    """Return what of an invoice is paid ahead, by line."""
    found = (
        select(deferral)
        .where(deferral.c.invoice_id == invoice_id)
        .order_by(deferral.c.seq)
        .with_for_update()
    )
    return {row.seq: _deferred(row) for row in tx.execute(found)}


def update_left(tx: Connection, changed: Sequence[Deferred]) -> None:
    for each in changed:
        tx.execute(
            update(deferral)
            .where(deferral.c.invoice_id == each.invoice_id, deferral.c.seq == each.seq)
            .values(
                earned_until=each.earned_until,
                left_nanos=each.left_nanos,
                left_fee_nanos=each.left_fee_nanos,
            )
        )


# --- checks ----------------------------------------------------------------------------------

_UNMATCHED = text("""
    WITH wanted AS (
        SELECT organization_id AS owner, currency, -sum(left_nanos) AS nanos
        FROM deferral GROUP BY 1, 2
    ), kept AS (
        SELECT owner, currency, nanos
        FROM ledger_account AS account
        JOIN ledger_balance AS balance ON balance.account_id = account.id
        WHERE kind = 'deferred'
    )
    SELECT owner, currency, coalesce(kept.nanos, 0) - coalesce(wanted.nanos, 0) AS nanos
    FROM wanted FULL JOIN kept USING (owner, currency)
    WHERE coalesce(kept.nanos, 0) <> coalesce(wanted.nanos, 0)
    ORDER BY 1, 2
""")


def unmatched(tx: Connection) -> Iterable[Row[Any]]:
    """Return what DEFERRED differs by from what is not earned yet."""
    return tx.execute(_UNMATCHED).all()


def _deferred(row: Row[Any]) -> Deferred:
    return Deferred(
        row.invoice_id,
        row.seq,
        row.organization_id,
        row.currency,
        row.seller,
        row.since,
        row.until,
        row.earned_until,
        int(row.left_nanos),
        int(row.left_fee_nanos),
    )
