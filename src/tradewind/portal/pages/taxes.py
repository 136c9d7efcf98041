"""Tax rules: which tax invoices bear, from which day, and until which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.billing.rules.taxes import TaxRule
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.tax_form import KINDS, TREATMENTS, day, empty_form, rule_of, typed


@dataclass(frozen=True, slots=True)
class TaxesPage:
    rules: Sequence[tuple[str, TaxRule]]
    """In the order in which they are looked at: the particular before the general."""
    today: date
    form: Mapping[str, str]
    can_write: bool
    errors: FieldErrors = field(default_factory=FieldErrors)
    treatments: Sequence[tuple[str, str]] = TREATMENTS
    kinds: Sequence[tuple[str, str]] = KINDS

    def state(self, rule: TaxRule) -> str:
        if self.today < rule.valid_from:
            return "from later on"
        return "in force" if self.today < rule.valid_until else "ended"

    @staticmethod
    def rate(rule: TaxRule) -> str:
        return f"{Decimal(rule.rate_ppm).scaleb(-4).normalize():f} %"

    @staticmethod
    def since(rule: TaxRule) -> str:
        return "always" if rule.valid_from == date.min else f"{rule.valid_from}"

    @staticmethod
    def is_open(rule: TaxRule) -> bool:
        return rule.valid_until == date.max


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
        form: Mapping[str, str] | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        today = services.clock.now().date()
        with database.transaction() as tx:
            found = office.tax_rules(tx, viewer)
        page = TaxesPage(
            rules=sorted(found, key=_place),
            today=today,
            form=form or empty_form(today),
            can_write=viewer.may(Permission.FINANCE_WRITE),
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(request, "taxes.html", page, viewer=viewer, status=status)

    @router.get("/taxes")
    def taxes(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/taxes", dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = typed(fields), FieldErrors()
        rule = rule_of(form, errors)
        if rule is not None:
            try:
                with database.transaction() as tx:
                    office.add_tax_rule(tx, viewer, rule)
            except Conflict as error:
                errors.add(WHOLE_FORM, error)
        if errors:
            return answer(request, viewer, form, errors, HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse("/taxes", HTTPStatus.SEE_OTHER)

    @router.post("/taxes/{rule_id}", dependencies=own_form)
    def change(
        request: Request,
        rule_id: Annotated[str, Path(max_length=100)],
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        try:
            with database.transaction() as tx:
                if fields.is_checked("remove"):
                    office.remove_tax_rule(tx, viewer, rule_id)
                elif (ends := day(fields.text("valid_until"), WHOLE_FORM, errors)) is not None:
                    office.end_tax_rule(tx, viewer, rule_id, ends)
        except (InvalidInput, NotFound) as error:
            errors.add(WHOLE_FORM, error)
        if errors:
            return answer(request, viewer, None, errors, HTTPStatus.UNPROCESSABLE_ENTITY)
        return RedirectResponse("/taxes", HTTPStatus.SEE_OTHER)

    return router


def _place(each: tuple[str, TaxRule]) -> tuple[str, str, str, date]:
    rule = each[1]
    kind = "" if rule.buyer_kind is None else rule.buyer_kind.value
    return rule.seller_country, rule.buyer_country, kind, rule.valid_from
