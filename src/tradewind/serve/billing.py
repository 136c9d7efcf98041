"""Builds billing, and runs `tradewind billing` and `tradewind invoices` on a platform's database,
whether the platform runs or rests.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from tradewind.core.clock import Clock, SystemClock
from tradewind.core.errors import InvalidInput
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.papers.formats import PaperFormat, paper
from tradewind.features.billing.ports import Subscriptions
from tradewind.features.billing.rules import periods
from tradewind.features.billing.rules.minor_units import minor_in
from tradewind.features.billing.schemas import (
    BillingAccount,
    Close,
    CloseProgress,
    CreditNoteRow,
    InvoiceRow,
)
from tradewind.features.billing.service import Billing
from tradewind.features.billing.tax_table import TaxTable
from tradewind.features.ledger.service import Ledger
from tradewind.features.sales.charged import Charged
from tradewind.features.sales.rules.fees import PLATFORM_FEE_PPM
from tradewind.readmodels.invoice_evidence import events_csv, settlement_csv
from tradewind.serve.resting_platform import any_database
from tradewind.serve.selling import SoldFees, SoldSubscriptions, selling_terms

_STATEMENT_S = 600.0


def build_billing(
    clock: Clock,
    ledger: Ledger,
    subscriptions: Subscriptions | None = None,
    *,
    fee_ppm: int = PLATFORM_FEE_PPM,
) -> Billing:
    """`fee_ppm` is what the platform keeps of sales whose offer says nothing else."""
    charged = Charged(fee_ppm)
    return Billing(
        clock,
        ledger,
        fees=SoldFees(charged),
        subscriptions=subscriptions or SoldSubscriptions(charged),
        taxes=TaxTable(),
    )


def settle(settings: Settings, tell: Callable[[int], None]) -> int:
    """Settle every hour that is over; return how many lines that were."""
    billing, _ = _services(settings)
    lines = 0
    with _database(settings) as database:
        while True:
            with database.transaction() as tx:
                done = billing.settle(tx)
            if done is None or done.hours == 0:
                return lines
            lines += done.lines
            tell(lines)


def close(settings: Settings, month: str | None, progress: CloseProgress) -> Close:
    """Close a month (`2030-03`), the newest that can be when it is not named."""
    clock = SystemClock()
    _, closing = _services(settings)
    end = periods.newest_closable(clock.now()) if month is None else end_of(month)
    with _database(settings) as database:
        return closing.close_period(database, end, progress, threading.Event())


def cancel_close(settings: Settings) -> Close | None:
    """Cancel the close that is under way; None where none is."""
    _, closing = _services(settings)
    with _database(settings) as database, database.transaction() as tx:
        running = closing.running(tx)
        return None if running is None else closing.cancel(tx, running.close_id)


def accounts(settings: Settings, after: str, limit: int) -> list[BillingAccount]:
    billing, _ = _services(settings)
    with _database(settings) as database, database.transaction() as tx:
        return billing.accounts(tx, after=after, limit=limit)


def draft(settings: Settings, organization_id: str, until: datetime | None) -> list[InvoiceRow]:
    """Draw up what is on no invoice, up to the last full hour where no time is named."""
    billing, _ = _services(settings)
    end = periods.hour_start(SystemClock().now()) if until is None else until
    with _database(settings) as database, database.transaction() as tx:
        return [billing.invoice(tx, each) for each in billing.draft(tx, organization_id, end)]


def finalize(settings: Settings, invoice_id: str) -> InvoiceRow:
    billing, _ = _services(settings)
    with _database(settings) as database, database.transaction() as tx:
        return billing.finalize(tx, invoice_id)


def void(settings: Settings, invoice_id: str) -> InvoiceRow:
    billing, _ = _services(settings)
    with _database(settings) as database, database.transaction() as tx:
        billing.void(tx, invoice_id)
        return billing.invoice(tx, invoice_id)


def credit(
    settings: Settings,
    invoice_id: str,
    *,
    reason: str,
    key: str,
    lines: Mapping[int, str] | None,
    is_goodwill: bool,
) -> CreditNoteRow:
    """Take back of an invoice: `lines` as decimals of its currency, or all that is left."""
    billing, _ = _services(settings)
    with _database(settings) as database, database.transaction() as tx:
        currency = billing.invoice(tx, invoice_id).currency
        wanted = None
        if lines is not None:
            wanted = {seq: minor_in(text, currency) for seq, text in lines.items()}
        return billing.credit(
            tx,
            invoice_id,
            reason=reason,
            key=f"by-hand:{key}",
            lines=wanted,
            is_goodwill=is_goodwill,
        )


def export_credit(settings: Settings, credit_note_id: str, form: PaperFormat, file: Path) -> int:
    """Write a credit note to a file that must not exist; return its size in bytes."""
    billing, _ = _services(settings)
    with _database(settings) as database, database.transaction() as tx:
        data = paper(billing.frozen_credit(tx, credit_note_id), form)
    _write(file, data)
    return len(data)


def list_invoices(settings: Settings, organization_id: str | None, limit: int) -> list[InvoiceRow]:
    billing, _ = _services(settings)
    with _database(settings) as database, database.transaction() as tx:
        return billing.list_invoices(tx, organization_id=organization_id, limit=limit)


def export(settings: Settings, invoice_id: str, form: PaperFormat, file: Path) -> int:
    """Write an invoice to a file that must not exist; return its size in bytes.

    Raises NotFound, InvoiceNotFinal, InvalidInput.
    """
    billing, _ = _services(settings)
    with _database(settings) as database, database.transaction() as tx:
        frozen = billing.frozen(tx, invoice_id)
        match form:
            case PaperFormat.SETTLEMENT:
                data = settlement_csv(billing.evidence(tx, invoice_id)).encode()
            case PaperFormat.EVENTS:
                data = events_csv(tx, invoice_id).encode()
            case _:
                data = paper(frozen, form)
    _write(file, data)
    return len(data)


def _write(file: Path, data: bytes) -> None:
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be made: {error.strerror}") from error


def end_of(month: str) -> datetime:
    """Return the end of a month that is written `2030-03`. Raises InvalidInput."""
    try:
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(f"{month[:16]!r} is no month", hint="write 2030-03") from None
    year, number = divmod(start.year * 12 + start.month, 12)
    return start.replace(year=year, month=number + 1)


def _services(settings: Settings) -> tuple[Billing, Closing]:
    clock = SystemClock()
    billing = build_billing(clock, Ledger(clock), fee_ppm=selling_terms(settings).fee_ppm)
    return billing, Closing(billing, clock)


def _database(settings: Settings) -> AbstractContextManager[Database]:
    patient = Timeouts(statement_s=_STATEMENT_S, answer_s=None, idle_in_transaction_s=_STATEMENT_S)
    return any_database(settings, "tradewind-billing", timeouts=patient)
