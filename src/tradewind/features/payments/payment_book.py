"""Begins payments, and posts what became of them: each once, by what was read back."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, Unavailable
from tradewind.core.ids import OrganizationId, PaymentId
from tradewind.core.money import format_nanos
from tradewind.db.outbox import enqueue
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.payments.ports import Bills
from tradewind.features.payments.repository import payments as payments_sql
from tradewind.features.payments.repository import wallets as wallets_sql
from tradewind.features.payments.schemas import PaidIn, Payment, PaymentKind, PaymentState
from tradewind.features.payments.service import Wallets
from tradewind.plugins.payments.base import Checkout, Standing

PAYMENT_FAILED = "payment.failed"
"""A top-up that nobody asked for just then was refused."""
CONFIRMATION_NEEDED = "payment.confirmation_needed"
"""A bank wants its customer to confirm such a top-up, on the page that is named."""
_NOTE_MAX = 200


class PaymentBook:
    """Payments of one processor."""

    def __init__(self, clock: Clock, wallets: Wallets, bills: Bills, processor: str) -> None:
        self._clock = clock
        self._wallets = wallets
        self._bills = bills
        self._processor = processor

    def begin(
        self,
        tx: Connection,
        organization_id: str,
        kind: PaymentKind,
        nanos: int,
        currency: str,
        *,
        key: str,
        by: str,
        invoice_id: str | None = None,
        is_automatic: bool = False,
    ) -> Payment:
        """Store a payment before the processor hears of it. The same key again is the same one.

        Raises Conflict where the key was another's, or it is paid or failed.
        """
        own, now = f"{organization_id}:{kind.value}:{key}", self._clock.now()
        values: dict[str, Any] = {
            "id": PaymentId.new(),
            "organization_id": organization_id,
            "processor": self._processor,
            "processor_id": "",
            "intent_id": "",
            "kind": kind.value,
            "invoice_id": invoice_id,
            "amount_nanos": nanos,
            "paid_nanos": 0,
            "refunded_nanos": 0,
            "currency": currency,
            "state": PaymentState.PENDING.value,
            "reference": "",
            "is_automatic": is_automatic,
            "note": "",
            "action_url": "",
            "key": own,
            "by": by,
            "created_at": now,
            "updated_at": now,
        }
        payments_sql.add_payment(tx, values)
        found = payments_sql.payment_of_key(tx, own)
        assert found is not None, "it was just added"
        if (found.amount_nanos, found.currency, found.invoice_id) != (nanos, currency, invoice_id):
            raise Conflict("the key belongs to another payment", hint="use a new key")
        if found.state is not PaymentState.PENDING:
            raise Conflict(f"this payment is {found.state.value}", hint="use a new key")
        return found

    def note_page(self, tx: Connection, payment: Payment, page: Checkout) -> Payment:
        """Store where somebody pays; of one that nobody asked for just then, tell it."""
        current = payments_sql.find_payment(tx, payment.payment_id, locks=True)
        assert current is not None, "payments are never deleted"
        if current.state is PaymentState.PAID:
            return current
        now = self._clock.now()
        values: dict[str, Any] = {
            "processor_id": page.processor_id,
            "action_url": page.url,
            "state": PaymentState.PENDING.value,
            "updated_at": now,
        }
        if payment.is_automatic:
            values["note"] = "the bank asks its customer to confirm it"
            self._tell(tx, CONFIRMATION_NEEDED, payment, {"url": page.url})
        payments_sql.update_payment(tx, payment.payment_id, values)
        found = payments_sql.find_payment(tx, payment.payment_id)
        assert found is not None, "payments are never deleted"
        return found

    def apply(self, tx: Connection, payment_id: str, standing: Standing) -> None:
        """Enter how the processor says that a payment stands. Idempotent; paid is the end."""
        payment = payments_sql.find_payment(tx, payment_id, locks=True)
        assert payment is not None, "payments are never deleted"
        if standing.payment_id != payment_id:
            raise Unavailable("the processor names another payment")
        now = self._clock.now()
        if payment.state is PaymentState.PAID or standing.state in {"pending", "confirm"}:
            payments_sql.update_payment(tx, payment_id, {"updated_at": now})
            return
        if standing.state == "failed":
            self._fail(tx, payment, standing.why, now)
            return
        if payment.kind is PaymentKind.CARD:
            wallets_sql.lock_wallet(tx, payment.organization_id)
            wallets_sql.update_wallet(
                tx,
                payment.organization_id,
                {
                    "card": standing.card,
                    "card_label": standing.card_label,
                    "customer": standing.customer,
                    "updated_at": now,
                },
            )
        else:
            self._post(tx, payment, standing)
        payments_sql.update_payment(
            tx,
            payment_id,
            {
                "state": PaymentState.PAID.value,
                "paid_nanos": standing.nanos,
                "intent_id": standing.intent_id,
                "note": "",
                "action_url": "",
                "updated_at": now,
                "paid_at": now,
            },
        )

    def _fail(self, tx: Connection, payment: Payment, why: str, now: datetime) -> None:
        if payment.is_automatic and payment.state is not PaymentState.FAILED:
            self._tell(tx, PAYMENT_FAILED, payment, {"why": why[:_NOTE_MAX]})
        payments_sql.update_payment(
            tx,
            payment.payment_id,
            {
                "state": PaymentState.FAILED.value,
                "note": why[:_NOTE_MAX],
                "action_url": "",
                "updated_at": now,
            },
        )

    def _post(self, tx: Connection, payment: Payment, standing: Standing) -> None:
        if standing.currency != payment.currency:
            raise Unavailable("the processor took another currency")
        rest = standing.nanos
        invoice = None
        if payment.invoice_id is not None:
            invoice = self._bills.invoice(tx, payment.invoice_id)
        if invoice is not None:
            # It may have been paid another way meanwhile: what is too much is the buyer's.
            minor = min(invoice.open_minor, rest // invoice.nanos_per_minor)
            if minor > 0:
                self._bills.record_payment(
                    tx,
                    invoice.invoice_id,
                    minor,
                    self._processor,
                    standing.intent_id,
                    f"payment:{payment.payment_id}",
                )
                rest -= minor * invoice.nanos_per_minor
        if rest > 0:
            self._wallets.pay_in(
                tx,
                PaidIn(
                    payment.organization_id,
                    payment.currency,
                    rest,
                    AccountRef(AccountKind.CASH, self._processor, payment.currency),
                    key=f"payment:{payment.payment_id}",
                    kind="wallet_top_up",
                    at=self._clock.now(),
                    subject=payment.payment_id,
                    memo="automatic top-up" if payment.is_automatic else "top-up",
                    payment_id=payment.payment_id,
                ),
            )

    def _tell(self, tx: Connection, kind: str, payment: Payment, more: dict[str, str]) -> None:
        told = {
            "payment_id": payment.payment_id,
            "amount": format_nanos(payment.amount_nanos),
            "currency": payment.currency,
            **more,
        }
        organization_id = OrganizationId(payment.organization_id)
        enqueue(tx, kind, organization_id, told, key=f"{kind} {payment.payment_id}")
