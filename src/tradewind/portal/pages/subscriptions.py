"""Subscriptions: what the organization has, what it can subscribe to, and who pays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.sales.rules.agreement import canonical_hash
from tradewind.features.sales.rules.life import check_quantity
from tradewind.features.sales.schemas import (
    Confirmation,
    Confirmed,
    OfferRow,
    PlanRow,
    PrivateOfferRow,
    Quote,
    SubscriptionRow,
)
from tradewind.portal.amounts import count
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.payer_words import PayerWords, payer_words
from tradewind.portal.plan_words import PlanWords, plan_words

_LIST_PRICES = "The list price of each call"


@dataclass(frozen=True, slots=True)
class SubscriptionsPage:
    rows: Sequence[SubscriptionRow]
    on_sale: Sequence[tuple[OfferRow, Sequence[PlanRow]]]
    private: Sequence[PrivateOfferRow]
    payer: PayerWords
    confirmed: Confirmed | None
    can_write: bool
    query: str
    errors: FieldErrors

    def words(self, plan: PlanRow) -> PlanWords:
        return plan_words(plan.terms)

    @property
    def taken(self) -> frozenset[str]:
        """Offers that the organization has."""
        return frozenset(row.offer_id for row in self.rows if row.state != "cancelled")


@dataclass(frozen=True, slots=True)
class SubscribePage:
    quote: Quote
    private_offer_id: str
    words: PlanWords
    payer: PayerWords
    terms_sha256: str
    quantity: str = "1"
    beneficiary: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)


def who_pays(tx: Connection, portal: Portal, viewer: Viewer) -> PayerWords:
    """Return who pays for the viewer's organization, as it is shown and then kept."""
    services = portal.services
    account = services.office.own_account(tx, viewer)
    budgets = services.budgets.list_budgets(tx, viewer)
    return payer_words(viewer.organization_name, account, budgets)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    _add_list(router, portal)
    _add_subscribing(router, portal)
    return router


def _add_list(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, sales, offers = services.database, services.sales, services.sale_offers
    may_read = access.allowed(Permission.BILLING_READ)
    may_write = access.allowed(Permission.BILLING_WRITE)

    def answer(
        request: Request,
        viewer: Viewer,
        query: str = "",
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            page = SubscriptionsPage(
                sales.list_own(tx, viewer),
                _found(offers.on_sale(tx, viewer), query),
                offers.private.list_for(tx, viewer),
                who_pays(tx, portal, viewer),
                services.payers.current(tx, viewer),
                viewer.may(Permission.BILLING_WRITE),
                query,
                errors or FieldErrors(),
            )
        return portal.shell.page(request, "subscriptions.html", page, viewer=viewer, status=status)

    @router.get("/subscriptions")
    def subscriptions(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        q: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        return answer(request, viewer, q)

    @router.post("/subscriptions/payer", dependencies=[Depends(access.own_form)])
    def confirm(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        errors = FieldErrors()
        with database.transaction() as tx:
            payer = who_pays(tx, portal, viewer)
            # Somebody may have changed who pays between the page and the click.
            if not fields.is_checked("is_agreed"):
                errors.say("is_agreed", "nobody has agreed", "tick the box")
            elif fields.text("payer") != payer.payer or fields.text("cap") != payer.cap:
                errors.say(WHOLE_FORM, "who pays has changed meanwhile", "read it again")
            else:
                said = Confirmation(payer.payer, _LIST_PRICES, payer.cap)
                services.payers.confirm(tx, viewer, viewer.by, said)
        if errors:
            return answer(request, viewer, "", errors, HTTPStatus.CONFLICT)
        return RedirectResponse("/subscriptions", HTTPStatus.SEE_OTHER)


def _found(
    on_sale: Sequence[tuple[OfferRow, list[PlanRow]]], query: str
) -> list[tuple[OfferRow, Sequence[PlanRow]]]:
    """Return the offers that have every word of a query in name, publisher or description."""
    words = query.lower().split()
    return [
        (row, plans)
        for row, plans in on_sale
        if all(
            word in f"{row.name} {row.publisher_slug} {row.description}".lower() for word in words
        )
    ]


def _add_subscribing(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, sales = services.database, services.sales
    may_write = access.allowed(Permission.BILLING_WRITE)

    def answer(  # noqa: PLR0917  the state of a form
        request: Request,
        viewer: Viewer,
        plan_id: str,
        private_offer_id: str,
        typed: Mapping[str, str],
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            quote = sales.quote(tx, viewer, plan_id, private_offer_id or None)
            payer = who_pays(tx, portal, viewer)
        page = SubscribePage(
            quote,
            private_offer_id,
            plan_words(quote.terms, _quantity(typed.get("quantity", ""))),
            payer,
            canonical_hash(quote.terms),
            typed.get("quantity", "1"),
            typed.get("beneficiary", ""),
            errors or FieldErrors(),
        )
        return portal.shell.page(request, "subscribe.html", page, viewer=viewer, status=status)

    @router.get("/subscriptions/new")
    def look(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        plan: Annotated[str, Query(max_length=100)] = "",
        private: Annotated[str, Query(max_length=100)] = "",
        quantity: Annotated[str, Query(max_length=10)] = "1",
    ) -> Response:
        return answer(request, viewer, plan, private, {"quantity": quantity})

    @router.post("/subscriptions/new", dependencies=[Depends(access.own_form)])
    def subscribe(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        plan_id, private = fields.text("plan")[:100], fields.text("private")[:100]
        typed = {name: fields.text(name).strip()[:200] for name in ("quantity", "beneficiary")}
        errors, status = FieldErrors(), HTTPStatus.UNPROCESSABLE_ENTITY
        quantity = 1
        with errors.at("quantity"):
            quantity = count(typed["quantity"], "the quantity") or 1
        # "Show the price" asks for nothing but the page with what was typed.
        is_asked = fields.text("action") != "price"
        if is_asked and not fields.is_checked("is_agreed"):
            errors.say("is_agreed", "nobody has agreed to who pays", "tick the box")
        if is_asked and not errors:
            try:
                with database.transaction() as tx:
                    payer = who_pays(tx, portal, viewer)
                    quote = sales.quote(tx, viewer, plan_id, private or None)
                    said = Confirmation(
                        fields.text("payer")[:200],
                        plan_words(quote.terms, quantity).sentence[:2000],
                        fields.text("cap")[:200],
                        fields.text("terms_sha256")[:64] or "?",
                    )
                    if (said.payer, said.cap) != (payer.payer, payer.cap):
                        raise Conflict(  # noqa: TRY301  one list of what stands in the way
                            "who pays has changed meanwhile", hint="read it again"
                        )
                    row = sales.subscribe(
                        tx,
                        viewer,
                        viewer.by,
                        plan_id,
                        said,
                        quantity=quantity,
                        private_offer_id=private or None,
                        beneficiary=typed["beneficiary"],
                    )
                return RedirectResponse(
                    f"/subscriptions/{row.subscription_id}", HTTPStatus.SEE_OTHER
                )
            except (Conflict, InvalidInput) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
        return answer(
            request,
            viewer,
            plan_id,
            private,
            typed,
            errors,
            status if errors else HTTPStatus.OK,
        )


def _quantity(text: str) -> int:
    """Return the quantity whose price is shown; 1 where what was typed is none."""
    try:
        quantity = count(text, "the quantity") or 1
        check_quantity(quantity)
    except (Conflict, InvalidInput):
        return 1
    return quantity
