"""What other parts may ask of reconciliation."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.ids import OrganizationId, ProviderStatementId, ReconciliationRunId
from tradewind.core.permissions import Permission, require
from tradewind.db.outbox import enqueue
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.reconciliation import repository
from tradewind.features.reconciliation.schemas import (
    CheckOutcome,
    RunRow,
    RunState,
    StatementFormat,
    StatementRow,
)
from tradewind.features.reconciliation.statements import parse_statement

RECONCILIATION_FAILED = "reconciliation.failed"
MOST_OPEN = 2
"""Runs that wait or are under way: more tell nobody anything new."""
DAILY_HOUR = 3
"""UTC: what came in before midnight is settled by then."""
LONGEST_RUN = timedelta(hours=2)
MOST_STATEMENTS = 1_000
_RUNS_KEPT = timedelta(days=400)
_HOST_MAX = 200
_NAME_MAX = 200
_DAILY = "the daily run"


class Reconciliation:
    """Runs and statements: for administrators of the platform."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    # --- runs ------------------------------------------------------------------------------

    def ask(self, tx: Connection, actor: Actor, *, by: str) -> RunRow:
        """Have everything checked soon. Raises Conflict while others wait."""
        _require(actor, Permission.FINANCE_WRITE)
        if repository.count_open(tx) >= MOST_OPEN:
            raise Conflict("a run waits already", hint="look at it once it is over")
        run_id = self._add(tx, by=by)
        return self.run(tx, actor, run_id)

    def runs(
        self, tx: Connection, actor: Actor, *, before: str | None = None, limit: int = 20
    ) -> list[RunRow]:
        """Return runs, the newest first."""
        _require(actor, Permission.FINANCE_READ)
        rows = repository.list_runs(tx, before=before, limit=limit)
        return [_run_row(row) for row in rows]

    def run(self, tx: Connection, actor: Actor, run_id: str) -> RunRow:
        """Raises NotFound."""
        _require(actor, Permission.FINANCE_READ)
        found = repository.find_run(tx, run_id)
        if found is None:
            raise NotFound(f"there is no run {run_id[:40]!r}")
        return _run_row(found)

    def latest(self, tx: Connection, actor: Actor) -> RunRow | None:
        """Return the newest run that ended, well or not."""
        _require(actor, Permission.FINANCE_READ)
        rows = repository.list_runs(tx, before=None, limit=1, ended=True)
        return _run_row(rows[0]) if rows else None

    # --- for the worker and the command ------------------------------------------------------

    def begin_due(self, tx: Connection) -> str | None:
        """Begin the run of today once its hour has come, or one that was asked for; None where
        there is nothing to do, or somebody else does it.
        """
        now = self._clock.now()
        repository.give_up(tx, now - LONGEST_RUN, now, "whoever ran it went away")
        today = now.astimezone(UTC).date()
        if now.astimezone(UTC).hour >= DAILY_HOUR and not repository.has_run_of(tx, today):
            values = {"id": ReconciliationRunId.new(), "day": today, "asked_by": _DAILY}
            began = {"state": RunState.RUNNING.value, "asked_at": now, "started_at": now}
            if repository.add_run(tx, values | began):
                repository.forget_runs(tx, now - _RUNS_KEPT)
                return str(values["id"])
        return repository.take_asked(tx, now)

    def begin(self, tx: Connection, *, by: str) -> str:
        """Begin a run at once."""
        run_id = self._add(tx, by=by, is_running=True)
        return str(run_id)

    def end(
        self,
        tx: Connection,
        run_id: str,
        outcomes: Sequence[CheckOutcome],
        *,
        platform: OrganizationId | None,
    ) -> RunRow:
        """Note what a run found, and tell whoever runs the platform, once a day, if something
        differs.
        """
        now = self._clock.now()
        checks = [asdict(outcome) for outcome in outcomes]
        repository.finish(tx, run_id, state="done", now=now, checks=checks, error="")
        failed = [outcome for outcome in outcomes if not outcome.is_clean]
        if failed and platform is not None:
            key = f"{RECONCILIATION_FAILED} {now.astimezone(UTC):%Y-%m-%d}"
            enqueue(tx, RECONCILIATION_FAILED, platform, _facts(run_id, failed), key=key)
        found = repository.find_run(tx, run_id)
        assert found is not None, "it was begun, and runs are kept for long"
        return _run_row(found)

    def fail(self, tx: Connection, run_id: str, error: str) -> None:
        """Note that a run could not be ended."""
        now = self._clock.now()
        repository.finish(tx, run_id, state="failed", now=now, checks=[], error=error[:500])

    # --- statements of providers -------------------------------------------------------------

    def take_statement(
        self, tx: Connection, actor: Actor, host: str, data: bytes, *, file_name: str, by: str
    ) -> StatementRow:
        """Take a provider's export in. The same file again is the statement that is there.

        Raises UnknownStatement, InvalidInput.
        """
        _require(actor, Permission.FINANCE_WRITE)
        if not 1 <= len(host) <= _HOST_MAX or not host.isprintable():
            raise InvalidInput("no host was named", hint="name the host as the usage names it")
        parsed = parse_statement(data)
        digest = sha256(data).digest()
        if len(repository.list_statements(tx, limit=MOST_STATEMENTS)) >= MOST_STATEMENTS:
            raise Conflict(f"there are {MOST_STATEMENTS} statements", hint="delete old ones")
        values = {
            "id": ProviderStatementId.new(),
            "host": host,
            "format": parsed.format.value,
            "file_name": "".join(filter(str.isprintable, file_name))[:_NAME_MAX],
            "sha256": digest,
            "added_by": by,
            "added_at": self._clock.now(),
        }
        repository.add_statement(tx, values, parsed.lines)
        rows = repository.list_statements(tx, limit=1, host=host, sha256=digest)
        return _statement_row(rows[0])

    def statements(self, tx: Connection, actor: Actor, *, limit: int = 100) -> list[StatementRow]:
        """Return statements, the newest first."""
        _require(actor, Permission.FINANCE_READ)
        return [_statement_row(row) for row in repository.list_statements(tx, limit=limit)]

    def delete_statement(self, tx: Connection, actor: Actor, statement_id: str) -> None:
        """Raises NotFound."""
        _require(actor, Permission.FINANCE_WRITE)
        if not repository.delete_statement(tx, statement_id):
            raise NotFound(f"there is no statement {statement_id[:40]!r}")

    def _add(self, tx: Connection, *, by: str, is_running: bool = False) -> str:
        now = self._clock.now()
        run_id = str(ReconciliationRunId.new())
        values: dict[str, Any] = {"id": run_id, "asked_by": by, "asked_at": now}
        state = RunState.RUNNING if is_running else RunState.ASKED
        values |= {"state": state.value, "started_at": now if is_running else None}
        repository.add_run(tx, values)
        return run_id


