"""What was posted to publishers, with what it is made of: the ledger beside settlement lines,
invoices and credit notes.

Everything is counted by what the ledger has. What the lines beside it do not explain is told as a
line of its own, so that a statement always adds up to the account.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from tradewind.features.payouts.schemas import Earned, EarnedLine, LineKind

LINES_MAX = 2_000
"""Of one statement; what is beyond them is told in one more."""
_ENTRY_MAX = 2**63 - 1

# `own` is what was posted to the publisher; a payout's own entry is told by its own statement.
_OWN = """
    SELECT entry.id, entry.number, entry.kind, entry.subject, entry.memo, entry.at,
        entry.entered_at, -posting.nanos AS nanos
    FROM ledger_account AS account
    JOIN ledger_posting AS posting ON posting.account_id = account.id
    JOIN ledger_entry AS entry ON entry.id = posting.entry_id
    WHERE account.kind = 'payable' AND account.owner = :publisher AND account.currency = :currency
        AND entry.kind <> 'payout' AND entry.number <= :up_to
"""
_LINES = text(f"""
    WITH own AS MATERIALIZED ({_OWN} AND entry.number > :after), sale AS (
        SELECT 'sale' AS kind, line.model, line.operation AS description,
            to_char(line.hour AT TIME ZONE 'UTC', 'YYYY-MM') AS period,
            sum(line.requests) AS quantity, sum(line.cost_nanos) AS gross,
            sum(line.fee_nanos) AS fee
        FROM settlement
        JOIN settlement_line AS line ON line.settlement = settlement.number
        WHERE settlement.id IN (SELECT subject FROM own WHERE kind = 'settlement')
            AND line.seller = :publisher AND line.currency = :currency
        GROUP BY 2, 3, 4
    ), plan AS (
        SELECT 'plan' AS kind, line.model, line.description,
            to_char(line.hour_from AT TIME ZONE 'UTC', 'YYYY-MM') AS period,
            CAST(count(*) AS numeric) AS quantity, sum(line.exact_nanos) AS gross,
            sum(line.fee_nanos) AS fee
        FROM invoice_line AS line
        WHERE line.invoice_id IN (SELECT subject FROM own WHERE kind = 'invoice')
            AND line.seller = :publisher AND line.kind <> 'usage'
        GROUP BY 2, 3, 4
    ), refund AS (
        SELECT 'refund' AS kind, '' AS model, note.number || ': ' || note.reason AS description,
            to_char(own.at AT TIME ZONE 'UTC', 'YYYY-MM') AS period,
            CAST(1 AS numeric) AS quantity, own.nanos AS net, taken.minor AS minor
        FROM own
        JOIN credit_note AS note ON note.id = own.subject
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(part.minor), 0) AS minor
            FROM credit_note_line AS part
            JOIN invoice_line AS line ON line.invoice_id = note.invoice_id AND line.seq = part.seq
            WHERE part.credit_note_id = note.id AND line.seller = :publisher
        ) AS taken
        WHERE own.kind = 'credit_note'
    ), explained AS (
        SELECT kind, model, description, period, quantity, gross, fee, gross - fee AS net FROM sale
        UNION ALL
        SELECT kind, model, description, period, quantity, gross, fee, gross - fee FROM plan
        UNION ALL
        SELECT kind, model, description, period, quantity, -minor * :unit, -minor * :unit - net, net
        FROM refund
        UNION ALL
        SELECT CASE WHEN payout.id IS NULL THEN 'other' ELSE 'returned' END, '',
            CASE WHEN payout.id IS NULL THEN replace(own.kind, '_', ' ') || ': ' || own.memo
                ELSE own.subject || ': ' || own.memo END,
            to_char(own.at AT TIME ZONE 'UTC', 'YYYY-MM'), 1, own.nanos, 0, own.nanos
        FROM own LEFT JOIN payout ON payout.id = own.subject
        WHERE own.kind NOT IN ('settlement', 'invoice', 'credit_note')
    )
    SELECT kind, model, description, period, sum(quantity) AS quantity, sum(gross) AS gross,
        sum(fee) AS fee, sum(net) AS net, (SELECT coalesce(sum(nanos), 0) FROM own) AS posted
    FROM explained
    GROUP BY kind, model, description, period
    ORDER BY kind <> 'sale', kind, period, model, description
""")  # noqa: S608  no outside text
_POSTED = text(f"""
    SELECT coalesce(sum(nanos), 0) FROM ({_OWN} AND entry.number > :after) AS own
""")  # noqa: S608  no outside text
# Deductions count at once; what came back of payouts was free before.
_HELD = text(f"""
    SELECT coalesce(sum(nanos), 0)
    FROM ({_OWN} AND entry.entered_at > :held_since AND entry.kind <> 'reversal') AS own
    WHERE nanos > 0
""")  # noqa: S608  no outside text
_CURRENCIES = text("""
    SELECT currency FROM ledger_account WHERE kind = 'payable' AND owner = :publisher ORDER BY 1
""")


class PostedEarnings:
    """The port `features.payouts.ports.Earnings`."""

    def __init__(self, minor_digits: Callable[[str], int]) -> None:
        self._minor_digits = minor_digits

    def earned(
        self,
        tx: Connection,
        publisher: str,
        currency: str,
        *,
        after: int,
        up_to: int | None,
        held_since: datetime,
    ) -> Earned:
        sought = {
            "publisher": publisher,
            "currency": currency,
            "after": after,
            "up_to": _ENTRY_MAX if up_to is None else up_to,
        }
        unit = 10 ** (9 - self._minor_digits(currency))
        rows = tx.execute(_LINES, sought | {"unit": unit}).all()
        posted = rows[0].posted if rows else tx.execute(_POSTED, sought).scalar_one()
        held = tx.execute(_HELD, sought | {"held_since": held_since}).scalar_one()
        return Earned(tuple(_lines(rows, int(posted))), int(held))

    def currencies(self, tx: Connection, publisher: str) -> Sequence[str]:
        return tx.execute(_CURRENCIES, {"publisher": publisher}).scalars().all()


def _lines(rows: Sequence[Row[Any]], posted: int) -> list[EarnedLine]:
    lines = [
        EarnedLine(
            LineKind(row.kind),
            row.description[:500],
            row.model,
            row.period,
            int(row.quantity),
            int(row.gross),
            int(row.fee),
            int(row.net),
        )
        for row in rows
        if row.gross or row.fee or row.net
    ]
    unexplained = posted - sum(line.net_nanos for line in lines)
    if unexplained:
        words = "Posted to the account otherwise"
        lines.append(_other(words, unexplained, unexplained, 0))
    if len(lines) <= LINES_MAX:
        return lines
    kept, rest = lines[:LINES_MAX], lines[LINES_MAX:]
    sums = [sum(column) for column in zip(*(line[5:] for line in rest), strict=True)]
    return [*kept, _other(f"{len(rest):,} more lines", sums[2], sums[0], sums[1])]


def _other(words: str, net: int, gross: int, fee: int) -> EarnedLine:
    return EarnedLine(LineKind.OTHER, words, "", "", 1, gross, fee, net)
