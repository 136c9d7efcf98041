"""Invoices that are overdue, by the subscriptions that have lines on them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, select

from tradewind.features.billing.schemas import InvoiceState
from tradewind.features.billing.tables import invoice, invoice_line
from tradewind.features.sales.dunning import Overdue
from tradewind.features.sales.rules.life import State
from tradewind.features.sales.tables import subscription, subscription_arrears


class OverdueInvoices:
    """The port `features.sales.dunning.Bills`."""

    def overdue(self, tx: Connection, due_before: datetime, limit: int) -> Sequence[Overdue]:
        # Two workers may read the same: noting it twice is noting it once.
        rows = tx.execute(
            select(subscription.c.id, invoice.c.id.label("invoice_id"), invoice.c.number)
            .distinct()
            .join(invoice_line, invoice_line.c.invoice_id == invoice.c.id)
            .join(subscription, subscription.c.id == invoice_line.c.evidence["subscription"].astext)
            .outerjoin(
                subscription_arrears,
                and_(
                    subscription_arrears.c.subscription_id == subscription.c.id,
                    subscription_arrears.c.invoice_id == invoice.c.id,
                    subscription_arrears.c.cleared_at.is_(None),
                ),
            )
            .where(
                invoice.c.state == InvoiceState.FINALIZED.value,
                invoice.c.due_at < due_before,
                subscription.c.state != State.CANCELLED.value,
                subscription_arrears.c.invoice_id.is_(None),
            )
            .order_by(subscription.c.id, invoice.c.id)
            .limit(limit)
        )
        return [Overdue(row.id, row.invoice_id, row.number) for row in rows]

    def settled(self, tx: Connection, limit: int) -> Sequence[tuple[str, str]]:
        rows = tx.execute(
            select(subscription_arrears.c.subscription_id, subscription_arrears.c.invoice_id)
            .join(invoice, invoice.c.id == subscription_arrears.c.invoice_id)
            .where(
                subscription_arrears.c.cleared_at.is_(None),
                invoice.c.state.in_([InvoiceState.PAID.value, InvoiceState.VOID.value]),
            )
            .order_by(subscription_arrears.c.subscription_id, subscription_arrears.c.invoice_id)
            .limit(limit)
        )
        return [(row.subscription_id, row.invoice_id) for row in rows]
