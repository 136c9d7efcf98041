"""Margins: prices that follow what providers take, tried on today's costs before they are set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, TradewindError
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.market.schemas import (
    MarginPreview,
    MarginRow,
    PriceSource,
    ProposalRow,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.margin_form import SCOPES, MarginForm, margin_of, read
from tradewind.portal.parts import Portal
from tradewind.readmodels.prices import model_names

_PATH = "/margins"


@dataclass(frozen=True, slots=True)
class MarginsPage:
    margins: Sequence[MarginRow]
    """Those that hold."""
    stopped: int
    proposals: Sequence[ProposalRow]
    names: Mapping[str, str]
    """Of the models of proposals, by id."""
    form: MarginForm
    can_write: bool
    notice_days: int
    preview: MarginPreview | None = None
    """Once a margin was typed that could be set."""
    refusal: TradewindError | None = None
    """Why nothing was decided."""
    errors: FieldErrors = field(default_factory=FieldErrors)
    scopes: Sequence[tuple[str, str]] = SCOPES

    def percent(self, row: MarginRow) -> str:
        """Return how many percent a margin is, as people write it."""
        return f"{Decimal(row.margin.percent) / 100:f}"

    def amount(self, nanos: int) -> str:
        """Return an amount without a currency: that of each price."""
        return format_nanos(nanos)

    def for_whom(self, row: MarginRow) -> str:
        return dict(self.scopes)[row.scope.value]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, prices = services.database, services.prices
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get(_PATH)
    def margins(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return _page(request, viewer)

    @router.post(_PATH, dependencies=own_form)
    def put(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors, preview = read(fields), FieldErrors(), None
        new = margin_of(form, errors)
        if new is not None:
            try:
                with database.transaction() as tx:
                    if fields.text("action") == "set":
                        prices.margins.put(tx, viewer, new, by=viewer.name)
                        return RedirectResponse(_PATH, HTTPStatus.SEE_OTHER)
                    preview = prices.margins.preview(tx, viewer, new)
            except InvalidInput as error:
                errors.add(WHOLE_FORM, error)
        return _page(request, viewer, form=form, preview=preview, errors=errors)

    @router.post(f"{_PATH}/{{margin_id}}/stop", dependencies=own_form)
    def stop(margin_id: str, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            prices.margins.stop(tx, viewer, margin_id)
        return RedirectResponse(_PATH, HTTPStatus.SEE_OTHER)

    @router.post(f"{_PATH}/proposals/{{proposal_id}}", dependencies=own_form)
    def decide(
        request: Request,
        proposal_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            with database.transaction() as tx:
                prices.proposals.decide(
                    tx,
                    viewer,
                    proposal_id,
                    is_accepted=fields.text("decision") == "accept",
                    by=viewer.name,
                )
        except (Conflict, InvalidInput) as error:
            return _page(request, viewer, refusal=error)
        return RedirectResponse(_PATH, HTTPStatus.SEE_OTHER)

    def _page(
        request: Request,
        viewer: Viewer,
        *,
        form: MarginForm | None = None,
        preview: MarginPreview | None = None,
        errors: FieldErrors | None = None,
        refusal: TradewindError | None = None,
    ) -> Response:
        if not is_platform_administrator(viewer):
            raise Forbidden("only administrators of the platform see its margins")
        with database.transaction() as tx:
            rows = prices.margins.all(tx, viewer)
            waiting = [
                row
                for row in prices.proposals.waiting(tx, viewer)
                if row.source is PriceSource.MARGIN
            ]
            names = model_names(tx, {row.model_id for row in waiting})
        holding = [row for row in rows if row.is_enabled]
        page = MarginsPage(
            holding,
            len(rows) - len(holding),
            waiting,
            names,
            form or MarginForm(),
            viewer.may(Permission.FINANCE_WRITE),
            prices.book.notice.days,
            preview,
            refusal,
            errors or FieldErrors(),
        )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        if refusal is not None:
            status = HTTPStatus(refusal.status)
        return portal.shell.page(request, "margins.html", page, viewer=viewer, status=status)

    return router
