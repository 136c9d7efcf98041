"""The routes of reconciliation: for whoever runs the platform."""

from typing import Annotated

from fastapi import Path

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.pages import After, Limit
from tradewind.control.reconciliation_answers import (
    LatestRun,
    ProviderDayAnswer,
    RunAnswer,
    RunPage,
    StatementAnswer,
    StatementBody,
    StatementList,
)
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.readmodels.reconciliation_providers import read_provider_days

_RunId = Annotated[str, Path(max_length=100)]
_StatementId = Annotated[str, Path(max_length=100)]


def add_reconciliation_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/reconciliation`."""
    found = services.reconciliation
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.get("/reconciliation", permission=reads, summary="What the newest run found")
    def latest(call: Call) -> LatestRun:
        run = found.latest(call.tx, call.holder)
        return LatestRun(run=None if run is None else RunAnswer.of(run))

    @routes.get("/reconciliation/runs", permission=reads, summary="Runs of all checks")
    def runs(call: Call, limit: Limit = 20, after: After = None) -> RunPage:
        rows = found.runs(call.tx, call.holder, before=after, limit=limit + 1)
        shown = rows[:limit]
        return RunPage(
            runs=[RunAnswer.of(row) for row in shown],
            next=shown[-1].run_id if len(rows) > limit else None,
        )

    @routes.post("/reconciliation/runs", permission=writes, summary="Have all checks run soon")
    def ask(call: Call) -> RunAnswer:
        return RunAnswer.of(found.ask(call.tx, call.holder, by=acting(services, call).name))

    @routes.get("/reconciliation/runs/{run_id}", permission=reads, summary="One run")
    def run(call: Call, run_id: _RunId) -> RunAnswer:
        return RunAnswer.of(found.run(call.tx, call.holder, run_id))

    @routes.get(
        "/reconciliation/statements",
        permission=reads,
        summary="Statements of providers, and how their days differ from ours",
    )
    def statements(call: Call, limit: Limit = 100) -> StatementList:
        rows = found.statements(call.tx, call.holder, limit=limit)
        days = read_provider_days(call.tx, services.clock.now())
        return StatementList(
            statements=[StatementAnswer.of(row) for row in rows],
            days=[ProviderDayAnswer.of(each) for each in days],
        )

    @routes.post(
        "/reconciliation/statements", permission=writes, summary="Take a provider's export in"
    )
    def take(call: Call, body: StatementBody) -> StatementAnswer:
        row = found.take_statement(
            call.tx,
            call.holder,
            body.host,
            body.content.encode(),
            file_name=body.file_name,
            by=acting(services, call).name,
        )
        return StatementAnswer.of(row)

    @routes.delete(
        "/reconciliation/statements/{statement_id}", permission=writes, summary="Forget a statement"
    )
    def forget(call: Call, statement_id: _StatementId) -> None:
        found.delete_statement(call.tx, call.holder, statement_id)
