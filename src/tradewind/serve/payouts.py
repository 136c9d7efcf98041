"""Builds payouts, and runs `tradewind payouts` on a platform's database, whether the platform runs
or rests.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tradewind.core.acting import By
from tradewind.core.clock import Clock, SystemClock
from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import OrganizationId, PayoutRunId, ProjectId
from tradewind.core.permissions import Permission, Role
from tradewind.core.settings import Settings
from tradewind.db.database import Database, Timeouts
from tradewind.features.billing.rules.minor_units import minor_digits
from tradewind.features.catalog.service import Catalog
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.schemas import FrozenStatement, Run, RunDetail, RunStage, Waterfall
from tradewind.features.payouts.service import PayoutRuns
from tradewind.features.payouts.services import PayoutServices, build_payouts
from tradewind.features.payouts.transfers import ProcessorPayouts
from tradewind.features.publishing.publishers import Publishers
from tradewind.plugins.payments.registry import find_processor
from tradewind.readmodels.administrators import find_administrator
from tradewind.readmodels.earnings import PostedEarnings
from tradewind.serve.resting_platform import any_database

_STATEMENT_S = 300.0


def build_payout_services(
    clock: Clock, ledger: Ledger, catalog: Catalog, *, allows_self_approval: bool = False
) -> PayoutServices:
    return build_payouts(
        clock,
        ledger,
        catalog,
        Publishers(catalog, clock),
        PostedEarnings(minor_digits),
        minor_digits,
        allows_self_approval=allows_self_approval,
    )


def build_processor_payouts(
    settings: Settings, database: Database, runs: PayoutRuns
) -> ProcessorPayouts | None:
    """Return None where no processor is set up. Raises StartupError without its SDK."""
    processor = find_processor(settings.stripe_secret_key, settings.stripe_webhook_secrets)
    return None if processor is None else ProcessorPayouts(database, runs, processor)


class Operating:
    """The verbs, over one open database. Whoever can open it runs the platform; who did what is
    said by the address of an administrator, so that two eyes are still not four.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        clock = SystemClock()
        self._database = database
        self._services = build_payout_services(
            clock,
            Ledger(clock),
            Catalog(clock),
            allows_self_approval=settings.payout_self_approval,
        )
        self._operator = _Operator(OrganizationId.new(), ProjectId.new())

    def runs(self, limit: int) -> list[Run]:
        with self._database.transaction() as tx:
            return self._services.runs.list_runs(tx, self._operator, limit=limit)

    def run(self, run_id: str) -> RunDetail:
        """Raises NotFound."""
        with self._database.transaction() as tx:
            return self._services.runs.detail(tx, self._operator, run_id)

    def statement(self, statement_id: str) -> FrozenStatement:
        """Raises NotFound."""
        with self._database.transaction() as tx:
            return self._services.reader.statement(tx, self._operator, statement_id)[0]

    def waterfalls(self, publisher: str) -> list[Waterfall]:
        """Raises NotFound."""
        with self._database.transaction() as tx:
            return self._services.reader.waterfalls(tx, self._operator, publisher)

    def prepare(self, currency: str, *, key: str, by: str) -> Run:
        """Raises InvalidInput, RunOpen, PayoutKeyReused."""
        who, runs = self._who(by), self._services.runs
        run = runs.prepare(self._database, self._operator, currency, key=key, by=who)
        if run.stage is RunStage.PREPARING:
            runs.carry_on(self._database)
        return self.run(run.run_id).run

    def approve(self, run_id: str, *, by: str) -> Run:
        """Raises NotFound, RunState, SamePerson."""
        who = self._who(by)
        with self._database.transaction() as tx:
            return self._services.runs.approve(tx, self._operator, run_id, by=who)

    def export(self, run_id: str, file: Path, *, by: str) -> Run:
        """Write the file for the bank, which must not exist. Raises InvalidInput, NotFound,
        RunState, NoPayoutSource.
        """
        who, runs = self._who(by), self._services.runs
        with self._database.transaction() as tx:
            run = runs.export(tx, self._operator, run_id, by=who)
        if run.has_file:
            with self._database.transaction() as tx:
                data = runs.file(tx, self._operator, run_id)
            write_new(file, data)
        return run

    def confirm(self, thing: str, *, by: str) -> None:
        """Confirm a payout, or everything of a run that went by bank."""
        who, runs = self._who(by), self._services.runs
        with self._database.transaction() as tx:
            if thing.startswith(PayoutRunId.prefix):
                runs.confirm_all(tx, self._operator, thing, by=who)
            else:
                runs.confirm(tx, self._operator, [thing], note="", by=who)

    def fail(self, payout_id: str, *, reason: str, by: str) -> None:
        who = self._who(by)
        with self._database.transaction() as tx:
            self._services.runs.fail(tx, self._operator, payout_id, reason=reason, by=who)

    def _who(self, email: str) -> By:
        with self._database.transaction() as tx:
            found = find_administrator(tx, email)
        if found is None:
            raise NotFound(
                f"{email[:100]!r} is no administrator", hint="--by takes the address of one"
            )
        return By(found.user_id, f"{found.name} (the command line)")


@contextmanager
def operating(settings: Settings) -> Generator[Operating]:
    """Yield the verbs of a platform, whether it runs or rests."""
    patient = Timeouts(statement_s=_STATEMENT_S, answer_s=None)
    with any_database(settings, "tradewind-payouts", timeouts=patient) as database:
        yield Operating(settings, database)


def write_new(file: Path, data: bytes) -> None:
    """Raises InvalidInput for a file that is there already."""
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be made: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Operator:
    """Whoever can open the database runs the platform."""

    organization_id: OrganizationId
    project_id: ProjectId
    role: Role = Role.ADMIN

    def may(self, permission: Permission) -> bool:  # noqa: ARG002
        return True
