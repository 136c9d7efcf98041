"""Pays from wallets what is open of invoices of who pays ahead.

A wallet pays its invoice when that is finalized, as far as it goes; taxes alone may be more than
was left. The rest is paid here once something comes in, the oldest invoice first, before calls
spend it. The invoice is locked before the wallet, as where a bank transfer pays both.
"""

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting
from tradewind.features.ledger.service import Ledger
from tradewind.features.payments.ports import Bills
from tradewind.features.payments.refunds import Transactions
from tradewind.features.payments.service import Wallets

WALLET = "wallet"
"""How billing calls this way to pay, and the account that money passes through in one transaction,
so that each side posts its own half."""
AT_ONCE = 100


class OpenInvoices:
    def __init__(self, clock: Clock, ledger: Ledger, wallets: Wallets, bills: Bills) -> None:
        self._clock = clock
        self._ledger = ledger
        self._wallets = wallets
        self._bills = bills

    def pay_all(self, database: Transactions) -> None:
        """Pay what can be paid, each invoice in a transaction of its own."""
        with database.transaction() as tx:
            ids = self._bills.open_of_prepaid(tx, AT_ONCE)
        for invoice_id in ids:
            with database.transaction() as tx:
                self.pay(tx, invoice_id)

    def pay(self, tx: Connection, invoice_id: str) -> int:
        """Pay what the wallet has of an invoice; return how much, in minor units."""
        invoice = self._bills.lock_invoice(tx, invoice_id)
        if invoice is None or invoice.open_minor <= 0:
            return 0
        free = self._wallets.free_nanos(tx, invoice.organization_id, invoice.currency)
        minor = min(invoice.open_minor, free // invoice.nanos_per_minor)
        if minor <= 0:
            return 0
        nanos = minor * invoice.nanos_per_minor
        key = f"wallet:{invoice_id}:{invoice.open_minor}"
        wallet = AccountRef(AccountKind.WALLET, invoice.organization_id, invoice.currency)
        passing = AccountRef(AccountKind.CASH, WALLET, invoice.currency)
        self._ledger.post(
            tx,
            EntryDraft(
                key=f"open-invoice:{key}",
                kind="wallet_payment",
                at=self._clock.now(),
                postings=(Posting(wallet, nanos), Posting(passing, -nanos)),
                memo=invoice.number,
                subject=invoice_id,
            ),
        )
        self._bills.record_payment(tx, invoice_id, minor, WALLET, "", key)
        self._wallets.refresh(tx, invoice.organization_id)
        return minor
