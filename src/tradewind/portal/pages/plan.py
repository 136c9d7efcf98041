"""The editor of a plan: what it costs, and what it would have charged for past usage."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.market.simulator import Question, Simulation
from tradewind.features.sales.schemas import OfferRow
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.plan_form import KINDS, KNOWN_METERS, PlanForm, form_of, read, terms_of
from tradewind.portal.plan_words import PlanWords, money, plan_words
from tradewind.readmodels.prices import model_names

_DAYS = 30


@dataclass(frozen=True, slots=True)
class PlanPage:
    offer: OfferRow
    form: PlanForm
    errors: FieldErrors
    is_new: bool
    words: PlanWords | None = None
    """Of what was typed, where that is right."""
    simulation: Simulation | None = None
    cannot_simulate: str = ""
    days: int = _DAYS
    kinds: Sequence[tuple[str, str]] = KINDS
    meters: Sequence[str] = KNOWN_METERS

    def money(self, nanos: int) -> str:
        return money(nanos)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, offers = services.database, services.sale_offers
    may_write = access.allowed(Permission.SALES_WRITE)

    def show(
        request: Request, viewer: Viewer, page: PlanPage, status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        return portal.shell.page(request, "plan.html", page, viewer=viewer, status=status)

    @router.get("/sales/{offer_id}/plan")
    def edit(
        request: Request,
        offer_id: str,
        viewer: Annotated[Viewer, Depends(may_write)],
        of: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        with database.transaction() as tx:
            offer = offers.get_own(tx, viewer, offer_id)
            plans = offers.plans(tx, viewer, offer_id)
        former = next((plan for plan in plans if plan.plan_id == of), None)
        form = PlanForm() if former is None else form_of(former)
        return show(request, viewer, PlanPage(offer, form, FieldErrors(), former is None))

    @router.post("/sales/{offer_id}/plan", dependencies=[Depends(access.own_form)])
    def save(
        request: Request,
        offer_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read(fields), FieldErrors()
        action, is_new = fields.text("action"), fields.is_checked("is_new")
        with database.transaction() as tx:
            offer = offers.get_own(tx, viewer, offer_id)
        if action == "add":
            return show(request, viewer, PlanPage(offer, form.with_another(), errors, is_new))
        terms = terms_of(form, errors)
        if not form.name:
            errors.say("name", "the plan has no name", "buyers choose by it")
        if terms is None or errors:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return show(request, viewer, PlanPage(offer, form, errors, is_new), status)
        if action != "save":
            simulation, why = None, ""
            with database.transaction() as tx:
                try:
                    simulation = _simulated(tx, portal, viewer, offer, terms)
                except (Forbidden, InvalidInput) as error:
                    why = str(error)
            page = PlanPage(offer, form, errors, is_new, plan_words(terms), simulation, why)
            return show(request, viewer, page)
        try:
            with database.transaction() as tx:
                offers.put_plan(
                    tx,
                    viewer,
                    viewer.by,
                    offer_id,
                    form.name,
                    terms,
                    text=form.text,
                    is_public=form.is_public,
                )
        except (Conflict, InvalidInput) as error:
            errors.add(WHOLE_FORM, error)
            page = PlanPage(offer, form, errors, is_new, plan_words(terms))
            return show(request, viewer, page, HTTPStatus(error.status))
        return RedirectResponse(f"/sales/{offer_id}", HTTPStatus.SEE_OTHER)

    return router


def _simulated(
    tx: Connection, portal: Portal, viewer: Viewer, offer: OfferRow, terms: PlanTerms
) -> Simulation | None:
    """Rate the past month of the offer's model; an app has no usage that the platform counts."""
    if offer.model_id is None:
        return None
    names = model_names(tx, [offer.model_id])
    question = Question(terms, tuple(names.values()), None, _DAYS)
    return portal.services.prices.simulator.simulate(tx, viewer, question)
