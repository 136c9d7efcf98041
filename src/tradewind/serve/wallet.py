"""`tradewind wallet`: what organizations hold, and what the bank says, on a platform's database,
whether the platform runs or rests.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tradewind.core.clock import SystemClock
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission, Role
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.budgets.wallets import WalletBudgets
from tradewind.features.ledger.service import Ledger
from tradewind.features.payments.bank_transfers import BankTransfers
from tradewind.features.payments.rules.camt import FILE_MAX_BYTES
from tradewind.features.payments.schemas import BankLineRow, Imported, LineState, Wallet
from tradewind.features.payments.service import Wallets
from tradewind.readmodels.spend import read_spend
from tradewind.readmodels.wallets import BilledOrganizations
from tradewind.serve.billing import build_billing
from tradewind.serve.resting_platform import any_database

_STATEMENT_S = 60.0
_BY = "the command line"


@dataclass(frozen=True, slots=True)
class _Operator:
    """Whoever can open the database runs the platform."""

    organization_id: OrganizationId
    project_id: ProjectId
    role: Role = Role.ADMIN

    def may(self, permission: Permission) -> bool:  # noqa: ARG002
        return True


def show(settings: Settings, organization_id: str) -> Wallet:
    """Raises WalletMissing."""
    wallets, _ = _services()
    with _database(settings) as database, database.transaction() as tx:
        return wallets.of(tx, organization_id)


def give_credit(  # noqa: PLR0917  as the options of the verb
    settings: Settings, organization_id: str, nanos: int, currency: str, key: str, memo: str
) -> Wallet:
    """Raises InvalidInput, PaymentKeyReused."""
    wallets, _ = _services()
    with _database(settings) as database, database.transaction() as tx:
        return wallets.give_credit(
            tx, _operator(), organization_id, nanos, currency, key=key, memo=memo, by=_BY
        )


def take_statement(settings: Settings, file: Path) -> Imported:
    """Raises InvalidInput."""
    _, bank = _services()
    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error
    with _database(settings) as database, database.transaction() as tx:
        return bank.take_statement(tx, _operator(), data)


def unmatched(settings: Settings) -> list[BankLineRow]:
    _, bank = _services()
    with _database(settings) as database, database.transaction() as tx:
        return bank.lines(tx, _operator(), state=LineState.UNMATCHED)


def assign(settings: Settings, line_id: str, target: str) -> BankLineRow:
    """Raises NotFound, InvalidInput, BankLineSettled."""
    _, bank = _services()
    with _database(settings) as database, database.transaction() as tx:
        return bank.assign(tx, _operator(), line_id, target, by=_BY)


def _operator() -> _Operator:
    return _Operator(OrganizationId.new(), ProjectId.new())


def _services() -> tuple[Wallets, BankTransfers]:
    clock = SystemClock()
    ledger = Ledger(clock)
    bills = BilledOrganizations(build_billing(clock, ledger))
    wallets = Wallets(clock, ledger, WalletBudgets(clock, read_spend), bills)
    return wallets, BankTransfers(clock, wallets, bills)


def _database(settings: Settings) -> AbstractContextManager[Database]:
    patient = Timeouts(statement_s=_STATEMENT_S, answer_s=None)
    return any_database(settings, "tradewind-wallet", timeouts=patient)
