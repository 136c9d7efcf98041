"""Statements, and what verification reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, text

from tradewind.core.ids import PayoutRunId, PayoutStatementId
from tradewind.features.payouts.schemas import FrozenStatement, StatementContent, StatementRow
from tradewind.features.payouts.tables import payout_statement


def last_statement(tx: Connection, publisher: str, currency: str) -> StatementRow | None:
    row = tx.execute(
        select(payout_statement)
        .where(
            payout_statement.c.publisher_slug == publisher,
            payout_statement.c.currency == currency,
        )
        .order_by(payout_statement.c.number.desc())
        .limit(1)
    ).first()
    return None if row is None else _row(row)


def add_statement(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(payout_statement).values(**values))


def find_statement(tx: Connection, statement_id: str) -> FrozenStatement | None:
    row = tx.execute(select(payout_statement).where(payout_statement.c.id == statement_id)).first()
    if row is None:
        return None
    data = row.content.encode()
    content = msgspec.json.decode(data, type=StatementContent)
    return FrozenStatement(_row(row), content, data, bytes(row.sha256))


def list_statements(
    tx: Connection, publishers: Sequence[str], *, before: str | None, limit: int
) -> list[StatementRow]:
    """Return statements of these publishers, the newest first."""
    found = select(payout_statement).where(payout_statement.c.publisher_slug.in_(publishers))
    if before is not None:
        found = found.where(payout_statement.c.id < before)
    rows = tx.execute(found.order_by(payout_statement.c.id.desc()).limit(limit))
    return [_row(row) for row in rows]


def _row(row: Row[Any]) -> StatementRow:
    return StatementRow(
        statement_id=PayoutStatementId(row.id),
        publisher=row.publisher_slug,
        currency=row.currency,
        number=row.number,
        run_id=PayoutRunId(row.run_id),
        up_to=row.up_to,
        opening_nanos=int(row.opening_nanos),
        balance_nanos=int(row.balance_nanos),
        payable_nanos=int(row.payable_nanos),
        closing_nanos=int(row.closing_nanos),
        drawn_at=row.drawn_at,
    )


# --- checks ----------------------------------------------------------------------------------

# The balance of a statement is all that was posted up to its number, but its own payout.
_WRONG_BALANCES = text("""
    SELECT said.publisher_slug, said.currency, said.number, said.balance_nanos AS said,
        -coalesce(sum(posting.nanos), 0) AS found
    FROM payout_statement AS said
    LEFT JOIN ledger_account AS account
        ON account.kind = 'payable' AND account.owner = said.publisher_slug
        AND account.currency = said.currency
    LEFT JOIN ledger_posting AS posting ON posting.account_id = account.id
        AND EXISTS (
            SELECT FROM ledger_entry AS entry
            WHERE entry.id = posting.entry_id AND (
                (entry.kind <> 'payout' AND entry.number <= said.up_to)
                OR (entry.kind = 'payout' AND entry.subject IN (
                    SELECT payout.id
                    FROM payout JOIN payout_statement AS older ON older.id = payout.statement_id
                    WHERE older.publisher_slug = said.publisher_slug
                        AND older.currency = said.currency AND older.number < said.number
                ))
            )
        )
    GROUP BY said.id
    HAVING said.balance_nanos <> -coalesce(sum(posting.nanos), 0)
    ORDER BY 1, 2, 3
""")
_BROKEN_CHAIN = text("""
    SELECT * FROM (
        SELECT publisher_slug, currency, number, opening_nanos,
            lag(closing_nanos, 1, 0) OVER chain AS former_closing,
            row_number() OVER chain AS place, after, lag(up_to, 1, 0) OVER chain AS former_up_to
        FROM payout_statement
        WINDOW chain AS (PARTITION BY publisher_slug, currency ORDER BY number)
    ) AS seen
    WHERE opening_nanos <> former_closing OR number <> place OR after <> former_up_to
    ORDER BY 1, 2, 3
