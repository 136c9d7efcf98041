"""Builds reconciliation, and runs it on a platform's database, whether it runs or rests."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from tradewind.core.clock import Clock, SystemClock
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.ledger.service import Ledger, ledger_checks
from tradewind.features.reconciliation.schemas import RunRow
from tradewind.features.reconciliation.service import Reconciliation
from tradewind.readmodels.first_organization import find_first_organization
from tradewind.serve.ledger import further_checks
from tradewind.serve.resting_platform import any_database
from tradewind.worker.reconciliation import Reconciler

_STATEMENT_S = 3600.0
"""Of the longest: a sum over all events."""
_PATIENT = Timeouts(statement_s=_STATEMENT_S, answer_s=None, idle_in_transaction_s=_STATEMENT_S)


@contextmanager
def open_reconciler(database_url: str, clock: Clock, ledger: Ledger) -> Generator[Reconciler]:
    """Yield what checks, on a connection of its own that may wait for long."""
    database = Database(
        database_url, application_name="tradewind-reconcile", pool_size=1, timeouts=_PATIENT
    )
    try:
        yield _reconciler(database, clock, ledger)
    finally:
        database.close()


def reconcile_now(settings: Settings, tell: Callable[[str], None]) -> RunRow:
    """Run all checks at once and keep what they found. Raises StartupError where there is no
    database.
    """
    clock = SystemClock()
    with any_database(settings, "tradewind-reconcile", timeouts=_PATIENT) as database:
        return _reconciler(database, clock, Ledger(clock)).run_now(by="the command line", tell=tell)


def _reconciler(database: Database, clock: Clock, ledger: Ledger) -> Reconciler:
    return Reconciler(
        database,
        Reconciliation(clock),
        ledger,
        clock,
        (*ledger_checks(), *further_checks()),
        platform=find_first_organization,
    )
