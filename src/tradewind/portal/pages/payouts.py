"""Payouts, for whoever runs the platform: what is owed, runs with four eyes, what stops them."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.payouts.papers.formats import payouts_csv
from tradewind.features.payouts.rules.bank_accounts import masked_iban
from tradewind.features.payouts.schemas import (
    Destination,
    Owed,
    PayoutState,
    ReviewHold,
    Run,
    RunDetail,
    RunStage,
    Source,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal

_ROWS = 50
_LONGEST = 100
_REASON_LONGEST = 500


@dataclass(frozen=True, slots=True)
class PayoutsPage:
    owed: Sequence[Owed]
    runs: Sequence[Run]
    holds: Sequence[ReviewHold]
    sources: Sequence[Source]
    can_write: bool
    key: str
    """Sent with the form, so that a form that is sent twice prepares once."""
    fields: FormFields
    errors: FieldErrors = field(default_factory=FieldErrors)

    @staticmethod
    def money(nanos: int) -> str:
        return format_nanos(nanos, digits=2)

    @staticmethod
    def masked(iban: str) -> str:
        return masked_iban(iban)

    @property
    def currencies(self) -> list[tuple[str, str]]:
        """Those in which somebody is paid."""
        return [(each, each) for each in sorted({row.paid_in for row in self.owed if row.paid_in})]


@dataclass(frozen=True, slots=True)
class RunPage:
    detail: RunDetail
    can_write: bool
    is_same_person: bool
    """Whoever looks prepared it."""
    allows_self_approval: bool
    errors: FieldErrors = field(default_factory=FieldErrors)

    @property
    def run(self) -> Run:
        return self.detail.run

    @property
    def may_approve(self) -> bool:
        return not self.is_same_person or self.allows_self_approval

    def stage_is(self, *names: str) -> bool:
        return self.run.stage in {RunStage(name) for name in names}

    @staticmethod
    def money(nanos: int) -> str:
        return format_nanos(nanos, digits=2)

    @staticmethod
    def target(to: Destination) -> str:
        return masked_iban(to.iban) or to.account

    @staticmethod
    def may_fail(state: PayoutState) -> bool:
        return state in {PayoutState.EXPORTED, PayoutState.CONFIRMED}


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    _add_desk(router, portal)
    _add_run(router, portal)
    return router


def _add_desk(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, payouts = services.database, services.payouts
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        fields: FormFields | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            page = PayoutsPage(
                owed=payouts.profiles.owed(tx, viewer),
                runs=payouts.runs.list_runs(tx, viewer, limit=_ROWS),
                holds=payouts.profiles.holds(tx, viewer),
                sources=payouts.profiles.sources(tx, viewer),
                can_write=viewer.may(Permission.FINANCE_WRITE),
                key=_text(fields, "key") or secrets.token_hex(8),
                fields=fields or FormFields({}),
                errors=errors or FieldErrors(),
            )
        return portal.shell.page(request, "payouts.html", page, viewer=viewer, status=status)

    def done(
        request: Request, viewer: Viewer, fields: FormFields, act: Callable[[], str]
    ) -> Response:
        errors = FieldErrors()
        try:
            return RedirectResponse(act(), HTTPStatus.SEE_OTHER)
        except (Conflict, InvalidInput, NotFound) as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, fields, errors, HTTPStatus(error.status))

    @router.get("/payouts")
    def desk(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return answer(request, viewer)

    @router.post("/payouts/runs", dependencies=own_form)
    def prepare(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        def act() -> str:
            currency = _text(fields, "currency").strip().upper()
            key = _text(fields, "key") or secrets.token_hex(8)
            run = payouts.runs.prepare(database, viewer, currency, key=key, by=viewer.by)
            return f"/payouts/{run.run_id}"

        return done(request, viewer, fields, act)

    @router.post("/payouts/sources", dependencies=own_form)
    def set_source(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        def act() -> str:
            source = Source(
                _text(fields, "source_currency").strip().upper(),
                _text(fields, "name"),
                _text(fields, "iban"),
                _text(fields, "bic"),
            )
            with database.transaction() as tx:
                payouts.profiles.set_source(tx, viewer, source, by=viewer.by)
            return "/payouts#sources"

        return done(request, viewer, fields, act)

    @router.post("/payouts/holds", dependencies=own_form)
    def hold(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        def act() -> str:
            slug, reason = _text(fields, "publisher").strip(), fields.text("reason")
            with database.transaction() as tx:
                if fields.is_checked("lift"):
                    payouts.profiles.lift(tx, viewer, slug, by=viewer.by)
                else:
                    reason = reason[: _REASON_LONGEST + 1]
                    payouts.profiles.hold(tx, viewer, slug, reason, by=viewer.by)
            return "/payouts#holds"

        return done(request, viewer, fields, act)


def _add_run(router: APIRouter, portal: Portal) -> None:
    services, access = portal.services, portal.access
    database, runs = services.database, services.payouts.runs
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    def answer(
        request: Request,
        viewer: Viewer,
        run_id: str,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            detail = runs.detail(tx, viewer, run_id)
        page = RunPage(
            detail,
            can_write=viewer.may(Permission.FINANCE_WRITE),
            is_same_person=detail.run.prepared_by.id == viewer.user_id,
            allows_self_approval=runs.allows_self_approval,
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(request, "payout_run.html", page, viewer=viewer, status=status)

    @router.get("/payouts/{run_id}")
    def one(
        request: Request,
        run_id: Annotated[str, Path(max_length=_LONGEST)],
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        return answer(request, viewer, run_id)

    @router.get("/payouts/{run_id}/file")
    def file(
        run_id: Annotated[str, Path(max_length=_LONGEST)],
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        with database.transaction() as tx:
            data = runs.file(tx, viewer, run_id)
        return _attachment(data, "application/xml", f"{run_id}.xml")

    @router.get("/payouts/{run_id}/payouts.csv")
    def as_csv(
        run_id: Annotated[str, Path(max_length=_LONGEST)],
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        with database.transaction() as tx:
            detail = runs.detail(tx, viewer, run_id)
        return _attachment(payouts_csv(detail.payouts).encode(), "text/csv", f"{run_id}.csv")

    acts: dict[str, Callable[[Connection, Viewer, str, FormFields], object]] = {
        "approve": lambda tx, viewer, run_id, _: runs.approve(tx, viewer, run_id, by=viewer.by),
        "export": lambda tx, viewer, run_id, _: runs.export(tx, viewer, run_id, by=viewer.by),
        "cancel": lambda tx, viewer, run_id, _: runs.cancel(tx, viewer, run_id, by=viewer.by),
        "confirm_all": lambda tx, viewer, run_id, _: runs.confirm_all(
            tx, viewer, run_id, by=viewer.by
        ),
        "confirm": lambda tx, viewer, _, fields: runs.confirm(
            tx, viewer, [_text(fields, "payout")], note="", by=viewer.by
        ),
        "fail": lambda tx, viewer, _, fields: runs.fail(
            tx,
            viewer,
            _text(fields, "payout"),
            reason=fields.text("reason")[: _REASON_LONGEST + 1],
            by=viewer.by,
        ),
    }

    @router.post("/payouts/{run_id}", dependencies=own_form)
    def act(
        request: Request,
        run_id: Annotated[str, Path(max_length=_LONGEST)],
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        try:
            doing = acts.get(_text(fields, "act"))
            if doing is None:
                raise InvalidInput("the form is out of date")  # noqa: TRY301
            with database.transaction() as tx:
                doing(tx, viewer, run_id, fields)
        except (Conflict, Forbidden, InvalidInput) as error:
            errors.add(WHOLE_FORM, error)
            return answer(request, viewer, run_id, errors, HTTPStatus(error.status))
        return RedirectResponse(f"/payouts/{run_id}", HTTPStatus.SEE_OTHER)


def _attachment(data: bytes, media_type: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=media_type, headers=headers)


def _text(fields: FormFields | None, name: str) -> str:
    return "" if fields is None else fields.text(name)[:_LONGEST]
