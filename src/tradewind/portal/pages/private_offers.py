"""Private offers: those that a seller made, and those that an organization may accept."""

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.sales.schemas import (
    Acceptance,
    Accepted,
    OfferRow,
    PlanRow,
    PrivateOfferRow,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.plan_words import PlanWords, plan_words
from tradewind.portal.sale_forms import (
    PrivateOfferForm,
    opening,
    private_offer_of,
    read_private,
)


@dataclass(frozen=True, slots=True)
class MadePage:
    offer: OfferRow
    plans: Sequence[PlanRow]
    rows: Sequence[PrivateOfferRow]
    accepted: Mapping[str, Sequence[Accepted]]
    can_write: bool
    form: PrivateOfferForm
    errors: FieldErrors = field(default_factory=FieldErrors)


@dataclass(frozen=True, slots=True)
class PrivateOfferPage:
    row: PrivateOfferRow
    plans: Sequence[tuple[str, str, PlanWords]]
    """Id, name and what each costs."""
    accepted: Acceptance | None
    is_late: bool
    can_write: bool
    errors: FieldErrors = field(default_factory=FieldErrors)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    _add_made(router, portal)
    _add_received(router, portal)
    return router


def _add_made(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, offers, clock = services.database, services.sale_offers, services.clock
    may_read = access.allowed(Permission.SALES_READ)
    may_write = access.allowed(Permission.SALES_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(  # noqa: PLR0917  the state of a form
        request: Request,
        viewer: Viewer,
        offer_id: str,
        form: PrivateOfferForm | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            page = MadePage(
                offers.get_own(tx, viewer, offer_id),
                [row for row in offers.plans(tx, viewer, offer_id) if row.state == "live"],
                offers.private.list_own(tx, viewer, offer_id),
                offers.private.acceptances(tx, viewer, offer_id),
                viewer.may(Permission.SALES_WRITE),
                form or opening(clock.now().date()),
                errors or FieldErrors(),
            )
        return portal.shell.page(request, "private_offers.html", page, viewer=viewer, status=status)

    @router.get("/sales/{offer_id}/private-offers")
    def made(
        request: Request, offer_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return answer(request, viewer, offer_id)

    @router.post("/sales/{offer_id}/private-offers", dependencies=own_form)
    def offer(
        request: Request,
        offer_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read_private(fields), FieldErrors()
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        with database.transaction() as tx:
            plans = [row for row in offers.plans(tx, viewer, offer_id) if row.state == "live"]
        new = private_offer_of(form, plans, errors)
        if new is not None:
            try:
                with database.transaction() as tx:
                    offers.private.offer(tx, viewer, viewer.by, offer_id, new)
                return RedirectResponse(f"/sales/{offer_id}/private-offers", HTTPStatus.SEE_OTHER)
            except (Conflict, InvalidInput) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
        return answer(request, viewer, offer_id, form, errors, status)

    @router.post(
        "/sales/{offer_id}/private-offers/{private_offer_id}/withdraw", dependencies=own_form
    )
    def withdraw(
        offer_id: str, private_offer_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        with database.transaction() as tx:
            offers.private.withdraw(tx, viewer, private_offer_id)
        return RedirectResponse(f"/sales/{offer_id}/private-offers", HTTPStatus.SEE_OTHER)


def _add_received(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, offers, clock = services.database, services.sale_offers, services.clock
    may_read = access.allowed(Permission.BILLING_READ)
    may_write = access.allowed(Permission.BILLING_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        private_offer_id: str,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            row = offers.private.get(tx, viewer, private_offer_id)
            accepted = offers.private.accepted(tx, viewer, private_offer_id)
            names = offers.plan_names(tx, [plan_id for plan_id, _ in row.prices])
        page = PrivateOfferPage(
            row,
            [(plan_id, names[plan_id], plan_words(terms)) for plan_id, terms in row.prices],
            accepted,
            clock.now() > row.accept_by,
            viewer.may(Permission.BILLING_WRITE),
            errors or FieldErrors(),
        )
        return portal.shell.page(request, "private_offer.html", page, viewer=viewer, status=status)

    @router.get("/private-offers/{private_offer_id}")
    def private_offer(
        request: Request, private_offer_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return answer(request, viewer, private_offer_id)

    @router.post("/private-offers/{private_offer_id}/accept", dependencies=own_form)
    def accept(
        request: Request,
        private_offer_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        try:
            if not fields.is_checked("is_read"):
                raise InvalidInput(  # noqa: TRY301  one list of what stands in the way
                    "say that you have read the terms", hint="tick the box beside their hash"
                )
            read_hash = _hash(fields.text("terms_sha256"))
            with database.transaction() as tx:
                offers.private.accept(tx, viewer, viewer.by, private_offer_id, read_hash)
        except NotFound:
            raise
        except (Conflict, InvalidInput) as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, private_offer_id, errors, HTTPStatus(error.status))
        return RedirectResponse(f"/private-offers/{private_offer_id}", HTTPStatus.SEE_OTHER)


def _hash(text: str) -> bytes:
    try:
        return binascii.unhexlify(text[:64])
    except (binascii.Error, UnicodeEncodeError):
        raise InvalidInput("this is no hash of terms", hint="open the page again") from None
