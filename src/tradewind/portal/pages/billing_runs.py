"""Billing runs: what stands in the way first, the close that is under way, drafts to finalize."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.billing.drawing import amount
from tradewind.features.billing.rules import periods
from tradewind.features.billing.schemas import Close, CloseState, InvoiceRow
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal

_DRAFTS = 50
_MONTHS = 12
_Id = Annotated[str, Path(max_length=100)]


@dataclass(frozen=True, slots=True)
class BillingRunsPage:
    has_issuer: bool
    has_taxes: bool
    running: Close | None
    closes: Sequence[Close]
    """The newest first; the running one is not among them."""
    drafts: Sequence[InvoiceRow]
    has_more_drafts: bool
    months: Sequence[tuple[str, str]]
    """That can be closed: the end, and what it is called."""
    can_write: bool
    organization: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)

    @property
    def troubled(self) -> Close | None:
        """The last close, where somebody has no invoice because of it."""
        newest = self.running or next(iter(self.closes), None)
        return newest if newest is not None and newest.problem_count else None

    @staticmethod
    def month(close: Close) -> str:
        return _month(close.period_end)

    @staticmethod
    def money(row: InvoiceRow) -> str:
        return f"{amount(row.total_minor, row.currency)} {row.currency}"


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, office = services.database, services.office
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        errors: FieldErrors | None = None,
        organization: str = "",
    ) -> Response:
        with database.transaction() as tx:
            closes = office.closes(tx, viewer)
            drafts = office.drafts(tx, viewer, limit=_DRAFTS + 1)
            has_issuer = office.issuer(tx, viewer) is not None
            has_taxes = bool(office.tax_rules(tx, viewer))
        page = BillingRunsPage(
            has_issuer=has_issuer,
            has_taxes=has_taxes,
            running=next((each for each in closes if each.state is CloseState.RUNNING), None),
            closes=[each for each in closes if each.state is not CloseState.RUNNING],
            drafts=drafts[:_DRAFTS],
            has_more_drafts=len(drafts) > _DRAFTS,
            months=_closable(services.clock.now()),
            can_write=viewer.may(Permission.FINANCE_WRITE),
            organization=organization,
            errors=errors or FieldErrors(),
        )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        return portal.shell.page(request, "billing_runs.html", page, viewer=viewer, status=status)

    def act(
        request: Request,
        viewer: Viewer,
        change: Callable[[Connection], object],
        organization: str = "",
    ) -> Response:
        errors = FieldErrors()
        try:
            with database.transaction() as tx:
                change(tx)
        except (Conflict, InvalidInput, NotFound) as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, errors, organization)
        return RedirectResponse("/billing", HTTPStatus.SEE_OTHER)

    @router.get("/billing")
    def runs(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/billing/closes", dependencies=own_form)
    def begin(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        end = _time(fields.text("period_end"))
        return act(request, viewer, lambda tx: office.begin_close(tx, viewer, end))

    @router.post("/billing/closes/{close_id}/cancel", dependencies=own_form)
    def cancel(
        request: Request, close_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return act(request, viewer, lambda tx: office.cancel_close(tx, viewer, close_id))

    @router.post("/billing/drafts", dependencies=own_form)
    def draft(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        whose = fields.text("organization").strip()[:100]
        until = periods.hour_start(services.clock.now())
        return act(request, viewer, lambda tx: office.draft(tx, viewer, whose, until), whose)

    @router.post("/billing/drafts/{invoice_id}", dependencies=own_form)
    def decide(
        request: Request,
        invoice_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        change = office.void if fields.is_checked("void") else office.finalize
        return act(request, viewer, lambda tx: change(tx, viewer, invoice_id))

    return router


def _closable(now: datetime) -> list[tuple[str, str]]:
    end = periods.newest_closable(now)
    found: list[tuple[str, str]] = []
    while len(found) < _MONTHS:
        found.append((end.isoformat(), _month(end)))
        end = periods.before(end)
    return found


def _month(period_end: datetime) -> str:
    return f"{period_end - timedelta.resolution:%B %Y}"


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("the form is not as it was sent") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
