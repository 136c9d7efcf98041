"""Automatic top-up: a saved card is charged when little is left, within the cap of a month.

A bank may want its customer to confirm a charge that nobody sat before (3-D Secure). Then the
charge is given up, a page of the processor is opened for the same payment, and its address is told
to the organization; nothing is posted until it is read back as paid.
"""

from datetime import timedelta

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.features.payments.payment_book import PaymentBook
from tradewind.features.payments.refunds import Transactions
from tradewind.features.payments.repository import payments as payments_sql
from tradewind.features.payments.repository import wallets as wallets_sql
from tradewind.features.payments.schemas import Payment, PaymentKind
from tradewind.features.payments.service import Wallets
from tradewind.plugins.payments.base import Asked, Processor, ProcessorRefused, Standing

REST = timedelta(hours=24)
"""After a card was refused, until it is tried again without being asked."""
_DESCRIPTION = "Automatic top-up of the wallet"


class AutomaticTopUps:
    def __init__(
        self,
        database: Transactions,
        clock: Clock,
        wallets: Wallets,
        book: PaymentBook,
        processor: Processor,
    ) -> None:
        self._database = database
        self._clock = clock
        self._wallets = wallets
        self._book = book
        self._processor = processor

    def top_up(self, organization_id: str, back_url: str) -> Payment | None:
        """Charge the saved card where it is due; None where nothing is to be done."""
        with self._database.transaction() as tx:
            payment = self._due(tx, organization_id)
        if payment is None:
            return None
        self.charge(payment, back_url)
        with self._database.transaction() as tx:
            return payments_sql.find_payment(tx, payment.payment_id)

    def charge(self, payment: Payment, back_url: str) -> None:
        """Charge for a payment that was begun. Idempotent for a day, by the processor's keys."""
        with self._database.transaction() as tx:
            row = wallets_sql.find_wallet(tx, payment.organization_id)
        assert row is not None, "wallets are never deleted"
        if not row.card:
            self._apply(payment, "", _failed(payment, "the card was removed"))
            return
        asked = Asked(
            payment.payment_id,
            payment.amount_nanos,
            payment.currency,
            _DESCRIPTION,
            back_url,
            row.customer,
        )
        try:
            processor_id, standing = self._processor.charge(asked, row.card)
        except ProcessorRefused as error:
            self._apply(payment, "", _failed(payment, error.message))
            return
        if standing.state == "confirm":
            standing = self._processor.cancel(processor_id)
            if standing.state != "paid":
                self._ask(payment, asked)
                return
        self._apply(payment, processor_id, standing)

    def _ask(self, payment: Payment, asked: Asked) -> None:
        """Open a page where whoever holds the card pays it, with their bank watching."""
        try:
            page = self._processor.pay(asked)
        except ProcessorRefused as error:
            why = f"the bank wants it confirmed, and there is no page for it: {error.message}"
            self._apply(payment, "", _failed(payment, why))
            return
        with self._database.transaction() as tx:
            self._book.note_page(tx, payment, page)

    def _apply(self, payment: Payment, processor_id: str, standing: Standing) -> None:
        with self._database.transaction() as tx:
            if processor_id:
                payments_sql.update_payment(tx, payment.payment_id, {"processor_id": processor_id})
            self._book.apply(tx, payment.payment_id, standing)

    def _due(self, tx: Connection, organization_id: str) -> Payment | None:
        row = wallets_sql.lock_wallet(tx, organization_id)
        if row is None or row.auto_amount_nanos is None or not row.card:
            return None
        if self._wallets.of(tx, organization_id).left_nanos >= row.auto_below_nanos:
            return None
        now = self._clock.now()
        month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        charged, pending = payments_sql.charged_automatically(tx, organization_id, month)
        refused = payments_sql.last_automatic_failure(tx, organization_id)
        is_resting = refused is not None and now < refused + REST
        if pending or is_resting or charged + row.auto_amount_nanos > row.auto_month_cap_nanos:
            return None
        return self._book.begin(
            tx,
            organization_id,
            PaymentKind.TOP_UP,
            row.auto_amount_nanos,
            row.currency,
            key=f"automatic:{now.isoformat()}",
            by="",
            is_automatic=True,
        )


def _failed(payment: Payment, why: str) -> Standing:
    return Standing("failed", 0, "", payment.payment_id, why=why)
