"""Payments by a processor: its pages, saved cards, its messages, refunds, automatic top-up.

Nothing is posted because somebody says so: a message only says where to look, and what is posted is
what was read back. Calls of the processor stand between transactions. Whatever is cut off between
two of them is found again by `look_after`: by the payment, which is there before the first call,
and by idempotency keys made of its id.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, InvalidInput, NotFound, TradewindError, Unavailable
from tradewind.core.ids import PaymentId, RefundId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.payments import repository
from tradewind.features.payments.errors import WalletShort
from tradewind.features.payments.ports import Bills
from tradewind.features.payments.schemas import Payment, PaymentKind, PaymentState, Refund
from tradewind.features.payments.service import PaidIn, Wallets, check_amount
from tradewind.plugins.payments.base import Asked, Processor, ProcessorRefused, Standing

PATIENCE = timedelta(minutes=2)
"""After which a payment is looked at again without a message."""
FORGOTTEN = timedelta(hours=25)
"""Processors keep a page, and an idempotency key, for a day."""
REST = timedelta(hours=24)
"""After a card was refused, until it is tried again without being asked."""
AT_ONCE = 50
_log = logging.getLogger(__name__)


class Transactions(Protocol):
    def transaction(self) -> AbstractContextManager[Connection]: ...


class Begun(NamedTuple):
    """A payment, and the page where somebody pays it."""

    payment: Payment
    url: str


class CardPayments:
    def __init__(
        self,
        database: Transactions,
        clock: Clock,
        wallets: Wallets,
        bills: Bills,
        processor: Processor,
        *,
        back_url: Callable[[], str],
    ) -> None:
        self._database = database
        self._clock = clock
        self._wallets = wallets
        self._bills = bills
        self._processor = processor
        self._back_url = back_url

    # --- for members -------------------------------------------------------------------------

    def top_up(self, actor: Actor, nanos: int, currency: str, *, key: str, by: str = "") -> Begun:
        """Begin a top-up. The same key again is the same one, as long as its page is open.

        Raises InvalidInput, Conflict, ProcessorRefused, Unavailable.
        """
        require(actor, Permission.BILLING_WRITE)
        check_amount(nanos)
        organization_id = str(actor.organization_id)
        with self._database.transaction() as tx:
            self._wallets.open(tx, organization_id, currency)
            payment = self._begin(
                tx, organization_id, PaymentKind.TOP_UP, nanos, currency, key=key, by=by
            )
        return self._open_page(payment, "Top-up of the wallet")

    def pay_invoice(self, actor: Actor, invoice_id: str, *, key: str, by: str = "") -> Begun:
        """Begin to pay what is open of an invoice. Raises NotFound, InvalidInput, Conflict."""
        require(actor, Permission.BILLING_WRITE)
        organization_id = str(actor.organization_id)
        with self._database.transaction() as tx:
            invoice = self._bills.invoice(tx, invoice_id)
            if invoice is None or invoice.organization_id != organization_id:
                raise NotFound(f"there is no invoice {invoice_id[:64]!r}")
            if invoice.open_minor <= 0:
                raise Conflict(f"{invoice.number} is paid")
            payment = self._begin(
                tx,
                organization_id,
                PaymentKind.INVOICE,
                invoice.open_minor * invoice.nanos_per_minor,
                invoice.currency,
                key=key,
                by=by,
                invoice_id=invoice_id,
            )
        return self._open_page(payment, f"Invoice {invoice.number}")

    def save_card(self, actor: Actor, currency: str, *, key: str, by: str = "") -> Begun:
        """Begin to save a card, for automatic top-up. No money moves."""
        require(actor, Permission.BILLING_WRITE)
        organization_id = str(actor.organization_id)
        with self._database.transaction() as tx:
            self._wallets.open(tx, organization_id, currency)
            payment = self._begin(
                tx, organization_id, PaymentKind.CARD, 0, currency, key=key, by=by
            )
        return self._open_page(payment, "A card")

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
            payment = repository.find_payment(tx, payment_id, locks=True)
            if payment is None or payment.organization_id != str(actor.organization_id):
                raise NotFound(f"there is no payment {payment_id[:64]!r}")
            refund = repository.refund_of_key(tx, own)
            if refund is None:
                refund = self._begin_refund(tx, payment, nanos, own, by)
            elif (refund.payment_id, refund.amount_nanos) != (payment_id, nanos):
                raise Conflict("the key belongs to another refund", hint="use a new key")
        return self._send_refund(refund, payment)

    # --- for the processor -------------------------------------------------------------------

    def take_notice(self, body: bytes, signature: str) -> bool:
        """Look at the payment that a message names; say whether it is one of ours.

        Raises NoticeRefused, and Unavailable: then the processor sends it again.
        """
        notice = self._processor.read_notice(body, signature)
        with self._database.transaction() as tx:
            payment = repository.payment_of_processor(tx, self._processor.name, notice.object_id)
        if payment is None:
            return False
        self.settle(payment)
        return True

    def settle(self, payment: Payment) -> None:
        """Read back what became of a payment, and post it. Idempotent."""
        standing = self._processor.standing(payment.processor_id)
        with self._database.transaction() as tx:
            self._apply(tx, payment.payment_id, standing)

    # --- upkeep ------------------------------------------------------------------------------

    def look_after(self) -> None:
        """Go on with what was cut off, and top up who asked for it."""
        before = self._clock.now() - PATIENCE
        with self._database.transaction() as tx:
            payments = repository.pending_payments(tx, self._processor.name, before, AT_ONCE)
            refunds = repository.pending_refunds(tx, AT_ONCE)
        for payment in payments:
            self._try(payment.payment_id, lambda each=payment: self._resume(each))
        for refund in refunds:
            self._try(refund.refund_id, lambda each=refund: self._resume_refund(each))

    def top_up_automatically(self, organization_id: str) -> Payment | None:
        """Charge the saved card when little is left, within the cap of the month; None where
        nothing is to be done.
        """
        with self._database.transaction() as tx:
            payment = self._due(tx, organization_id)
        if payment is None:
            return None
        self._charge(payment)
        with self._database.transaction() as tx:
            return repository.find_payment(tx, payment.payment_id)

    def top_up_all(self) -> None:
        """Top up every wallet that is low and asked for it."""
        after = ""
        while True:
            with self._database.transaction() as tx:
                ids = repository.automatic_wallets_after(tx, after, AT_ONCE)
            for organization_id in ids:
                self._try(
                    organization_id, lambda each=organization_id: self.top_up_automatically(each)
                )
            if len(ids) < AT_ONCE:
                return
            after = ids[-1]

    # --- what follows is private -------------------------------------------------------------

    def _begin(
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
        own, now = f"{organization_id}:{kind.value}:{key}", self._clock.now()
        values: dict[str, Any] = {
            "id": PaymentId.new(),
            "organization_id": organization_id,
            "processor": self._processor.name,
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
            "key": own,
            "by": by,
            "created_at": now,
            "updated_at": now,
        }
        repository.add_payment(tx, values)
        found = repository.payment_of_key(tx, own)
        assert found is not None, "it was just added"
        if (found.amount_nanos, found.currency, found.invoice_id) != (nanos, currency, invoice_id):
            raise Conflict("the key belongs to another payment", hint="use a new key")
        if found.state is not PaymentState.PENDING:
            raise Conflict(f"this payment is {found.state.value}", hint="use a new key")
        return found

    def _open_page(self, payment: Payment, description: str) -> Begun:
        asked = self._asked(payment, description, "")
        is_card = payment.kind is PaymentKind.CARD
        page = self._processor.save_card(asked) if is_card else self._processor.pay(asked)
        with self._database.transaction() as tx:
            values = {"processor_id": page.processor_id, "updated_at": self._clock.now()}
            repository.update_payment(tx, payment.payment_id, values)
            found = repository.find_payment(tx, payment.payment_id)
        assert found is not None, "payments are never deleted"
        return Begun(found, page.url)

    def _asked(self, payment: Payment, description: str, customer: str) -> Asked:
        return Asked(
            payment.payment_id,
            payment.amount_nanos,
            payment.currency,
            description,
            self._back_url(),
            customer,
        )

    def _apply(self, tx: Connection, payment_id: str, standing: Standing) -> None:
        payment = repository.find_payment(tx, payment_id, locks=True)
        assert payment is not None, "payments are never deleted"
        if standing.payment_id != payment_id:
            raise Unavailable("the processor names another payment")
        if payment.state is PaymentState.PAID or standing.state == "pending":
            repository.update_payment(tx, payment_id, {"updated_at": self._clock.now()})
            return
        now = self._clock.now()
        if standing.state == "failed":
            values = {"state": "failed", "note": standing.why[:200], "updated_at": now}
            repository.update_payment(tx, payment_id, values)
            return
        if payment.kind is PaymentKind.CARD:
            card = {"card": standing.card, "customer": standing.customer}
            repository.lock_wallet(tx, payment.organization_id)
            repository.update_wallet(tx, payment.organization_id, card)
        else:
            self._post(tx, payment, standing)
        repository.update_payment(
            tx,
            payment_id,
            {
                "state": PaymentState.PAID.value,
                "paid_nanos": standing.nanos,
                "intent_id": standing.intent_id,
                "note": "",
                "updated_at": now,
                "paid_at": now,
            },
        )

    def _post(self, tx: Connection, payment: Payment, standing: Standing) -> None:
        if standing.currency != payment.currency:
            raise Unavailable("the processor took another currency")
        rest, name = standing.nanos, self._processor.name
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
                    name,
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
                    AccountRef(AccountKind.CASH, name, payment.currency),
                    key=_lot_key(payment),
                    kind="wallet_top_up",
                    at=self._clock.now(),
                    subject=payment.payment_id,
                    memo="automatic top-up" if payment.is_automatic else "top-up",
                    payment_id=payment.payment_id,
                ),
            )

    def _begin_refund(
        self, tx: Connection, payment: Payment, nanos: int, key: str, by: str
    ) -> Refund:
        if payment.processor != self._processor.name or payment.kind is not PaymentKind.TOP_UP:
            raise InvalidInput(
                "only a top-up by card is sent back",
                hint="an invoice is taken back by a credit note, a transfer by a transfer",
            )
        if payment.refunded_nanos + nanos > payment.paid_nanos:
            raise WalletShort("more than was paid cannot be sent back")
        refund_id, now = str(RefundId.new()), self._clock.now()
        self._wallets.take_out(
            tx,
            payment.organization_id,
            _lot_key(payment),
            nanos,
            AccountRef(AccountKind.CASH, payment.processor, payment.currency),
            key=f"refund:{refund_id}",
            kind="wallet_refund",
            subject=payment.payment_id,
        )
        repository.update_payment(
            tx, payment.payment_id, {"refunded_nanos": payment.refunded_nanos + nanos}
        )
        repository.add_refund(
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
        made = repository.refund_of_key(tx, key)
        assert made is not None, "it was just added"
        return made

    def _send_refund(self, refund: Refund, payment: Payment) -> Refund:
        if refund.state is not PaymentState.PENDING:
            return refund
        try:
            processor_id = self._processor.refund(
                payment.intent_id, refund.amount_nanos, payment.currency, refund.refund_id
            )
        except ProcessorRefused:
            self._end_refund(refund, payment, PaymentState.FAILED, "")
            raise
        return self._end_refund(refund, payment, PaymentState.PAID, processor_id)

    def _end_refund(
        self, refund: Refund, payment: Payment, state: PaymentState, processor_id: str
    ) -> Refund:
        with self._database.transaction() as tx:
            current = repository.find_payment(tx, payment.payment_id, locks=True)
            found = repository.lock_refund(tx, refund.refund_id)
            assert current is not None, "payments are never deleted"
            assert found is not None, "refunds are never deleted"
            if found.state is not PaymentState.PENDING:
                return found
            values = {"state": state.value, "processor_id": processor_id}
            repository.update_refund(tx, refund.refund_id, values)
            if state is PaymentState.FAILED:
                refunded = current.refunded_nanos - refund.amount_nanos
                repository.update_payment(tx, payment.payment_id, {"refunded_nanos": refunded})
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
                        memo="a refund that the processor refused",
                        payment_id=payment.payment_id,
                    ),
                )
            return found._replace(state=state, processor_id=processor_id)

    def _resume(self, payment: Payment) -> None:
        if payment.processor_id:
            self.settle(payment)
        elif payment.is_automatic and self._clock.now() < payment.created_at + REST:
            self._charge(payment)
        elif self._clock.now() >= payment.created_at + FORGOTTEN:
            with self._database.transaction() as tx:
                standing = Standing("failed", 0, "", payment.payment_id, why="never begun")
                self._apply(tx, payment.payment_id, standing)

    def _resume_refund(self, refund: Refund) -> None:
        with self._database.transaction() as tx:
            payment = repository.find_payment(tx, refund.payment_id)
        assert payment is not None, "a refund is of a payment"
        self._send_refund(refund, payment)

    def _due(self, tx: Connection, organization_id: str) -> Payment | None:
        row = repository.lock_wallet(tx, organization_id)
        if row is None or row.auto_amount_nanos is None or not row.card:
            return None
        if self._wallets.of(tx, organization_id).left_nanos >= row.auto_below_nanos:
            return None
        now = self._clock.now()
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        charged, pending = repository.charged_automatically(tx, organization_id, month)
        refused = repository.last_automatic_failure(tx, organization_id)
        is_resting = refused is not None and now < refused + REST
        if pending or is_resting or charged + row.auto_amount_nanos > row.auto_month_cap_nanos:
            return None
        return self._begin(
            tx,
            organization_id,
            PaymentKind.TOP_UP,
            row.auto_amount_nanos,
            row.currency,
            key=f"automatic:{now.isoformat()}",
            by="",
            is_automatic=True,
        )

    def _charge(self, payment: Payment) -> None:
        with self._database.transaction() as tx:
            row = repository.find_wallet(tx, payment.organization_id)
        assert row is not None, "wallets are never deleted"
        asked = self._asked(payment, "Automatic top-up of the wallet", row.customer)
        try:
            processor_id, standing = self._processor.charge(asked, row.card)
        except ProcessorRefused as error:
            processor_id = ""
            standing = Standing("failed", 0, "", payment.payment_id, why=error.message)
        with self._database.transaction() as tx:
            repository.update_payment(tx, payment.payment_id, {"processor_id": processor_id})
            self._apply(tx, payment.payment_id, standing)

    def _try(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except TradewindError as error:
            _log.warning("%s is not settled yet: %s", what, error)


def _lot_key(payment: Payment) -> str:
    return f"payment:{payment.payment_id}"
