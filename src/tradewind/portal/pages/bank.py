"""Bank: what came in and is nobody's. For whoever runs the platform."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.payments.rules.camt import FILE_MAX_BYTES
from tradewind.features.payments.schemas import BankLineRow, Imported, LineState
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.wallet_page import money, text_of

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class BankPage:
    lines: Sequence[BankLineRow]
    can_write: bool
    line_id: str = ""
    """The one whose form was sent."""
    to: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)
    imported: Imported | None = None
    """What came of the file that was just sent."""
    most_kib: int = FILE_MAX_BYTES // 1024

    def money(self, nanos: int) -> str:
        return money(nanos)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, bank = services.database, services.bank_transfers
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        sent: tuple[str, str] = ("", ""),
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        *,
        imported: Imported | None = None,
    ) -> Response:
        with database.transaction() as tx:
            lines = bank.lines(tx, viewer, state=LineState.UNMATCHED, limit=_SHOWN)
        can_write = viewer.may(Permission.FINANCE_WRITE)
        page = BankPage(lines, can_write, sent[0], sent[1], errors or FieldErrors(), imported)
        return portal.shell.page(request, "bank.html", page, viewer=viewer, status=status)

    @router.get("/bank")
    def unmatched(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/bank/statements", dependencies=own_form)
    def take(
        request: Request, file: UploadFile, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        # The answer is the page itself: to send the form again by reloading it changes nothing.
        data, errors = file.file.read(FILE_MAX_BYTES + 1), FieldErrors()
        try:
            with database.transaction() as tx:
                imported = bank.take_statement(tx, viewer, data)
        except InvalidInput as error:
            errors.add("file", error)
            return answer(request, viewer, errors=errors, status=HTTPStatus(error.status))
        return answer(request, viewer, imported=imported)

    @router.post("/bank/{line_id}", dependencies=own_form)
    def assign(
        request: Request,
        line_id: Annotated[str, Path(max_length=100)],
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        to, errors = text_of(fields, "to").strip(), FieldErrors()
        try:
            with database.transaction() as tx:
                if fields.is_checked("set_aside"):
                    bank.set_aside(tx, viewer, line_id, "set aside", by=viewer.name)
                else:
                    bank.assign(tx, viewer, line_id, to, by=viewer.name)
        except (Conflict, InvalidInput, NotFound) as error:
            errors.add(WHOLE_FORM, error)
            status = HTTPStatus(error.status)
            return answer(request, viewer, (line_id, to), errors, status)
        return RedirectResponse("/bank", HTTPStatus.SEE_OTHER)

    return router
