"""Whether what was settled is the sum of receipts: invoices are made of what was settled."""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from tradewind.features.ledger.schemas import Difference, NamedCheck, Tell

_NAME = "receipts"
# Hours that are whole since a chain began, and that nothing is under way for: neither events
# without receipts nor a settlement.
_DIFFERENCES = text("""
    WITH chain AS (
        SELECT organization_id, date_trunc('hour', began_at, 'UTC') + interval '1 hour' AS since
        FROM receipt_chain
        WHERE NOT EXISTS (
            SELECT FROM usage_news
            WHERE usage_news.organization_id = receipt_chain.organization_id
        )
    ), sale AS (
        SELECT receipt.organization_id, date_trunc('hour', receipt.at, 'UTC') AS hour,
            CAST(receipt.sale AS jsonb) AS told
        FROM receipt JOIN chain USING (organization_id)
        WHERE receipt.at >= chain.since
    ), receipted AS (
        SELECT sale.organization_id, sale.hour, sale.told ->> 'currency' AS currency,
            sum(CAST(sale.told ->> 'cost' AS numeric) * 1000000000) AS nanos
        FROM sale JOIN price ON price.id = sale.told ->> 'price' AND price.is_charged
        GROUP BY 1, 2, 3
    ), settled AS (
        SELECT organization_id, line.hour, line.currency, sum(line.cost_nanos) AS nanos
        FROM settlement_line AS line JOIN chain USING (organization_id)
        WHERE line.hour >= chain.since AND NOT EXISTS (
            SELECT FROM settlement_due AS due
            WHERE due.organization_id = line.organization_id AND due.hour = line.hour
        )
        GROUP BY 1, 2, 3
    )
    SELECT organization_id, hour, currency,
        CAST(settled.nanos - coalesce(receipted.nanos, 0) AS bigint) AS nanos
    FROM settled LEFT JOIN receipted USING (organization_id, hour, currency)
    WHERE settled.nanos <> coalesce(receipted.nanos, 0)
    ORDER BY 1, 2, 3
""")


def receipt_checks() -> tuple[NamedCheck, ...]:
    return (NamedCheck(_NAME, _receipts),)


def _receipts(tx: Connection, tell: Tell) -> Iterator[Difference]:
    tell(0, 1)
    for row in tx.execute(_DIFFERENCES):
        yield Difference(
            _NAME,
            row.organization_id,
            f"what was settled of {row.hour:%Y-%m-%d %H:%M} UTC is not the sum of its receipts"
            f" in {row.currency}",
            row.nanos,
        )
    tell(1, 1)
