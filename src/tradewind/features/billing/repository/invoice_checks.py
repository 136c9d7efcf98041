"""What `tradewind ledger verify` compares of invoices."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, Row, text

_AT_ONCE = 5_000
_UNINVOICED = text("""
    WITH mark AS (
        SELECT DISTINCT ON (organization_id, currency) organization_id, currency, period_end, up_to
        FROM invoice WHERE number IS NOT NULL
        ORDER BY organization_id, currency, period_end DESC, up_to DESC
    ), wanted AS (
        SELECT line.organization_id AS owner, line.currency, sum(line.cost_nanos) AS nanos
        FROM settlement_line AS line
        LEFT JOIN mark USING (organization_id, currency)
        WHERE mark.period_end IS NULL
            OR NOT (line.hour < mark.period_end AND line.number <= mark.up_to)
        GROUP BY 1, 2
    ), kept AS (
        SELECT owner, currency, nanos
        FROM ledger_account AS account
        JOIN ledger_balance AS balance ON balance.account_id = account.id
        WHERE kind = 'unbilled'
    )
    SELECT owner, currency, coalesce(kept.nanos, 0) - coalesce(wanted.nanos, 0) AS nanos
    FROM wanted FULL JOIN kept USING (owner, currency)
    WHERE coalesce(kept.nanos, 0) <> coalesce(wanted.nanos, 0)
    ORDER BY 1, 2
""")
_UNENTERED = text("""
    WITH wanted AS (
        SELECT id, organization_id, currency, usage_nanos, exact_nanos, total_minor
        FROM invoice WHERE number IS NOT NULL
    ), entered AS (
        SELECT entry.subject AS id,
            sum(posting.nanos) FILTER (WHERE account.kind = 'unbilled') AS unbilled,
            sum(posting.nanos) FILTER (WHERE account.kind = 'receivable') AS receivable,
            sum(posting.nanos) FILTER (WHERE account.kind = 'tax') AS tax,
            sum(posting.nanos) FILTER (WHERE account.kind = 'rounding') AS rounding
        FROM ledger_entry AS entry
        JOIN ledger_posting AS posting ON posting.entry_id = entry.id
        JOIN ledger_account AS account ON account.id = posting.account_id
        WHERE entry.kind = 'invoice'
        GROUP BY 1
    ), lines AS (
        SELECT invoice_id AS id, sum(minor) AS minor, sum(exact_nanos) AS exact,
            coalesce(sum(exact_nanos) FILTER (WHERE kind = 'usage'), 0) AS usage
        FROM invoice_line GROUP BY 1
    )
    SELECT invoice.id, invoice.number, invoice.currency, invoice.net_minor, invoice.tax_minor,
        invoice.total_minor, invoice.exact_nanos, invoice.usage_nanos, lines.minor, lines.exact,
        lines.usage, coalesce(entered.unbilled, 0) AS unbilled,
        coalesce(entered.receivable, 0) AS receivable, coalesce(entered.tax, 0) AS tax,
        coalesce(entered.rounding, 0) AS rounding, invoice.content, invoice.sha256
    FROM invoice
    LEFT JOIN entered ON entered.id = invoice.id
    LEFT JOIN lines ON lines.id = invoice.id
    WHERE invoice.number IS NOT NULL AND invoice.id > :after
    ORDER BY invoice.id
    LIMIT :most
""")
_GAPS = text("""
    SELECT counted.series, counted.last, coalesce(used.count, 0) AS count
    FROM invoice_number AS counted
    LEFT JOIN (
        SELECT series, count(DISTINCT number) AS count
        FROM (
            SELECT series, number FROM invoice WHERE number IS NOT NULL
            UNION ALL SELECT series, number FROM credit_note
        ) AS numbered GROUP BY series
    ) AS used USING (series)
    WHERE coalesce(used.count, 0) <> counted.last
    ORDER BY 1
""")


def uninvoiced(tx: Connection) -> Iterable[Row[Any]]:
    """Return what UNBILLED differs by from the settlement lines that are on no invoice."""
    return tx.execute(_UNINVOICED).all()


def entered_invoices(tx: Connection) -> Iterator[Row[Any]]:
    """Yield finalized invoices with what their lines and their entries come to."""
    after = ""
    while True:
        rows = tx.execute(_UNENTERED, {"after": after, "most": _AT_ONCE}).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def gaps(tx: Connection) -> Iterable[Row[Any]]:
    """Return series in which a number is missing, or too many."""
    return tx.execute(_GAPS).all()
