"""Refunds that somebody asks for here: they leave the wallet first, then the processor."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.ids import RefundId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.payments.errors import WalletShort
from tradewind.features.payments.repository import clawbacks as clawbacks_sql
from tradewind.features.payments.repository import payments as payments_sql
from tradewind.features.payments.rules.amounts import check_amount
from tradewind.features.payments.schemas import (
    PaidIn,
    Payment,
    PaymentKind,
    PaymentState,
    Refund,
)
from tradewind.features.payments.service import Wallets
from tradewind.plugins.payments.base import Processor, ProcessorRefused


class Transactions(Protocol):
    def transaction(self) -> AbstractContextManager[Connection]: ...


class Refunds:
    def __init__(
        self, database: Transactions, clock: Clock, wallets: Wallets, processor: Processor
    ) -> None:
        self._database = database
        self._clock = clock
        self._wallets = wallets
        self._processor = processor

    def refund(
        self, actor: Actor, payment_id: str, nanos: int, *, key: str, by: str = ""
    ) -> Refund:
        """Send a part of a top-up back that is not spent. The same key again is the same refund.

        It leaves the wallet first: calls cannot spend what is on its way back.
        Raises NotFound, WalletShort, InvalidInput, ProcessorRefused, Unavailable.
        """
        require(actor, Permission.BILLING_WRITE)
        check_amount(nanos)
        own = f"{actor.organization_id}:{key}"
        with self._database.transaction() as tx:
            payment = payments_sql.find_payment(tx, payment_id, locks=True)
            if payment is None or payment.organization_id != str(actor.organization_id):
                raise NotFound(f"there is no payment {payment_id[:64]!r}")
            refund = payments_sql.refund_of_key(tx, own)
            if refund is None:
                refund = self._begin(tx, payment, nanos, own, by)
            elif (refund.payment_id, refund.amount_nanos) != (payment_id, nanos):
                raise Conflict("the key belongs to another refund", hint="use a new key")
        return self._send(refund, payment)

    def look_after(self, limit: int, attempt: Callable[[str, Callable[[], object]], None]) -> None:
        """Send what was cut off on its way."""
        with self._database.transaction() as tx:
            refunds = payments_sql.pending_refunds(tx, limit)
        for refund in refunds:
            attempt(refund.refund_id, lambda each=refund: self._resume(each))

    def note_returned(self, tx: Connection, refund: Refund, payment: Payment) -> None:
        """Take a refund back that its bank sent back, after it had been sent."""
        self._end(tx, refund, payment, PaymentState.FAILED, refund.processor_id)

    def _begin(self, tx: Connection, payment: Payment, nanos: int, key: str, by: str) -> Refund:
        if payment.processor != self._processor.name or payment.kind is not PaymentKind.TOP_UP:
            raise InvalidInput(
                "only a top-up by card is sent back",
                hint="an invoice is taken back by a credit note, a transfer by a transfer",
            )
        gone = payment.refunded_nanos + clawbacks_sql.gone_nanos(tx, payment.payment_id)
        if gone + nanos > payment.paid_nanos:
            raise WalletShort("more than was paid cannot be sent back")
        refund_id, now = str(RefundId.new()), self._clock.now()
        self._wallets.take_out(
            tx,
            payment.organization_id,
            nanos,
            AccountRef(AccountKind.CASH, payment.processor, payment.currency),
            key=f"refund:{refund_id}",
            kind="wallet_refund",
            payment_id=payment.payment_id,
        )
        payments_sql.update_payment(
            tx, payment.payment_id, {"refunded_nanos": payment.refunded_nanos + nanos}
        )
        payments_sql.add_refund(
            tx,
            {
                "id": refund_id,
                "payment_id": payment.payment_id,
                "amount_nanos": nanos,
                "state": PaymentState.PENDING.value,
                "processor_id": "",
                "key": key,
                "by": by,
                "created_at": now,
            },
        )
        made = payments_sql.refund_of_key(tx, key)
        assert made is not None, "it was just added"
        return made

    def _send(self, refund: Refund, payment: Payment) -> Refund:
        if refund.state is not PaymentState.PENDING:
            return refund
        try:
            processor_id = self._processor.refund(
                payment.intent_id, refund.amount_nanos, payment.currency, refund.refund_id
            )
        except ProcessorRefused:
            with self._database.transaction() as tx:
                self._end(tx, refund, payment, PaymentState.FAILED, "")
            raise
        with self._database.transaction() as tx:
            return self._end(tx, refund, payment, PaymentState.PAID, processor_id)

    def _resume(self, refund: Refund) -> None:
        with self._database.transaction() as tx:
            payment = payments_sql.find_payment(tx, refund.payment_id)
        assert payment is not None, "a refund is of a payment"
        self._send(refund, payment)

    def _end(
        self,
        tx: Connection,
        refund: Refund,
        payment: Payment,
        state: PaymentState,
        processor_id: str,
    ) -> Refund:
        current = payments_sql.find_payment(tx, payment.payment_id, locks=True)
        found = payments_sql.lock_refund(tx, refund.refund_id)
        assert current is not None, "payments are never deleted"
        assert found is not None, "refunds are never deleted"
        # One that was sent may come back later; one that failed is over.
        if found.state in {state, PaymentState.FAILED}:
            return found
        values = {"state": state.value, "processor_id": processor_id}
        payments_sql.update_refund(tx, refund.refund_id, values)
        if state is PaymentState.FAILED:
            refunded = current.refunded_nanos - refund.amount_nanos
            payments_sql.update_payment(tx, payment.payment_id, {"refunded_nanos": refunded})
            self._wallets.pay_in(
                tx,
                PaidIn(
                    payment.organization_id,
                    payment.currency,
                    refund.amount_nanos,
                    AccountRef(AccountKind.CASH, payment.processor, payment.currency),
                    key=f"unrefunded:{refund.refund_id}",
                    kind="wallet_refund_failed",
                    at=self._clock.now(),
                    subject=payment.payment_id,
                    memo="a refund that did not arrive",
                    payment_id=payment.payment_id,
                ),
            )
        return found._replace(state=state, processor_id=processor_id)
