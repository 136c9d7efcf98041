"""Reconciliation: what each check of the books found, and what providers say of their usage."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.reconciliation.schemas import Measure, RunRow, RunState, StatementRow
from tradewind.features.reconciliation.statements import MOST_BYTES
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.parts import Portal
from tradewind.readmodels.reconciliation_providers import ProviderDay, read_provider_days

_RUNS_SHOWN = 10
_DAYS_SHOWN = 60
_STATEMENTS_SHOWN = 50
_PATH = "/reconciliation"


@dataclass(frozen=True, slots=True)
class ReconciliationPage:
    run: RunRow | None
    """The newest that ended, or the one that was asked for."""
    runs: Sequence[RunRow]
    statements: Sequence[StatementRow]
    days: Sequence[ProviderDay]
    can_write: bool
    host: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)
    most_mib: int = MOST_BYTES // 1024 // 1024

    @property
    def waits(self) -> bool:
        """One was asked for, or is under way."""
        return any(run.state in {RunState.ASKED, RunState.RUNNING} for run in self.runs)

    def amount(self, nanos: int) -> str:
        return format_nanos(nanos)

    def told(self, day: ProviderDay, quantity: int) -> str:
        if day.measure is Measure.COST:
            return f"{format_nanos(quantity)} {day.currency}"
        return f"{quantity:,}"


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, reconciliation = services.database, services.reconciliation
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get(_PATH)
    def show(
        request: Request, viewer: Annotated[Viewer, Depends(may_read)], run: str = ""
    ) -> Response:
        return _answer(request, viewer, run_id=run[:100])

    @router.post(f"{_PATH}/runs", dependencies=own_form)
    def ask(request: Request, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        try:
            with database.transaction() as tx:
                reconciliation.ask(tx, viewer, by=viewer.name)
        except Conflict as error:
            errors = FieldErrors()
            errors.add(WHOLE_FORM, error)
            return _answer(request, viewer, errors=errors, status=HTTPStatus.CONFLICT)
        return RedirectResponse(_PATH, HTTPStatus.SEE_OTHER)

    @router.post(f"{_PATH}/statements", dependencies=own_form)
    def take(
        request: Request,
        file: UploadFile,
        host: Annotated[str, Form(max_length=200)],
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        data = file.file.read(MOST_BYTES + 1)
        try:
            with database.transaction() as tx:
                reconciliation.take_statement(
                    tx, viewer, host.strip(), data, file_name=file.filename or "", by=viewer.name
                )
        except (InvalidInput, Conflict) as error:
            errors.add("file" if host.strip() else "host", error)
            status = HTTPStatus(error.status)
            return _answer(request, viewer, errors=errors, host=host, status=status)
        return RedirectResponse(f"{_PATH}#statements", HTTPStatus.SEE_OTHER)

    @router.post(f"{_PATH}/statements/{{statement_id}}/delete", dependencies=own_form)
    def forget(statement_id: str, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            reconciliation.delete_statement(tx, viewer, statement_id)
        return RedirectResponse(f"{_PATH}#statements", HTTPStatus.SEE_OTHER)

    def _answer(
        request: Request,
        viewer: Viewer,
        *,
        run_id: str = "",
        errors: FieldErrors | None = None,
        host: str = "",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        if not is_platform_administrator(viewer):
            raise Forbidden("the platform's books are for its administrators")
        with database.transaction() as tx:
            if run_id:
                run = reconciliation.run(tx, viewer, run_id)
            else:
                run = reconciliation.latest(tx, viewer)
            page = ReconciliationPage(
                run=run,
                runs=reconciliation.runs(tx, viewer, limit=_RUNS_SHOWN),
                statements=reconciliation.statements(tx, viewer, limit=_STATEMENTS_SHOWN),
                days=read_provider_days(tx, services.clock.now(), most=_DAYS_SHOWN),
                can_write=viewer.may(Permission.FINANCE_WRITE),
                host=host,
                errors=errors or FieldErrors(),
            )
        return portal.shell.page(request, "reconciliation.html", page, viewer=viewer, status=status)

    return router
