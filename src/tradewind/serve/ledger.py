"""`tradewind ledger`: verifies, seals and exports the books, of a platform that runs or rests."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from tradewind.core.clock import SystemClock
from tradewind.core.errors import InvalidInput
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.billing.checks import billing_checks
from tradewind.features.ledger.beancount import beancount_lines
from tradewind.features.ledger.schemas import (
    AccountRow,
    NamedCheck,
    Progress,
    Seal,
    Verification,
    WholeEntry,
)
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.checks import payout_checks
from tradewind.readmodels.archive_checks import archive_checks
from tradewind.readmodels.receipt_checks import receipt_checks
from tradewind.serve.resting_platform import any_database

_STATEMENT_S = 3600.0
"""Of the longest: a sum over all postings."""


def further_checks() -> Sequence[NamedCheck]:
    """Return the checks that lead from usage to entries, beyond what the ledger checks of itself.

    Whatever posts adds its own here.
    """
    return (*billing_checks(), *payout_checks(), *receipt_checks(), *archive_checks())


def verify(settings: Settings, progress: Progress) -> Verification:
    """Derive the books again. Raises StartupError when there is no database."""
    ledger = Ledger(SystemClock())
    with _database(settings) as database, database.transaction() as tx:
        ledger.hold_still(tx)
        return ledger.verify(tx, progress, more=further_checks())


def accounts(settings: Settings) -> list[AccountRow]:
    """Return all accounts with their balances."""
    ledger = Ledger(SystemClock())
    with _database(settings) as database, database.transaction() as tx:
        return list(ledger.all_accounts(tx))


def seal(settings: Settings) -> list[Seal]:
    """Seal everything that was entered until now; return the new seals."""
    ledger = Ledger(SystemClock())
    made: list[Seal] = []
    with _database(settings) as database:
        # Two transactions: nobody can enter while the first one lasts.
        with database.transaction() as tx:
            up_to = ledger.draw_line(tx)
        while True:
            with database.transaction() as tx:
                new = ledger.seal(tx, up_to)
            if new is None:
                return made
            made.append(new)


def export_beancount(settings: Settings, file: Path, tell: Callable[[int], None]) -> int:
    """Write the whole ledger to a file that must not exist; return how many entries it has.

    A file that was begun and not ended is removed.
    """
    ledger = Ledger(SystemClock())
    written = 0
    with _database(settings) as database, database.transaction() as tx:
        ledger.hold_still(tx)
        rows = list(ledger.all_accounts(tx))

        def pages() -> Iterator[Sequence[WholeEntry]]:
            nonlocal written
            for page in ledger.whole_entries(tx):
                yield page
                written += len(page)
                tell(written)

        try:
            opened = file.open("x", encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"{file} cannot be made: {error.strerror}") from error
        with ExitStack() as undone:
            undone.callback(file.unlink)
            with opened:
                opened.writelines(beancount_lines(rows, pages()))
            undone.pop_all()
    return written


def _database(settings: Settings) -> AbstractContextManager[Database]:
    patient = Timeouts(statement_s=_STATEMENT_S, answer_s=None, idle_in_transaction_s=_STATEMENT_S)
    return any_database(settings, "tradewind-ledger", timeouts=patient)
