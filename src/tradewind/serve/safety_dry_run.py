"""`tradewind safety dry-run`: here, or by the worker where the platform runs, whoever is first."""

import threading
from collections.abc import Callable
from pathlib import Path

from tradewind.core.clock import SystemClock
from tradewind.core.ids import OrganizationId
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.safety.dry_run_work import DryRunWork
from tradewind.features.safety.schemas import DryRunRow
from tradewind.readmodels.first_organization import first_organization
from tradewind.serve.operating import AT_THE_COMMAND, Operator
from tradewind.serve.resting_platform import any_database
from tradewind.serve.safety import build_safety
from tradewind.serve.safety_commands import read_file

_LOOK_EVERY_S = 0.3


def dry_run(
    settings: Settings,
    organization: str | None,
    path: Path,
    tell: Callable[[DryRunRow], None],
) -> DryRunRow:
    """Try the policy of a file on the last week's calls; `tell` hears how far it is. Interrupted,
    it is cancelled. Raises PolicyRefused, DryRunUnderWay.
    """
    file = read_file(path)
    safety = build_safety(SystemClock())
    with any_database(settings, "tradewind-safety") as database:
        with database.transaction() as tx:
            where = (
                OrganizationId.parse(organization)
                if organization is not None
                else first_organization(tx)
            )
            operator = Operator(where)
            policies = safety.policies.list_policies(tx, operator)
            known = next((row.policy_id for row in policies if row.name == file.name), "")
            run = safety.dry_runs.start(
                tx, operator, file.content, by=AT_THE_COMMAND, policy_id=known, name=file.name
            )
        work = threading.Thread(
            target=_work, args=(database, safety.dry_run_work), name="dry-run", daemon=True
        )
        work.start()
        try:
            while True:
                with database.transaction() as tx:
                    run = safety.dry_runs.get_run(tx, operator, run.run_id)
                tell(run)
                if run.state.is_over:
                    return run
                work.join(_LOOK_EVERY_S)
                if not work.is_alive():
                    # The worker of the platform has it.
                    threading.Event().wait(_LOOK_EVERY_S)
        except KeyboardInterrupt:
            with database.transaction() as tx:
                safety.dry_runs.cancel(tx, operator, run.run_id)
            raise
        finally:
            work.join(60)


def _work(database: Database, work: DryRunWork) -> None:
    work.run_next(database)
