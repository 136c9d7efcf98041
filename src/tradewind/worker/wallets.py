"""Looks after wallets: what calls may spend of them, what expired, who is low."""

import logging
import threading

from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.payments.card_payments import CardPayments
from tradewind.features.payments.open_invoices import OpenInvoices
from tradewind.features.payments.service import Wallets

_EVERY_S = 5.0
_log = logging.getLogger(__name__)


def look_after_wallets(
    database: Database,
    wallets: Wallets,
    open_invoices: OpenInvoices,
    cards: CardPayments | None,
    stop: threading.Event,
) -> None:
    """Run until stopped. Each step is a transaction of its own; what a crash leaves undone the next
    round does.
    """
    after = ""
    while not stop.wait(0.0 if after else _EVERY_S):
        try:
            with database.transaction() as tx:
                after = wallets.look_after(tx, after)
            if not after:
                open_invoices.pay_all(database)
            if cards is not None and not after:
                cards.look_after()
                cards.top_up_all()
        except Unavailable as error:
            after = ""
            _log.warning("wallets are not looked after: %s", error)
