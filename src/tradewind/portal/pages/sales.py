"""Sales: what the organization's publishers put up for sale, and who has subscribed to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.sales.schemas import OfferRow, PlanRow, SubscriptionRow
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal
from tradewind.portal.plan_words import PlanWords, plan_words
from tradewind.portal.sale_forms import KINDS, LICENSINGS, OfferForm, offer_of, read_offer
from tradewind.readmodels.prices import publishers_of

_MOVES = ("activate", "suspend", "reinstate", "cancel")
_REASON_MAX = 180


@dataclass(frozen=True, slots=True)
class SalesPage:
    offers: Sequence[OfferRow]
    publishers: Sequence[tuple[str, str]]
    can_write: bool
    form: OfferForm
    errors: FieldErrors
    kinds: Sequence[tuple[str, str]] = KINDS
    licensings: Sequence[tuple[str, str]] = LICENSINGS


@dataclass(frozen=True, slots=True)
class OfferPage:
    offer: OfferRow
    plans: Sequence[PlanRow]
    """On sale now."""
    former: Sequence[PlanRow]
    sold: Sequence[SubscriptionRow]
    can_write: bool
    errors: FieldErrors = field(default_factory=FieldErrors)
    licensings: dict[str, str] = field(default_factory=lambda: dict(LICENSINGS))

    def words(self, plan: PlanRow) -> PlanWords:
        return plan_words(plan.terms)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    _add_offers(router, portal)
    _add_offer(router, portal)
    return router


def _add_offers(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, offers = services.database, services.sale_offers
    may_read = access.allowed(Permission.SALES_READ)
    may_write = access.allowed(Permission.SALES_WRITE)

    def answer(
        request: Request,
        viewer: Viewer,
        form: OfferForm | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            rows = offers.list_own(tx, viewer)
            owned = publishers_of(tx, viewer.organization_id)
        page = SalesPage(
            rows,
            [(slug, slug) for slug in owned],
            viewer.may(Permission.SALES_WRITE),
            form or OfferForm(),
            errors or FieldErrors(),
        )
        return portal.shell.page(request, "sales.html", page, viewer=viewer, status=status)

    @router.get("/sales")
    def sales(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/sales", dependencies=[Depends(access.own_form)])
    def create(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = read_offer(fields), FieldErrors()
        new = offer_of(form, errors)
        if new is not None:
            try:
                with database.transaction() as tx:
                    made = offers.create(tx, viewer, viewer.by, new)
                return RedirectResponse(f"/sales/{made.offer_id}", HTTPStatus.SEE_OTHER)
            except NotFound as error:
                errors.add("model", error)
            except Forbidden as error:
                errors.add("publisher", error)
            except InvalidInput as error:
                errors.add(WHOLE_FORM, error)
        return answer(request, viewer, form, errors, HTTPStatus.UNPROCESSABLE_ENTITY)


def _add_offer(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, offers, sales = services.database, services.sale_offers, services.sales
    may_read = access.allowed(Permission.SALES_READ)
    may_write = access.allowed(Permission.SALES_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        offer_id: str,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            offer = offers.get_own(tx, viewer, offer_id)
            plans = offers.plans(tx, viewer, offer_id)
            sold = sales.list_sold(tx, viewer, offer_id)
        page = OfferPage(
            offer,
            [plan for plan in plans if plan.state == "live"],
            [plan for plan in plans if plan.state != "live"],
            sold,
            viewer.may(Permission.SALES_WRITE),
            errors or FieldErrors(),
        )
        return portal.shell.page(request, "sale_offer.html", page, viewer=viewer, status=status)

    def attempt(
        request: Request, viewer: Viewer, offer_id: str, act: Callable[[Connection], object]
    ) -> Response:
        errors = FieldErrors()
        try:
            with database.transaction() as tx:
                act(tx)
        except (Conflict, InvalidInput) as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, offer_id, errors, HTTPStatus(error.status))
        return RedirectResponse(f"/sales/{offer_id}", HTTPStatus.SEE_OTHER)

    @router.get("/sales/{offer_id}")
    def offer(
        request: Request, offer_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return answer(request, viewer, offer_id)

    @router.post("/sales/{offer_id}/publish", dependencies=own_form)
    def publish(
        request: Request, offer_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return attempt(request, viewer, offer_id, lambda tx: offers.publish(tx, viewer, offer_id))

    @router.post("/sales/{offer_id}/withdraw", dependencies=own_form)
    def withdraw(
        request: Request, offer_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return attempt(request, viewer, offer_id, lambda tx: offers.withdraw(tx, viewer, offer_id))

    @router.post("/sales/{offer_id}/subscriptions/{subscription_id}", dependencies=own_form)
    def move(
        request: Request,
        offer_id: str,
        subscription_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        def act(tx: Connection) -> None:
            _move(tx, portal, viewer, subscription_id, fields)

        return attempt(request, viewer, offer_id, act)


def _move(
    tx: Connection, portal: Portal, viewer: Viewer, subscription_id: str, fields: FormFields
) -> None:
    sales, by = portal.services.sales, viewer.by
    reason = fields.text("reason").strip()[:_REASON_MAX]
    match fields.text("move"):
        case "activate":
            sales.activate(tx, viewer, by, subscription_id)
        case "suspend":
            if not reason:
                raise InvalidInput("say why it is suspended", hint="the buyer reads it")
            sales.suspend_sold(tx, viewer, by, subscription_id, reason)
        case "reinstate":
            sales.reinstate_sold(tx, viewer, by, subscription_id)
        case "cancel":
            sales.cancel_sold(tx, viewer, by, subscription_id, is_now=True, reason=reason)
        case _:
            raise InvalidInput(f"a subscription is moved by one of {', '.join(_MOVES)}")
