"""Payments by a processor: its pages, saved cards, its messages, refunds, automatic top-up.

Nothing is posted because somebody says so: a message only says where to look, and what is posted is
what was read back. Calls of the processor stand between transactions. Whatever is cut off between
two of them is found again by `look_after`: by the payment, which is there before the first call,
and by idempotency keys made of its id.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, NotFound, TradewindError, Unavailable
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor
from tradewind.features.ledger.service import Ledger
from tradewind.features.payments.automatic import REST, AutomaticTopUps
from tradewind.features.payments.clawbacks import Clawbacks
from tradewind.features.payments.payment_book import PaymentBook
from tradewind.features.payments.ports import Bills, Dunning
from tradewind.features.payments.refunds import Refunds, Transactions
from tradewind.features.payments.repository import clawbacks as clawbacks_sql
from tradewind.features.payments.repository import payments as payments_sql
from tradewind.features.payments.repository import wallets as wallets_sql
from tradewind.features.payments.rules.amounts import check_amount
from tradewind.features.payments.schemas import (
    Clawback,
    Payment,
    PaymentKind,
    Refund,
)
from tradewind.features.payments.service import Wallets
from tradewind.plugins.payments.base import (
    About,
    Asked,
    Processor,
    ProcessorRefused,
    Standing,
    TakenBack,
    Taking,
)

PATIENCE = timedelta(minutes=2)
"""After which a payment is looked at again without a message."""
FORGOTTEN = timedelta(hours=25)
"""Processors keep a page, and an idempotency key, for a day."""
UNDECIDED = timedelta(hours=1)
"""After which a dispute is looked at again without a message."""
AT_ONCE = 50
_TRIES = 5
_log = logging.getLogger(__name__)


class Begun(NamedTuple):
    """A payment, and the page where somebody pays it."""

    payment: Payment
    url: str


class CardPayments:
    def __init__(  # noqa: PLR0917  services of the platform, each once
        self,
        database: Transactions,
        clock: Clock,
        ledger: Ledger,
        wallets: Wallets,
        bills: Bills,
        dunning: Dunning,
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
        self._book = PaymentBook(clock, wallets, bills, processor.name)
        self._refunds = Refunds(database, clock, wallets, processor)
        self._clawbacks = Clawbacks(clock, ledger, wallets, bills, dunning)
        self._automatic = AutomaticTopUps(database, clock, wallets, self._book, processor)

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
            payment = self._book.begin(
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
            payment = self._book.begin(
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
            payment = self._book.begin(
                tx, organization_id, PaymentKind.CARD, 0, currency, key=key, by=by
            )
        return self._open_page(payment, "A card")

    def remove_card(self, actor: Actor) -> None:
        """Forget the saved card, at the processor too, and top up no more by it. Idempotent.

        Raises ProcessorRefused and Unavailable: then it is still there.
        """
        require(actor, Permission.BILLING_WRITE)
        organization_id = str(actor.organization_id)
        with self._database.transaction() as tx:
            row = wallets_sql.find_wallet(tx, organization_id)
        if row is None or not row.card:
            return
        self._processor.forget_card(row.card)
        with self._database.transaction() as tx:
            current = wallets_sql.lock_wallet(tx, organization_id)
            if current is not None and current.card == row.card:
                wallets_sql.forget_card(tx, organization_id, self._clock.now())

    def payment(self, actor: Actor, payment_id: str) -> Payment:
        """Return a payment as it is known here. Raises NotFound."""
        require(actor, Permission.BILLING_READ)
        with self._database.transaction() as tx:
            found = payments_sql.find_payment(tx, payment_id)
        if found is None or found.organization_id != str(actor.organization_id):
            raise NotFound(f"there is no payment {payment_id[:64]!r}")
        return found

    def look_again(self, actor: Actor, payment_id: str) -> Payment:
        """Ask the processor how a payment stands, without waiting for its message.

        Raises NotFound, Unavailable.
        """
        require(actor, Permission.BILLING_WRITE)
        payment = self.payment(actor, payment_id)
        if payment.processor == self._processor.name and payment.processor_id:
            self.settle(payment)
        return self.payment(actor, payment_id)

    def refund(
        self, actor: Actor, payment_id: str, nanos: int, *, key: str, by: str = ""
    ) -> Refund:
        """See `Refunds.refund`."""
        return self._refunds.refund(actor, payment_id, nanos, key=key, by=by)

    # --- for the processor -------------------------------------------------------------------

    def take_notice(self, body: bytes, signature: str) -> bool:
        """Look at what a message names; say whether it is one of ours.

        Raises NoticeRefused, and Unavailable: then the processor sends it again.
        """
        notice = self._processor.read_notice(body, signature)
        match notice.about:
            case About.PAYMENT:
                return self._note_payment(notice.object_id)
            case About.TAKEN_BACK:
                return self._note_taken_back(notice.object_id)
            case About.OTHER:
                return False

    def settle(self, payment: Payment) -> None:
        """Read back what became of a payment, and post it. Idempotent."""
        standing = self._processor.standing(payment.processor_id)
        with self._database.transaction() as tx:
            self._book.apply(tx, payment.payment_id, standing)

    # --- upkeep ------------------------------------------------------------------------------

    def look_after(self) -> None:
        """Go on with what was cut off, and take what wallets owe of what went back."""
        now, name = self._clock.now(), self._processor.name
        with self._database.transaction() as tx:
            payments = payments_sql.pending_payments(tx, name, now - PATIENCE, AT_ONCE)
            undecided = clawbacks_sql.undecided(tx, name, now - UNDECIDED, AT_ONCE)
            short = clawbacks_sql.collectable(tx, AT_ONCE)
        for payment in payments:
            self._try(payment.payment_id, lambda each=payment: self._resume(each))
        self._refunds.look_after(AT_ONCE, self._try)
        for clawback in undecided:
            object_id = clawback.processor_id
            self._try(object_id, lambda each=object_id: self._note_taken_back(each))
        for clawback in short:
            self._try(clawback.clawback_id, lambda each=clawback: self._collect(each))

    def top_up_automatically(self, organization_id: str) -> Payment | None:
        """Charge the saved card when little is left, within the cap of the month; None where
        nothing is to be done.
        """
        return self._automatic.top_up(organization_id, self._back_url())

    def top_up_all(self) -> None:
        """Top up every wallet that is low and asked for it."""
        after = ""
        while True:
            with self._database.transaction() as tx:
                ids = wallets_sql.automatic_wallets_after(tx, after, AT_ONCE)
            for organization_id in ids:
                self._try(
                    organization_id, lambda each=organization_id: self.top_up_automatically(each)
                )
            if len(ids) < AT_ONCE:
                return
            after = ids[-1]

    # --- what follows is private -------------------------------------------------------------

    def _open_page(self, payment: Payment, description: str) -> Begun:
        asked = Asked(
            payment.payment_id,
            payment.amount_nanos,
            payment.currency,
            description,
            self._back_url(),
        )
        is_card = payment.kind is PaymentKind.CARD
        page = self._processor.save_card(asked) if is_card else self._processor.pay(asked)
        with self._database.transaction() as tx:
            return Begun(self._book.note_page(tx, payment, page), page.url)

    def _note_payment(self, object_id: str) -> bool:
        with self._database.transaction() as tx:
            payment = payments_sql.payment_of_processor(tx, self._processor.name, object_id)
        if payment is not None:
            self.settle(payment)
            return True
        # A page's intent; or what was begun, and whose name was not stored before a crash.
        try:
            standing = self._processor.standing(object_id)
        except ProcessorRefused:
            return False
        with self._database.transaction() as tx:
            payment = payments_sql.find_payment(tx, standing.payment_id, locks=True)
            if payment is None or payment.processor != self._processor.name:
                return False
            if not payment.processor_id and standing.state == "paid":
                values = {"processor_id": object_id}
                payments_sql.update_payment(tx, payment.payment_id, values)
                self._book.apply(tx, payment.payment_id, standing)
        if payment.processor_id:
            self.settle(payment)
        return True

    def _note_taken_back(self, object_id: str) -> bool:
        """Enter how all of it stands. What was read may be old when it is to be entered: then
        somebody entered something meanwhile, and it is read again.
        """
        payment_id = self._payment_id_of(self._taken_back(object_id))
        if payment_id is None:
            return False
        for _ in range(_TRIES):
            with self._database.transaction() as tx:
                seen = clawbacks_sql.revisions(tx, payment_id)
            told = self._taken_back(object_id)
            with self._database.transaction() as tx:
                payment = payments_sql.find_payment(tx, payment_id, locks=True)
                assert payment is not None, "payments are never deleted"
                if clawbacks_sql.revisions(tx, payment_id) == seen:
                    for each in told:
                        self._enter(tx, payment, each)
                    return True
        raise Unavailable("the processor's messages overtake each other")

    def _taken_back(self, object_id: str) -> Sequence[TakenBack]:
        try:
            return self._processor.taken_back(object_id)
        except ProcessorRefused:
            return ()

    def _payment_id_of(self, told: Sequence[TakenBack]) -> str | None:
        with self._database.transaction() as tx:
            for each in told:
                found = payments_sql.payment_of_intent(tx, self._processor.name, each.intent_id)
                if found is not None:
                    return found.payment_id
        return None

    def _enter(self, tx: Connection, payment: Payment, told: TakenBack) -> None:
        refund = payments_sql.find_refund(tx, told.refund_id) if told.refund_id else None
        if refund is None or refund.payment_id != payment.payment_id:
            self._clawbacks.apply(tx, payment, told)
        elif told.state is Taking.RETURNED and refund.processor_id == told.processor_id:
            self._refunds.note_returned(tx, refund, payment)

    def _collect(self, clawback: Clawback) -> None:
        with self._database.transaction() as tx:
            payment = payments_sql.find_payment(tx, clawback.payment_id, locks=True)
            assert payment is not None, "a clawback is of a payment"
            self._clawbacks.collect(tx, payment, clawback)

    def _resume(self, payment: Payment) -> None:
        now = self._clock.now()
        if payment.processor_id:
            self.settle(payment)
        elif payment.is_automatic and now < payment.created_at + REST:
            self._automatic.charge(payment, self._back_url())
        elif now >= payment.created_at + FORGOTTEN:
            with self._database.transaction() as tx:
                standing = Standing("failed", 0, "", payment.payment_id, why="never begun")
                self._book.apply(tx, payment.payment_id, standing)

    def _try(self, what: str, act: Callable[[], object]) -> None:
        try:
            act()
        except TradewindError as error:
            _log.warning("%s is not settled yet: %s", what, error)
