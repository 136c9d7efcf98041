"""The issuer: in whose name invoices are written. For whoever runs the platform."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.billing.schemas import Issuer, Party
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal

_LONGEST_DETAILS = 2_000


@dataclass(frozen=True, slots=True)
class IssuerPage:
    is_set: bool
    issuer: Issuer
    """As it is stored, or as it was typed."""
    can_write: bool
    errors: FieldErrors = field(default_factory=FieldErrors)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, office = services.database, services.office
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)

    def answer(
        request: Request,
        viewer: Viewer,
        typed: Issuer | None = None,
        errors: FieldErrors | None = None,
    ) -> Response:
        with database.transaction() as tx:
            stored = office.issuer(tx, viewer)
        page = IssuerPage(
            stored is not None,
            typed or stored or Issuer(Party("", ""), ""),
            viewer.may(Permission.FINANCE_WRITE),
            errors or FieldErrors(),
        )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        return portal.shell.page(request, "issuer.html", page, viewer=viewer, status=status)

    @router.get("/billing/issuer")
    def issuer(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/billing/issuer", dependencies=[Depends(access.own_form)])
    def set_issuer(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        typed, errors = _issuer(fields), FieldErrors()
        try:
            with database.transaction() as tx:
                office.set_issuer(tx, viewer, typed)
        except InvalidInput as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, typed, errors)
        return RedirectResponse("/billing/issuer", HTTPStatus.SEE_OTHER)

    return router


def _issuer(fields: FormFields) -> Issuer:
    def text(name: str) -> str:
        # Longer than may be stored by one, so that what is too long is refused and not cut.
        return fields.text(name).strip()[:201]

    party = Party(
        legal_name=text("legal_name"),
        country=text("country").upper(),
        street=text("street"),
        city=text("city"),
        postal_code=text("postal_code"),
        tax_id=text("tax_id"),
        email=text("email"),
    )
    # Forms send every end of a line as two signs.
    details = fields.text("payment_details").replace("\r\n", "\n").strip()
    return Issuer(party, details[:_LONGEST_DETAILS])
