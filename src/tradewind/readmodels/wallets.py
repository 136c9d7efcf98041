"""What payments read of billing: who pays ahead, what is open, what wallets still owe."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.billing.service import Billing
from tradewind.features.payments.ports import Payer
from tradewind.features.payments.schemas import OpenInvoice

_PREPAID = text("""
    SELECT organization_id, currency FROM billing_account
    WHERE mode = 'prepaid' AND organization_id > :after ORDER BY organization_id LIMIT :most
""")
_PAYER = text("""
    SELECT organization_id, currency, mode FROM billing_account
    WHERE organization_id = :organization AND mode <> 'none'
""")
# Usage before the account was opened is nobody's debt. What prices only show is no wallet's at all.
_COVERED = text("""
    SELECT (
        SELECT coalesce(sum(usage_nanos), 0) FROM invoice
        WHERE organization_id = :organization AND currency = :currency AND number IS NOT NULL
    ) + (
        SELECT coalesce(sum(used.cost_nanos), 0)
        FROM usage_hour AS used
        LEFT JOIN price ON price.id = used.price_id
        LEFT JOIN billing_account AS account
            ON account.organization_id = used.organization_id AND account.mode <> 'none'
            AND used.hour >= account.billed_from
        WHERE used.organization_id = :organization AND used.currency = :currency
            AND price.is_charged IS DISTINCT FROM false AND account.organization_id IS NULL
    ) AS nanos
""")
_INVOICE = """
    SELECT id, organization_id, number, currency, total_minor - paid_minor - credited_minor AS open
    FROM invoice WHERE number IS NOT NULL AND {which}
"""
_BY_ID = text(_INVOICE.format(which="id = :sought"))
_LOCKED = text(_INVOICE.format(which="id = :sought FOR UPDATE"))
_OPEN_OF_PREPAID = text("""
    SELECT invoice.id FROM invoice
    JOIN billing_account AS account USING (organization_id)
    JOIN wallet ON wallet.organization_id = invoice.organization_id
        AND wallet.currency = invoice.currency
    WHERE invoice.state = 'finalized' AND account.mode = 'prepaid'
        AND invoice.total_minor > invoice.paid_minor + invoice.credited_minor
        AND EXISTS (
            SELECT FROM wallet_lot AS lot
            WHERE lot.organization_id = invoice.organization_id AND lot.left_nanos > 0
        )
    ORDER BY invoice.id LIMIT :most
""")
_BY_NUMBER = text(
    _INVOICE.format(which="left(regexp_replace(number, '[^A-Z0-9]', '', 'g'), 21) = :sought")
)


class BilledOrganizations:
    """The port `features.payments.ports.Bills`, over billing."""

    def __init__(self, billing: Billing) -> None:
        self._billing = billing

    def payer(self, tx: Connection, organization_id: str) -> Payer | None:
        row = tx.execute(_PAYER, {"organization": organization_id}).first()
        if row is None:
            return None
        return Payer(row.organization_id, row.currency, row.mode == "prepaid")

    def prepaid(self, tx: Connection, after: str, limit: int) -> Sequence[Payer]:
        rows = tx.execute(_PREPAID, {"after": after, "most": limit})
        return [Payer(row.organization_id, row.currency, is_prepaid=True) for row in rows]

    def covered_nanos(self, tx: Connection, organization_id: str, currency: str) -> int:
        sought = {"organization": organization_id, "currency": currency}
        return int(tx.execute(_COVERED, sought).scalar_one())

    def invoice(self, tx: Connection, invoice_id: str) -> OpenInvoice | None:
        return _open(tx.execute(_BY_ID, {"sought": invoice_id}).first())

    def invoice_of_number(self, tx: Connection, letters: str) -> OpenInvoice | None:
        return _open(tx.execute(_BY_NUMBER, {"sought": letters}).first())

    def open_of_prepaid(self, tx: Connection, limit: int) -> Sequence[str]:
        return tx.execute(_OPEN_OF_PREPAID, {"most": limit}).scalars().all()

    def lock_invoice(self, tx: Connection, invoice_id: str) -> OpenInvoice | None:
        return _open(tx.execute(_LOCKED, {"sought": invoice_id}).first())

    def record_payment(  # noqa: PLR0917  billing's own order
        self,
        tx: Connection,
        invoice_id: str,
        amount_minor: int,
        method: str,
        reference: str,
        key: str,
    ) -> object:
        return self._billing.record_payment(tx, invoice_id, amount_minor, method, reference, key)

    def take_back_payment(  # noqa: PLR0917  billing's own order
        self,
        tx: Connection,
        invoice_id: str,
        amount_minor: int,
        method: str,
        reference: str,
        key: str,
    ) -> object:
        return self._billing.take_back_payment(tx, invoice_id, amount_minor, method, reference, key)

    def paid_minor(self, tx: Connection, invoice_id: str, reference: str) -> int:
        return self._billing.paid_minor(tx, invoice_id, reference)


def _open(row: Row[Any] | None) -> OpenInvoice | None:
    if row is None:
        return None
    return OpenInvoice(
        row.id,
        row.organization_id,
        row.number,
        row.currency,
        row.open,
        nanos_per_minor(row.currency),
    )
