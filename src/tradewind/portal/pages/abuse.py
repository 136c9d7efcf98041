"""Abuse: the own standing of an organization, its cases and appeals, and the queue of reviewers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound, TradewindError
from tradewind.core.permissions import Permission
from tradewind.features.abuse.opt_outs import TERMS, TERMS_SHA256
from tradewind.features.abuse.schemas import (
    AppealRow,
    AppealState,
    CaseRow,
    CaseState,
    FlaggedCall,
    GrantRow,
    KeptContent,
    OptOutRow,
    OptOutState,
    Standing,
    TrailRow,
)
from tradewind.features.accounts.schemas import Viewer, may_review
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal

WINDOW_WORDS: Mapping[str, str] = {"hour": "This hour", "day": "A day", "week": "A week"}
_LONGEST_TEXT = 20_100
_OPT_OUT_DAYS = 180
_REFUSALS = (Conflict, Forbidden, InvalidInput, NotFound)
_Id = Annotated[str, Path(max_length=100)]


@dataclass(frozen=True, slots=True)
class AbusePage:
    own: Standing | None
    keys: Sequence[Standing]
    """Of the organization, those with a score."""
    cases: Sequence[CaseRow]
    opt_outs: Sequence[OptOutRow]
    trail: Sequence[TrailRow]
    can_write: bool
    until: str
    is_reviewer: bool
    user_id: str
    queue: Sequence[CaseRow] = ()
    appeals: Sequence[AppealRow] = ()
    opt_out_queue: Sequence[OptOutRow] = ()
    reason: str = ""
    refusal: TradewindError | None = None
    terms: str = TERMS
    terms_sha256: str = TERMS_SHA256
    windows: Mapping[str, str] = field(default_factory=lambda: WINDOW_WORDS)

    @property
    def has_opt_out(self) -> bool:
        return any(row.state in {OptOutState.SIGNED, OptOutState.IN_FORCE} for row in self.opt_outs)


@dataclass(frozen=True, slots=True)
class CasePage:
    row: CaseRow
    calls: Sequence[FlaggedCall]
    appeals: Sequence[AppealRow]
    grants: Sequence[GrantRow]
    trail: Sequence[TrailRow]
    is_own: bool
    can_appeal: bool
    is_reviewer: bool
    user_id: str
    now: datetime
    text: str = ""
    refusal: TradewindError | None = None
    read: str = ""
    """The call whose content is shown."""
    content: KeptContent | None = None
    windows: Mapping[str, str] = field(default_factory=lambda: WINDOW_WORDS)

    @property
    def may_look(self) -> bool:
        return any(
            row.granted_to_id == self.user_id and row.expires_at > self.now for row in self.grants
        )

    @property
    def pretty(self) -> str:
        """What was read, as a person reads it."""
        said = msgspec.json.encode({} if self.content is None else self.content._asdict())
        return msgspec.json.format(said, indent=2).decode()

    @property
    def is_open(self) -> bool:
        return self.row.state is not CaseState.CLOSED

    @property
    def waiting(self) -> AppealRow | None:
        return next((row for row in self.appeals if row.state is AppealState.WAITING), None)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, abuse, clock = services.database, services.abuse, services.clock
    may_read = access.allowed(Permission.SAFETY_READ)
    own_form = [Depends(access.own_form)]

    @router.get("/abuse")
    def standing(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return _all(request, viewer)

    @router.post("/abuse", dependencies=own_form)
    def act(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        todo = _opt_out_acts(portal, viewer, fields).get(fields.text("action"))
        if todo is None:
            raise NotFound("there is no such action")
        try:
            with database.transaction() as tx:
                todo(tx)
        except _REFUSALS as error:
            reason = fields.text("reason")[:_LONGEST_TEXT]
            return _all(request, viewer, reason=reason, refusal=error)
        return _go("/abuse")

    @router.get("/abuse/cases/{case_id}")
    def one(
        request: Request, case_id: _Id, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return _one(request, viewer, case_id)

    @router.post("/abuse/cases/{case_id}", dependencies=own_form)
    def decide(
        request: Request,
        case_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        todo = _case_acts(portal, viewer, case_id, fields).get(fields.text("action"))
        if todo is None:
            raise NotFound("there is no such action")
        read = fields.text("call")[:100]
        try:
            with database.transaction() as tx:
                done = todo(tx)
        except _REFUSALS as error:
            text = fields.text("text")[:_LONGEST_TEXT]
            return _one(request, viewer, case_id, text=text, refusal=error)
        if isinstance(done, KeptContent):
            return _one(request, viewer, case_id, read=read, content=done)
        return _go(f"/abuse/cases/{case_id}")

    def _all(
        request: Request,
        viewer: Viewer,
        *,
        reason: str = "",
        refusal: TradewindError | None = None,
    ) -> Response:
        is_reviewer = may_review(viewer)
        with database.transaction() as tx:
            scores = abuse.scoring.own(tx, viewer)
            page = AbusePage(
                own=next((row for row in scores if not row.key_id), None),
                keys=[row for row in scores if row.key_id],
                cases=abuse.cases.list_own(tx, viewer),
                opt_outs=abuse.opt_outs.list_own(tx, viewer),
                trail=abuse.trail.own(tx, viewer),
                can_write=viewer.may(Permission.SAFETY_WRITE),
                until=(clock.now() + timedelta(days=_OPT_OUT_DAYS)).date().isoformat(),
                is_reviewer=is_reviewer,
                user_id=viewer.user_id,
                queue=abuse.cases.queue(tx, viewer) if is_reviewer else (),
                appeals=abuse.appeals.queue(tx, viewer) if is_reviewer else (),
                opt_out_queue=abuse.opt_outs.queue(tx, viewer) if is_reviewer else (),
                reason=reason,
                refusal=refusal,
            )
        return _shown(request, "abuse.html", page, viewer, refusal)

    def _one(
        request: Request,
        viewer: Viewer,
        case_id: str,
        *,
        text: str = "",
        refusal: TradewindError | None = None,
        read: str = "",
        content: KeptContent | None = None,
    ) -> Response:
        with database.transaction() as tx:
            row = abuse.cases.get(tx, viewer, case_id)
            is_own = row.organization_id == viewer.organization_id
            page = CasePage(
                row=row,
                calls=abuse.cases.flagged_calls(tx, viewer, case_id),
                appeals=abuse.appeals.of_case(tx, viewer, case_id),
                grants=abuse.looks.grants(tx, viewer, case_id),
                trail=abuse.cases.trail(tx, viewer, case_id),
                is_own=is_own,
                can_appeal=is_own and viewer.may(Permission.SAFETY_WRITE),
                is_reviewer=may_review(viewer),
                user_id=viewer.user_id,
                now=clock.now(),
                text=text,
                refusal=refusal,
                read=read,
                content=content,
            )
        return _shown(request, "abuse_case.html", page, viewer, refusal)

    def _shown(
        request: Request, name: str, page: object, viewer: Viewer, refusal: TradewindError | None
    ) -> Response:
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(request, name, page, viewer=viewer, status=status)

    return router


_Act = Callable[[Connection], object]


def _opt_out_acts(portal: Portal, viewer: Viewer, fields: FormFields) -> dict[str, _Act]:
    """Return what the buttons of the page do, by name. The services say who may."""
    opt_outs, by = portal.services.abuse.opt_outs, viewer.by
    named, reason = fields.text("opt_out")[:100], fields.text("reason")[:_LONGEST_TEXT]

    def sign(tx: Connection) -> object:
        return opt_outs.sign(
            tx,
            viewer,
            by,
            terms_sha256=fields.text("terms_sha256"),
            reason=reason,
            expires_at=_end_of(fields),
        )

    return {
        "sign": sign,
        "revoke": lambda tx: opt_outs.revoke(tx, viewer, by, named, reason),
        "countersign": lambda tx: opt_outs.decide(tx, viewer, by, named, signs=True),
        "refuse": lambda tx: opt_outs.decide(tx, viewer, by, named, signs=False, reason=reason),
    }


def _case_acts(portal: Portal, viewer: Viewer, case_id: str, fields: FormFields) -> dict[str, _Act]:
    abuse, by = portal.services.abuse, viewer.by
    text = fields.text("text")[:_LONGEST_TEXT]
    appeal = fields.text("appeal")[:100]

    def decide(tx: Connection, *, grants: bool) -> object:
        return abuse.appeals.decide(tx, viewer, by, appeal, grants=grants, reason=text)

    return {
        "take": lambda tx: abuse.cases.take(tx, viewer, by, case_id),
        "notice": lambda tx: abuse.cases.notice(tx, viewer, by, case_id, text),
        "suspend": lambda tx: abuse.cases.suspend(tx, viewer, by, case_id, text),
        "lift": lambda tx: abuse.cases.lift(tx, viewer, by, case_id, text),
        "close": lambda tx: abuse.cases.close(tx, viewer, by, case_id, text),
        "look": lambda tx: abuse.looks.grant(tx, viewer, by, case_id, reason=text),
        "read": lambda tx: abuse.looks.content(tx, viewer, by, case_id, fields.text("call")[:100]),
        "appeal": lambda tx: abuse.appeals.make(tx, viewer, by, case_id, text),
        "grant": lambda tx: decide(tx, grants=True),
        "refuse": lambda tx: decide(tx, grants=False),
    }


def _end_of(fields: FormFields) -> datetime:
    """Return the end of the day that was chosen. Raises InvalidInput."""
    try:
        day = date.fromisoformat(fields.text("until"))
        return datetime.combine(day, time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidInput("this is no day", hint="write it as 2030-01-31") from None


def _go(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
