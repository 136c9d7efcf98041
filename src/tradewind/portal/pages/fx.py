"""Exchange rates: what is stored, one more by hand, many from a file. None is ever changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.ledger.schemas import FxRate
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.rate_file import MOST_BYTES, LineProblem, rate_of, read_rates

_SHOWN = 200
_FIELDS = ("base", "quote", "rate", "source", "valid_from")
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class FxPage:
    rates: Sequence[FxRate]
    currency: str
    """Only rates of this one are shown; empty shows all."""
    can_write: bool
    form: dict[str, str]
    problems: Sequence[LineProblem] = ()
    added: int = 0
    errors: FieldErrors = field(default_factory=FieldErrors)
    most: int = _SHOWN

    @staticmethod
    def told(rate: FxRate) -> str:
        return format_nanos(rate.nanos)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, books = services.database, services.books
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        *,
        currency: str = "",
        added: int = 0,
        form: dict[str, str] | None = None,
        problems: Sequence[LineProblem] = (),
        errors: FieldErrors | None = None,
    ) -> Response:
        with database.transaction() as tx:
            rates = books.rates(tx, viewer, currency=currency or None, limit=_SHOWN)
        now = services.clock.now()
        page = FxPage(
            rates=rates,
            currency=currency,
            can_write=viewer.may(Permission.FINANCE_WRITE),
            form=form or {**dict.fromkeys(_FIELDS, ""), "valid_from": f"{now:%Y-%m-%dT%H:%M}"},
            problems=problems,
            added=added,
            errors=errors or FieldErrors(),
        )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors or problems else HTTPStatus.OK
        return portal.shell.page(request, "fx.html", page, viewer=viewer, status=status)

    @router.get("/fx")
    def rates(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        currency: Annotated[str, Query(pattern=r"^([A-Z]{3})?$")] = "",
        added: Annotated[int, Query(ge=0, le=10_000)] = 0,
    ) -> Response:
        return answer(request, viewer, currency=currency, added=added)

    @router.post("/fx", dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form = {name: fields.text(name).strip()[:_LONGEST] for name in _FIELDS}
        errors = FieldErrors()
        try:
            rate = rate_of(
                form["base"].upper(),
                form["quote"].upper(),
                form["rate"],
                form["source"],
                form["valid_from"],
            )
            with database.transaction() as tx:
                books.set_rate(tx, viewer, rate)
        except (Conflict, InvalidInput) as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, form=form, errors=errors)
        return RedirectResponse("/fx?added=1", HTTPStatus.SEE_OTHER)

    @router.post("/fx/file", dependencies=own_form)
    def upload(
        request: Request, file: UploadFile, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        found, problems = read_rates(file.file.read(MOST_BYTES + 1))
        if problems:
            return answer(request, viewer, problems=problems)
        errors = FieldErrors()
        try:
            # All of a file or nothing of it: a half of a day's rates helps nobody.
            with database.transaction() as tx:
                for rate in found:
                    books.set_rate(tx, viewer, rate)
        except (Conflict, InvalidInput) as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, errors=errors)
        return RedirectResponse(f"/fx?added={len(found)}", HTTPStatus.SEE_OTHER)

    return router
