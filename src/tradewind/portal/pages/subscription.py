"""One subscription: its terms, its trail, and what can be done with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, PreconditionFailed
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.sales.rules.agreement import canonical_hash
from tradewind.features.sales.schemas import (
    ChangePreview,
    Confirmation,
    EventRow,
    PlanRow,
    SubscriptionRow,
)
from tradewind.portal.amounts import count
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.pages.subscriptions import who_pays
from tradewind.portal.parts import Portal
from tradewind.portal.payer_words import PayerWords
from tradewind.portal.plan_words import PlanWords, money, plan_words

_CHANGEABLE = frozenset({"trial", "active"})


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    row: SubscriptionRow
    events: Sequence[EventRow]
    plans: Sequence[PlanRow]
    """To which it can be changed."""
    payer: PayerWords
    can_write: bool
    plan_id: str = ""
    """As chosen in the form."""
    quantity: str = ""
    preview: ChangePreview | None = None
    errors: FieldErrors = field(default_factory=FieldErrors)

    @property
    def words(self) -> PlanWords:
        return plan_words(self.row.terms, self.row.quantity)

    @property
    def new_words(self) -> PlanWords | None:
        if self.preview is None:
            return None
        return plan_words(self.preview.terms, self.preview.quantity)

    @property
    def new_sha256(self) -> str:
        return "" if self.preview is None else canonical_hash(self.preview.terms)

    @property
    def can_change(self) -> bool:
        return self.can_write and self.row.state in _CHANGEABLE

    @property
    def choices(self) -> list[tuple[str, str]]:
        held = [(self.row.plan_id, f"{self.row.plan_name} (as now)")]
        return held + [
            (plan.plan_id, plan.name) for plan in self.plans if plan.plan_id != self.row.plan_id
        ]

    def money(self, nanos: int) -> str:
        return money(nanos)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, sales = services.database, services.sales
    may_read = access.allowed(Permission.BILLING_READ)
    may_write = access.allowed(Permission.BILLING_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(  # noqa: PLR0917  the state of a form
        request: Request,
        viewer: Viewer,
        subscription_id: str,
        fields: FormFields | None = None,
        preview: ChangePreview | None = None,
        errors: FieldErrors | None = None,
    ) -> Response:
        errors = errors or FieldErrors()
        with database.transaction() as tx:
            row = sales.get(tx, viewer, subscription_id)
            page = SubscriptionPage(
                row,
                sales.events(tx, viewer, subscription_id),
                services.sale_offers.plans_on_sale(tx, viewer, row.offer_id),
                who_pays(tx, portal, viewer),
                viewer.may(Permission.BILLING_WRITE),
                row.plan_id if fields is None else fields.text("plan")[:100],
                str(row.quantity) if fields is None else fields.text("quantity")[:10],
                preview,
                errors,
            )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        return portal.shell.page(request, "subscription.html", page, viewer=viewer, status=status)

    @router.get("/subscriptions/{subscription_id}")
    def subscription(
        request: Request, subscription_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return answer(request, viewer, subscription_id)

    @router.post("/subscriptions/{subscription_id}/change", dependencies=own_form)
    def change(
        request: Request,
        subscription_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors, preview = FieldErrors(), None
        quantity: int | None = None
        with errors.at("quantity"):
            quantity = count(fields.text("quantity"), "the quantity")
        plan_id = fields.text("plan")[:100] or None
        is_asked = fields.text("action") == "change"
        if is_asked and not fields.is_checked("is_agreed"):
            errors.say("is_agreed", "nobody has agreed to who pays", "tick the box")
        try:
            with database.transaction() as tx:
                preview = sales.preview_change(
                    tx, viewer, subscription_id, plan_id=plan_id, quantity=quantity
                )
                if is_asked and not errors:
                    payer = who_pays(tx, portal, viewer)
                    words = plan_words(preview.terms, preview.quantity)
                    sales.change_plan(
                        tx,
                        viewer,
                        viewer.by,
                        subscription_id,
                        plan_id=plan_id,
                        quantity=quantity,
                        confirmation=Confirmation(
                            payer.payer,
                            words.sentence[:2000],
                            payer.cap,
                            fields.text("terms_sha256")[:64] or "?",
                        ),
                        revision=_revision(fields),
                    )
                    return RedirectResponse(
                        f"/subscriptions/{subscription_id}", HTTPStatus.SEE_OTHER
                    )
        except (Conflict, InvalidInput, PreconditionFailed) as error:
            errors.add(WHOLE_FORM, error)
        return answer(request, viewer, subscription_id, fields, preview, errors)

    @router.post("/subscriptions/{subscription_id}/{move}", dependencies=own_form)
    def make(
        request: Request,
        subscription_id: str,
        move: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        try:
            with database.transaction() as tx:
                _MOVES.get(move, _unknown)(tx, portal, viewer, subscription_id, fields)
        except (Conflict, InvalidInput) as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, subscription_id, errors=errors)
        return RedirectResponse(f"/subscriptions/{subscription_id}", HTTPStatus.SEE_OTHER)

    return router


def _pause(tx: Connection, portal: Portal, viewer: Viewer, which: str, _: FormFields) -> None:
    portal.services.sales.pause(tx, viewer, viewer.by, which)


def _resume(tx: Connection, portal: Portal, viewer: Viewer, which: str, _: FormFields) -> None:
    portal.services.sales.resume(tx, viewer, viewer.by, which)


def _renew(tx: Connection, portal: Portal, viewer: Viewer, which: str, _: FormFields) -> None:
    portal.services.sales.renew(tx, viewer, viewer.by, which)


def _cancel(tx: Connection, portal: Portal, viewer: Viewer, which: str, fields: FormFields) -> None:
    is_now = fields.text("when") == "now"
    if is_now and not fields.is_checked("is_sure"):
        raise InvalidInput(
            "ending it now gives nothing back of its fee", hint="tick the box if that is meant"
        )
    portal.services.sales.cancel(tx, viewer, viewer.by, which, is_now=is_now)


def _unknown(_tx: Connection, _portal: Portal, _viewer: Viewer, _which: str, _: FormFields) -> None:
    raise InvalidInput(f"a subscription is moved by one of {', '.join(_MOVES)}")


_MOVES: dict[str, Callable[[Connection, Portal, Viewer, str, FormFields], None]] = {
    "pause": _pause,
    "resume": _resume,
    "renew": _renew,
    "cancel": _cancel,
}


def _revision(fields: FormFields) -> int:
    """Return the revision that the form was opened with."""
    text = fields.text("revision")
    return int(text) if text.isascii() and text.isdigit() and len(text) < len("10000000") else -1
