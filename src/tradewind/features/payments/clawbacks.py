"""Clawbacks: money that the processor took back of a payment, by a dispute or at its own pages.

What left the processor's account is written off at once. As far as the payment paid an invoice, the
invoice owes it again; the rest is taken out of the wallet as far as something is there, now or
later; of a refund that somebody made at the processor, out of the
payment's own money alone. When a dispute is won, the entry is reversed and the invoice and the
wallet get back what was taken. An entry is known by the clawback and by how many there were before.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Unavailable
from tradewind.core.ids import ClawbackId, OrganizationId
from tradewind.core.money import format_nanos
from tradewind.db.outbox import enqueue
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting
from tradewind.features.ledger.service import Ledger
from tradewind.features.payments.ports import Bills, Dunning
from tradewind.features.payments.repository import clawbacks as clawbacks_sql
from tradewind.features.payments.repository import wallets as wallets_sql
from tradewind.features.payments.schemas import (
    Clawback,
    ClawbackKind,
    ClawbackState,
    PaidIn,
    Payment,
)
from tradewind.features.payments.service import Wallets
from tradewind.plugins.payments.base import TakenBack

PAYMENT_DISPUTED = "payment.disputed"
"""A payment is denied at a bank, or that was decided."""
_OWNERS = {ClawbackKind.DISPUTE: "disputes", ClawbackKind.REFUND: "refunds"}
_GONE = frozenset([ClawbackState.OPEN, ClawbackState.FINAL])
_REASON_MAX = 200


class Clawbacks:
    def __init__(
        self, clock: Clock, ledger: Ledger, wallets: Wallets, bills: Bills, dunning: Dunning
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._wallets = wallets
        self._bills = bills
        self._dunning = dunning

    def apply(self, tx: Connection, payment: Payment, told: TakenBack) -> None:
        """Enter how a clawback stands. Idempotent. The caller holds the payment's lock.

        Raises Unavailable where it cannot be this payment's: then the processor tells it again, and
        somebody sees the warning.
        """
        if told.nanos <= 0 or told.currency != payment.currency:
            raise Unavailable("the processor took back what cannot be of this payment")
        self._lock_invoice(tx, payment)
        clawbacks_sql.add(tx, self._values(payment, told))
        found = clawbacks_sql.lock(tx, payment.processor, told.processor_id)
        assert found is not None, "it was just added, or by another"
        assert found.payment_id == payment.payment_id, "an intent is one payment's"
        state, now = ClawbackState(told.state.value), self._clock.now()
        if (found.state, found.amount_nanos) == (state, told.nanos):
            clawbacks_sql.touch(tx, found.clawback_id, now)
            return
        was_gone = bool(found.entry_id)
        is_gone = state in _GONE
        if was_gone and (not is_gone or found.amount_nanos != told.nanos):
            found = self._give_back(tx, payment, found, state)
        values: dict[str, Any] = {
            "amount_nanos": told.nanos,
            "taken_nanos": found.taken_nanos,
            "invoice_nanos": found.invoice_nanos,
            "state": state.value,
            "reason": told.why[:_REASON_MAX],
            "moves": found.moves,
            "entry_id": found.entry_id,
            "revision": found.revision + 1,
            "updated_at": now,
        }
        if is_gone and not found.entry_id:
            entry_id = self._write_off(tx, payment, found, told)
            values |= {"moves": found.moves + 1, "entry_id": entry_id}
        clawbacks_sql.change(tx, found.clawback_id, values)
        current = clawbacks_sql.lock(tx, payment.processor, told.processor_id)
        assert current is not None, "it is locked"
        self.collect(tx, payment, current)
        self._tell(tx, payment, found, state, told)

    def collect(self, tx: Connection, payment: Payment, clawback: Clawback) -> None:
        """Let the invoice owe what was paid of it, and take what the wallet has of the rest.
        The caller holds the payment's lock.
        """
        self._lock_invoice(tx, payment)
        current = clawbacks_sql.lock(tx, payment.processor, clawback.processor_id)
        assert current is not None, "clawbacks are never deleted"
        missing = current.amount_nanos - current.taken_nanos
        if not current.entry_id or not missing:
            return
        owed = self._take_of_invoice(tx, payment, current, missing)
        if owed:
            current = replace(
                current,
                taken_nanos=current.taken_nanos + owed,
                invoice_nanos=current.invoice_nanos + owed,
                moves=current.moves + 1,
            )
            values = {
                "taken_nanos": current.taken_nanos,
                "invoice_nanos": current.invoice_nanos,
                "moves": current.moves,
            }
            clawbacks_sql.change(tx, current.clawback_id, values)
            missing -= owed
        if not missing:
            return
        taken = self._wallets.take_up_to(
            tx,
            payment.organization_id,
            missing,
            _written_off(current.kind, payment.currency),
            key=_key(current, current.moves),
            kind=f"wallet_{current.kind.value}",
            payment_id=payment.payment_id,
            is_any_money=current.kind is ClawbackKind.DISPUTE,
        )
        if taken:
            values = {"taken_nanos": current.taken_nanos + taken, "moves": current.moves + 1}
            clawbacks_sql.change(tx, current.clawback_id, values)

    def _lock_invoice(self, tx: Connection, payment: Payment) -> None:
        """Lock the invoice before the wallet, as whoever pays it does."""
        if payment.invoice_id is not None:
            self._bills.lock_invoice(tx, payment.invoice_id)

    def _take_of_invoice(
        self, tx: Connection, payment: Payment, clawback: Clawback, missing: int
    ) -> int:
        """Let the invoice owe what is missing, as far as this payment paid it; in nanos."""
        invoice = None
        if payment.invoice_id is not None:
            invoice = self._bills.lock_invoice(tx, payment.invoice_id)
        if invoice is None:
            return 0
        paid = self._bills.paid_minor(tx, invoice.invoice_id, payment.intent_id)
        minor = min(paid, missing // invoice.nanos_per_minor)
        if minor <= 0:
            return 0
        self._bills.take_back_payment(
            tx,
            invoice.invoice_id,
            minor,
            _OWNERS[clawback.kind],
            payment.intent_id,
            _key(clawback, clawback.moves),
        )
        return minor * invoice.nanos_per_minor

    def _return_to_invoice(self, tx: Connection, payment: Payment, clawback: Clawback) -> int:
        """Pay the invoice again, as far as nobody did meanwhile; return how much, in nanos."""
        invoice = None
        if payment.invoice_id is not None:
            invoice = self._bills.lock_invoice(tx, payment.invoice_id)
        if invoice is None:
            return 0
        minor = min(invoice.open_minor, clawback.invoice_nanos // invoice.nanos_per_minor)
        if minor <= 0:
            return 0
        self._bills.record_payment(
            tx,
            invoice.invoice_id,
            minor,
            _OWNERS[clawback.kind],
            payment.intent_id,
            _key(clawback, clawback.moves + 2),
        )
        return minor * invoice.nanos_per_minor

    def _write_off(self, tx: Connection, payment: Payment, found: Clawback, told: TakenBack) -> str:
        lost = _written_off(found.kind, payment.currency)
        cash = AccountRef(AccountKind.CASH, payment.processor, payment.currency)
        return str(
            self._ledger.post(
                tx,
                EntryDraft(
                    key=_key(found, found.moves),
                    kind=f"payment_{found.kind.value}",
                    at=self._clock.now(),
                    postings=(Posting(lost, told.nanos), Posting(cash, -told.nanos)),
                    memo=told.why[:_REASON_MAX],
                    subject=payment.payment_id,
                ),
            )
        )

    def _give_back(
        self, tx: Connection, payment: Payment, found: Clawback, state: ClawbackState
    ) -> Clawback:
        self._ledger.reverse(
            tx,
            found.entry_id,
            key=_key(found, found.moves),
            reason=f"the {found.kind.value} is {state.value} now",
        )
        rest = found.taken_nanos - self._return_to_invoice(tx, payment, found)
        if rest:
            self._wallets.pay_in(
                tx,
                PaidIn(
                    payment.organization_id,
                    payment.currency,
                    rest,
                    _written_off(found.kind, payment.currency),
                    key=_key(found, found.moves + 1),
                    kind=f"wallet_{found.kind.value}_returned",
                    at=self._clock.now(),
                    subject=payment.payment_id,
                    memo="came back",
                    payment_id=payment.payment_id,
                ),
            )
        values = {
            "taken_nanos": 0,
            "invoice_nanos": 0,
            "entry_id": "",
            "moves": found.moves + 3,
            "state": ClawbackState.NONE.value,
        }
        clawbacks_sql.change(tx, found.clawback_id, values)
        current = clawbacks_sql.lock(tx, payment.processor, found.processor_id)
        assert current is not None, "it is locked"
        return current

    def _tell(
        self,
        tx: Connection,
        payment: Payment,
        found: Clawback,
        state: ClawbackState,
        told: TakenBack,
    ) -> None:
        if state is ClawbackState.NONE:
            return
        if payment.invoice_id is not None:
            invoice = self._bills.invoice(tx, payment.invoice_id)
            is_owed = invoice is not None and invoice.open_minor > 0
            # What a credit note gave back is sent back without anything being owed again.
            self._dunning.note_disputed(tx, payment.invoice_id, is_unpaid=is_owed)
        if found.kind is not ClawbackKind.DISPUTE:
            return
        if state is ClawbackState.OPEN:
            # Whoever denies one charge of a card is not charged again without being asked.
            wallets_sql.lock_wallet(tx, payment.organization_id)
            wallets_sql.update_wallet(tx, payment.organization_id, wallets_sql.NO_AUTOMATIC_TOP_UP)
        enqueue(
            tx,
            PAYMENT_DISPUTED,
            OrganizationId(payment.organization_id),
            {
                "payment_id": payment.payment_id,
                "amount": format_nanos(told.nanos),
                "currency": payment.currency,
                "state": {"final": "lost", "returned": "won"}.get(state.value, state.value),
                "reason": told.why[:_REASON_MAX],
            },
            key=f"{PAYMENT_DISPUTED} {found.clawback_id} {found.revision}",
        )

    def _values(self, payment: Payment, told: TakenBack) -> dict[str, Any]:
        now = self._clock.now()
        kind = ClawbackKind.DISPUTE if told.is_dispute else ClawbackKind.REFUND
        return {
            "id": ClawbackId.new(),
            "payment_id": payment.payment_id,
            "processor": payment.processor,
            "processor_id": told.processor_id,
            "kind": kind.value,
            "amount_nanos": told.nanos,
            "taken_nanos": 0,
            "invoice_nanos": 0,
            "currency": payment.currency,
            "state": ClawbackState.NONE.value,
            "reason": told.why[:_REASON_MAX],
            "entry_id": "",
            "moves": 0,
            "revision": 1,
            "created_at": now,
            "updated_at": now,
        }


def _written_off(kind: ClawbackKind, currency: str) -> AccountRef:
    return AccountRef(AccountKind.WRITE_OFF, _OWNERS[kind], currency)


def _key(found: Clawback, moves: int) -> str:
    return f"clawback:{found.clawback_id}:{moves}"
