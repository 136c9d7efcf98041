"""Earnings of a publisher: the waterfall, where it is paid, statements and payouts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import InvalidInput, NotFound, PreconditionFailed
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.catalog.schemas import PublisherRow
from tradewind.features.payouts.papers.formats import StatementFormat, file_name, paper
from tradewind.features.payouts.papers.words import line_words, paid_words, steps
from tradewind.features.payouts.rules.bank_accounts import masked_iban
from tradewind.features.payouts.schemas import (
    Destination,
    NewProfile,
    Payout,
    Profile,
    ReviewHold,
    StatementContent,
    StatementRow,
    Terms,
    Waterfall,
    Way,
)
from tradewind.portal.amounts import amount
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal
from tradewind.portal.waterfalls import Step, steps_of

_ROWS = 50
_LONGEST = 100
_WAYS = ((Way.BANK.value, "By bank transfer"), (Way.STRIPE.value, "To an account at Stripe"))


@dataclass(frozen=True, slots=True)
class EarningsPage:
    owned: Sequence[PublisherRow]
    publisher: PublisherRow | None
    falls: Sequence[tuple[Waterfall, Sequence[Step], bool]]
    """The last says whether it is what the ledger has."""
    profile: Profile | None
    terms: Terms
    hold: ReviewHold | None
    statements: Sequence[StatementRow]
    payouts: Sequence[Payout]
    can_write: bool
    fields: FormFields
    errors: FieldErrors = field(default_factory=FieldErrors)
    ways: Sequence[tuple[str, str]] = _WAYS

    @staticmethod
    def money(nanos: int) -> str:
        return format_nanos(nanos, digits=2)

    @staticmethod
    def exact(nanos: int) -> str:
        return format_nanos(nanos)

    @staticmethod
    def masked(iban: str) -> str:
        return masked_iban(iban)


@dataclass(frozen=True, slots=True)
class StatementPage:
    content: StatementContent
    payout: Payout | None
    formats: Sequence[StatementFormat] = tuple(StatementFormat)
    line_words = staticmethod(line_words)
    paid_words = staticmethod(paid_words)
    steps = staticmethod(steps)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    _add_earnings(router, portal)
    _add_statements(router, portal)
    return router


def _add_earnings(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, payouts = services.database, services.payouts
    may_read = access.allowed(Permission.SALES_READ)
    may_write = access.allowed(Permission.SALES_WRITE)

    def answer(  # noqa: PLR0917  what a page is asked with
        request: Request,
        viewer: Viewer,
        slug: str | None,
        fields: FormFields | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            owned = payouts.profiles.owned(tx, viewer)
            chosen = next((row for row in owned if slug in {None, row.slug}), None)
            if chosen is None and slug is not None:
                raise NotFound(f"your organization is not the publisher {slug[:80]!r}")
            own = "" if chosen is None else chosen.slug
            profile = payouts.profiles.get(tx, viewer, own) if own else None
            falls = payouts.reader.waterfalls(tx, viewer, own) if own else []
            page = EarningsPage(
                owned=owned,
                publisher=chosen,
                falls=[(fall, steps_of(fall), _agrees(portal, tx, fall)) for fall in falls],
                profile=profile,
                terms=payouts.profiles.terms(tx, viewer, own) if own else Terms(),
                hold=payouts.profiles.hold_of(tx, viewer, own) if own else None,
                statements=payouts.reader.statements(tx, viewer, [own] if own else [], limit=_ROWS),
                payouts=payouts.reader.payouts(tx, viewer, [own] if own else [], limit=_ROWS),
                can_write=viewer.may(Permission.SALES_WRITE),
                fields=fields or _filled(profile),
                errors=errors or FieldErrors(),
            )
        return portal.shell.page(request, "earnings.html", page, viewer=viewer, status=status)

    @router.get("/earnings")
    def earnings(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        publisher: Annotated[str | None, Query(max_length=_LONGEST)] = None,
    ) -> Response:
        return answer(request, viewer, publisher)

    @router.post("/earnings/{slug}/profile", dependencies=[Depends(access.own_form)])
    def set_profile(
        request: Request,
        slug: Annotated[str, Path(max_length=_LONGEST)],
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        try:
            new = _typed(fields)
            revision = int(fields.text("revision")[:9] or "0")
            by = viewer.by
            with database.transaction() as tx:
                payouts.profiles.set(tx, viewer, slug, new, by=by, revision=revision)
        except (InvalidInput, PreconditionFailed, ValueError) as error:
            known = error if isinstance(error, InvalidInput | PreconditionFailed) else None
            errors.add(WHOLE_FORM, known or InvalidInput("the form is out of date"))
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return answer(request, viewer, slug, fields, errors, status)
        return RedirectResponse(f"/earnings?publisher={slug}#account", HTTPStatus.SEE_OTHER)


def _add_statements(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, reader = services.database, services.payouts.reader
    may_read = access.allowed(Permission.SALES_READ)

    @router.get("/earnings/statements/{statement_id}")
    def statement(
        request: Request,
        statement_id: Annotated[str, Path(max_length=_LONGEST)],
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        with database.transaction() as tx:
            found, payout = reader.statement(tx, viewer, statement_id)
        page = StatementPage(found.content, payout)
        return portal.shell.page(request, "statement.html", page, viewer=viewer)

    @router.get("/earnings/statements/{statement_id}/paper")
    def file(
        statement_id: Annotated[str, Path(max_length=_LONGEST)],
        viewer: Annotated[Viewer, Depends(may_read)],
        form: Annotated[StatementFormat, Query(alias="format")] = StatementFormat.PDF,
    ) -> Response:
        with database.transaction() as tx:
            found, _ = reader.statement(tx, viewer, statement_id)
        name = file_name(found.content, form)
        return Response(
            paper(found, form),
            media_type=form.media_type,
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )


def _agrees(portal: Portal, tx: Connection, fall: Waterfall) -> bool:
    return portal.services.payouts.reader.ledger_nanos(tx, fall) == fall.balance_nanos


def _filled(profile: Profile | None) -> FormFields:
    """Return the fields of a profile; its account number is typed anew with each change."""
    if profile is None:
        return FormFields({"way": [Way.BANK.value], "currency": ["USD"]})
    to = profile.destination
    return FormFields(
        {
            "way": [to.way.value],
            "name": [to.name],
            "bic": [to.bic],
            "account": [to.account],
            "currency": [profile.currency],
            "minimum": [format_nanos(profile.minimum_nanos)],
        }
    )


def _typed(fields: FormFields) -> NewProfile:
    """Raises InvalidInput."""
    try:
        way = Way(fields.text("way"))
    except ValueError:
        raise InvalidInput("choose how to be paid") from None
    is_bank = way is Way.BANK
    name, currency = fields.text("name")[:_LONGEST], fields.text("currency").strip().upper()[:3]
    to = Destination(
        way,
        name,
        fields.text("iban")[:_LONGEST] if is_bank else "",
        fields.text("bic")[:_LONGEST] if is_bank else "",
        "" if is_bank else fields.text("account")[:_LONGEST],
    )
    return NewProfile(to, currency, amount(fields.text("minimum"), "the minimum") or 0)
