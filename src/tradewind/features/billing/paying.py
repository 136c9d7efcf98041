"""What is paid of invoices, and what of it is taken back: each a row and an entry of its own."""

from sqlalchemy import Connection

from tradewind.core.errors import InvalidInput
from tradewind.features.billing import drawing, entries
from tradewind.features.billing.errors import BillingKeyReused, InvoiceNotFinal, InvoiceOverpaid
from tradewind.features.billing.repository import invoices
from tradewind.features.billing.repository.invoices import Payment
from tradewind.features.billing.schemas import InvoiceRow, InvoiceState
from tradewind.features.ledger.service import Ledger


def record(tx: Connection, ledger: Ledger, row: InvoiceRow, payment: Payment) -> None:
    """Enter a payment of an invoice, which the caller has locked. See `Billing.record_payment`."""
    if _is_known(tx, payment):
        return
    if payment.amount_minor <= 0:
        raise InvalidInput("a payment is above zero")
    if row.number is None:
        raise InvoiceNotFinal(f"{row.invoice_id} is a draft")
    if payment.amount_minor > row.open_minor:
        raise InvoiceOverpaid(
            f"{drawing.amount(row.open_minor, row.currency)} {row.currency} of {row.number}"
            " are open",
            hint="put the rest into the wallet",
        )
    state = InvoiceState.PAID if payment.amount_minor == row.open_minor else row.state
    invoices.add_payment(tx, payment, state)
    ledger.post(tx, entries.payment_draft(payment.key, payment.method, _sum(row, payment)))


def take_back(tx: Connection, ledger: Ledger, row: InvoiceRow, payment: Payment) -> None:
    """Enter that a part of a payment is gone; its amount is below zero. The caller has locked the
    invoice. See `Billing.take_back_payment`.
    """
    if _is_known(tx, payment):
        return
    if payment.amount_minor >= 0:
        raise InvalidInput("what is taken back is above zero")
    if -payment.amount_minor > invoices.paid_by(tx, row.invoice_id, payment.reference):
        raise InvalidInput("more than that payment paid of the invoice cannot be taken back")
    is_owed = row.open_minor - payment.amount_minor > 0
    # One that was credited and sent back is as it was: nothing of it is owed.
    state = InvoiceState.FINALIZED if is_owed else row.state
    invoices.add_payment(tx, payment, state)
    ledger.post(tx, entries.payment_draft(payment.key, payment.method, _sum(row, payment)))


def _is_known(tx: Connection, payment: Payment) -> bool:
    former = invoices.find_payment(tx, payment.key)
    if former is None:
        return False
    if former._replace(reference="", paid_at=payment.paid_at) != payment._replace(reference=""):
        raise BillingKeyReused(f"the key {payment.key[:64]!r} is another payment's")
    return True


def _sum(row: InvoiceRow, payment: Payment) -> entries.PaidSum:
    return entries.PaidSum(
        row.invoice_id,
        row.organization_id,
        row.currency,
        payment.amount_minor,
        payment.paid_at,
        row.number or "",
    )