def _require(actor: Actor, permission: Permission) -> None:
    require(actor, permission)
    if not is_platform_administrator(actor):
        raise Forbidden(
            "the platform's books are for its administrators",
            hint="ask one of them",
        )


def _facts(run_id: str, failed: Iterable[CheckOutcome]) -> dict[str, Any]:
    return {
        "run": run_id,
        "checks": [
            {
                "name": outcome.name,
                "differences": outcome.differences,
                "findings": list(outcome.findings[:3]),
            }
            for outcome in failed
        ],
    }


def _run_row(row: Row[Any]) -> RunRow:
    return RunRow(
        run_id=row.id,
        state=RunState(row.state),
        asked_by=row.asked_by,
        asked_at=_utc(row.asked_at),
        started_at=None if row.started_at is None else _utc(row.started_at),
        finished_at=None if row.finished_at is None else _utc(row.finished_at),
        checks=tuple(
            CheckOutcome(**(check | {"findings": tuple(check["findings"])})) for check in row.checks
        ),
        error=row.error,
    )


def _statement_row(row: Row[Any]) -> StatementRow:
    return StatementRow(
        statement_id=row.id,
        host=row.host,
        format=StatementFormat(row.format),
        file_name=row.file_name,
        first_day=row.first_day,
        last_day=row.last_day,
        lines=row.lines,
        added_by=row.added_by,
        added_at=_utc(row.added_at),
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
