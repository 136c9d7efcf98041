"""Which subscriptions an invoice charges, and what becomes of them when its payment is denied."""

from sqlalchemy import Connection, text

from tradewind.features.sales.service import Sales

_SUBSCRIPTIONS = text("""
    SELECT DISTINCT evidence ->> 'subscription' AS id FROM invoice_line
    WHERE invoice_id = :invoice AND evidence ->> 'subscription' <> '' ORDER BY id
""")


class DisputedInvoices:
    """The port `features.payments.ports.Dunning`, over sales."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    def note_disputed(self, tx: Connection, invoice_id: str, *, is_unpaid: bool) -> None:
        for subscription_id in tx.execute(_SUBSCRIPTIONS, {"invoice": invoice_id}).scalars():
            if is_unpaid:
                self._sales.note_unpaid(tx, subscription_id, "the payment of its invoice is denied")
            else:
                self._sales.note_paid(tx, subscription_id)