""")
_WRONG_PAYOUTS = text("""
    SELECT payout.id, payout.state, payout.currency,
        coalesce(sum(posting.nanos), 0) AS found,
        CASE WHEN payout.state IN ('ready', 'exported') THEN -payout.nanos ELSE 0 END AS wanted
    FROM payout
    LEFT JOIN ledger_entry AS entry ON entry.subject = payout.id
    LEFT JOIN ledger_posting AS posting ON posting.entry_id = entry.id
        AND posting.account_id = (
            SELECT id FROM ledger_account
            WHERE kind = 'cash' AND owner = 'payouts' AND currency = payout.currency
        )
    GROUP BY payout.id
    HAVING coalesce(sum(posting.nanos), 0)
        <> CASE WHEN payout.state IN ('ready', 'exported') THEN -payout.nanos ELSE 0 END
    ORDER BY 1
""")
_WRONG_WAY = text("""
    SELECT account.currency, balance.nanos - coalesce(way.nanos, 0) AS apart
    FROM ledger_account AS account
    JOIN ledger_balance AS balance ON balance.account_id = account.id
    LEFT JOIN (
        SELECT currency, -sum(nanos) AS nanos FROM payout
        WHERE state IN ('ready', 'exported') GROUP BY currency
    ) AS way USING (currency)
    WHERE account.kind = 'cash' AND account.owner = 'payouts'
        AND balance.nanos <> coalesce(way.nanos, 0)
    ORDER BY 1
""")
_WRONG_RESERVES = text("""
    WITH kept AS (
        SELECT publisher_slug AS owner, currency, sum(nanos) AS nanos FROM payout_reserve
        WHERE released_by IS NULL AND NOT is_undone GROUP BY 1, 2
    ), entered AS (
        SELECT owner, account.currency, -balance.nanos AS nanos
        FROM ledger_account AS account
        JOIN ledger_balance AS balance ON balance.account_id = account.id
        WHERE account.kind = 'reserve'
    )
    SELECT owner, currency, coalesce(entered.nanos, 0) - coalesce(kept.nanos, 0) AS apart
    FROM kept FULL JOIN entered USING (owner, currency)
    WHERE coalesce(entered.nanos, 0) <> coalesce(kept.nanos, 0)
    ORDER BY 1, 2
""")
_WRONG_RUNS = text("""
    SELECT run.id, run.nanos AS said, coalesce(sum(payout.nanos), 0) AS found
    FROM payout_run AS run LEFT JOIN payout ON payout.run_id = run.id
    GROUP BY run.id
    HAVING run.nanos <> coalesce(sum(payout.nanos), 0) OR run.payouts <> count(payout.id)
    ORDER BY 1
""")
_CONTENTS = text("""
    SELECT statement.id, statement.currency, statement.content, statement.sha256,
        statement.opening_nanos, statement.balance_nanos, statement.payable_nanos,
        statement.closing_nanos, payout.nanos AS paid_nanos, payout.currency AS paid_currency
    FROM payout_statement AS statement
    LEFT JOIN payout ON payout.statement_id = statement.id
    WHERE statement.id > :after ORDER BY statement.id LIMIT :most
""")
_CHECKED_AT_ONCE = 500


def wrong_balances(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_WRONG_BALANCES).all()


def broken_chain(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_BROKEN_CHAIN).all()


def wrong_payouts(tx: Connection) -> Sequence[Row[Any]]:
    """Return payouts whose entries leave something else on its way than their state says."""
    return tx.execute(_WRONG_PAYOUTS).all()


def wrong_way(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_WRONG_WAY).all()


def wrong_reserves(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_WRONG_RESERVES).all()


def wrong_runs(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(_WRONG_RUNS).all()


def contents_after(tx: Connection, statement_id: str) -> Sequence[Row[Any]]:
    return tx.execute(_CONTENTS, {"after": statement_id, "most": _CHECKED_AT_ONCE}).all()
