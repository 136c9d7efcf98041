"""Releases: what each still lacks, impact assessments, waivers, and what waits for reviewers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    TradewindError,
)
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, may_review
from tradewind.features.trust.rows import parse_subject
from tradewind.features.trust.rules.assessments import (
    RESTRICTED_USES,
    USES_MAX,
    absent,
    restricted_uses_of,
    reviewers_needed,
)
from tradewind.features.trust.schemas import (
    NEVER_WAIVED,
    Assessment,
    AssessmentRow,
    AssessmentState,
    Gate,
    GateReport,
    IntendedUse,
    Release,
    Subject,
    SubjectKind,
    TrailRow,
    WaiverRow,
    WaiverState,
)
from tradewind.portal.assessment_form import (
    CHECKS,
    COMPLEXITIES,
    FORM_PARTS,
    TEXTS,
    USE_TEXTS,
    FormField,
    label_of,
    read,
)
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal
from tradewind.portal.revisions import revision_of

GATE_LABELS: Mapping[Gate, str] = {
    Gate.VALIDATION: "Validation",
    Gate.SCAN: "Scan of its files",
    Gate.ASSESSMENT: "Impact assessment",
    Gate.RESTRICTED_USE: "No restricted use",
    Gate.RED_TEAM: "Red team",
    Gate.OVER_REFUSAL: "Answers what is harmless",
    Gate.TRANSPARENCY_NOTE: "Transparency note",
}
ENDING_DAYS = 30
_LONGEST_REASON = 2_100
_REFUSALS = (Conflict, Forbidden, InvalidInput, NotFound, PreconditionFailed)
_Id = Annotated[str, Path(max_length=100)]


@dataclass(frozen=True, slots=True)
class ReleasesPage:
    reports: Sequence[GateReport]
    """Of what the organization has assessed."""
    is_reviewer: bool
    can_write: bool
    waiting: Sequence[AssessmentRow] = ()
    waivers: Sequence[WaiverRow] = ()
    ending: Sequence[AssessmentRow] = ()
    name: str = ""
    refusal: TradewindError | None = None
    gates: Mapping[Gate, str] = field(default_factory=lambda: GATE_LABELS)


@dataclass(frozen=True, slots=True)
class ReleasePage:
    subject: Subject
    reports: Sequence[GateReport]
    assessments: Sequence[AssessmentRow]
    waivers: Sequence[WaiverRow]
    trail: Sequence[TrailRow]
    is_own: bool
    can_write: bool
    can_decide: bool
    user_id: str
    until: str
    """The day a waiver that is asked for ends on, where nobody says another."""
    reason: str = ""
    refusal: TradewindError | None = None
    gates: Mapping[Gate, str] = field(default_factory=lambda: GATE_LABELS)

    @property
    def waivable(self) -> list[Gate]:
        """Gates that are not passed and that somebody may go past."""
        found = [result.gate for report in self.reports for result in report.open]
        asked = {row.gate for row in self.waivers if row.state is WaiverState.ASKED}
        return [gate for gate in dict.fromkeys(found) if gate not in NEVER_WAIVED | asked]


@dataclass(frozen=True, slots=True)
class AssessmentPage:
    row: AssessmentRow
    content: Assessment
    """What is in the form: as it was typed, where it could not be kept."""
    can_write: bool
    can_decide: bool
    is_own: bool
    """The viewer handed it in, so another person decides."""
    absent: Sequence[str]
    needed: int
    reason: str = ""
    refusal: TradewindError | None = None
    parts: Sequence[tuple[str, Sequence[str]]] = FORM_PARTS
    texts: Mapping[str, FormField] = field(default_factory=lambda: TEXTS)
    use_texts: Sequence[FormField] = USE_TEXTS
    checks: Mapping[str, str] = field(default_factory=lambda: CHECKS)
    restricted: Mapping[str, str] = field(default_factory=lambda: RESTRICTED_USES)
    complexities: Sequence[tuple[str, str]] = COMPLEXITIES

    @property
    def is_form(self) -> bool:
        return self.can_write and self.row.state is AssessmentState.DRAFT

    @property
    def restricted_words(self) -> str:
        return "; ".join(restricted_uses_of(self.content))

    @property
    def uses(self) -> list[IntendedUse]:
        """Those there are, and an empty one to fill in."""
        more = [IntendedUse()] if len(self.content.intended_uses) < USES_MAX else []
        return [*self.content.intended_uses, *more]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, trust, clock = services.database, services.trust, services.clock
    may_read = access.allowed(Permission.PUBLISHING_READ)
    may_write = access.allowed(Permission.PUBLISHING_WRITE)
    may_decide = access.allowed(Permission.REVIEWS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/releases")
    def all_of_them(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return _all(request, viewer)

    @router.post("/releases", dependencies=own_form)
    def begin(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        name = fields.text("model").strip()[:200]
        try:
            with database.transaction() as tx:
                subject = parse_subject(f"{SubjectKind.MODEL.value}:{name}")
                row = trust.assessments.begin(tx, viewer, viewer.by, subject)
        except _REFUSALS as error:
            return _all(request, viewer, name=name, refusal=error)
        return _go(f"/releases/assessments/{row.assessment_id}")

    @router.get("/releases/of")
    def one(
        request: Request,
        subject: Annotated[str, Query(max_length=250)],
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        return _one(request, viewer, parse_subject(subject))

    @router.post("/releases/waivers", dependencies=own_form)
    def ask(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        subject = parse_subject(fields.text("subject"))
        reason = fields.text("reason")[:_LONGEST_REASON]
        try:
            gate, ends = _gate_of(fields), _end_of(fields)
            with database.transaction() as tx:
                trust.waivers.ask(
                    tx, viewer, viewer.by, subject, gate, reason=reason, expires_at=ends
                )
        except _REFUSALS as error:
            return _one(request, viewer, subject, reason=reason, refusal=error)
        return _go(_path(subject))

    @router.post("/releases/waivers/{waiver_id}", dependencies=own_form)
    def decide_waiver(
        request: Request,
        waiver_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_decide)],
    ) -> Response:
        with database.transaction() as tx:
            subject = trust.waivers.get(tx, viewer, waiver_id).subject
        decision, reason = fields.text("decision"), fields.text("reason")[:_LONGEST_REASON]
        try:
            with database.transaction() as tx:
                if decision == "revoke":
                    trust.waivers.revoke(tx, viewer, viewer.by, waiver_id, reason)
                else:
                    trust.waivers.decide(
                        tx,
                        viewer,
                        viewer.by,
                        waiver_id,
                        grants=decision == "grant",
                        reason=reason,
                    )
        except _REFUSALS as error:
            return _one(request, viewer, subject, refusal=error)
        return _go(_path(subject))

    @router.get("/releases/assessments/{assessment_id}")
    def assessment(
        request: Request, assessment_id: _Id, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        with database.transaction() as tx:
            row = trust.assessments.get(tx, viewer, assessment_id)
        return _assessment(request, viewer, row)

    @router.post("/releases/assessments/{assessment_id}", dependencies=own_form)
    def act(
        request: Request,
        assessment_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        with database.transaction() as tx:
            row = trust.assessments.get(tx, viewer, assessment_id)
        todo, content = fields.text("action"), read(fields)
        is_form = todo in {"save", "submit"} and row.state is AssessmentState.DRAFT
        act = _acts(portal, viewer, fields, content).get(todo)
        if act is None:
            raise NotFound("there is no such action")
        try:
            with database.transaction() as tx:
                act(tx, row)
        except _REFUSALS as error:
            shown = content if is_form else row.content
            reason = fields.text("reason")[:_LONGEST_REASON]
            return _assessment(request, viewer, row, shown, reason=reason, refusal=error)
        return _go(f"/releases/assessments/{assessment_id}")

    def _all(
        request: Request, viewer: Viewer, *, name: str = "", refusal: TradewindError | None = None
    ) -> Response:
        is_reviewer = may_review(viewer) and viewer.may(Permission.REVIEWS_READ)
        with database.transaction() as tx:
            own = trust.subjects.standing(tx, viewer)
            reports = [
                trust.releases.report(tx, viewer, subject, Release.LISTING) for subject in own
            ]
            waiting = trust.assessments.queue(tx, viewer) if is_reviewer else ()
            waivers = trust.waivers.queue(tx, viewer) if is_reviewer else ()
            ending = trust.assessments.ending(tx, viewer, ENDING_DAYS) if is_reviewer else ()
        page = ReleasesPage(
            reports,
            is_reviewer,
            viewer.may(Permission.PUBLISHING_WRITE),
            waiting,
            waivers,
            ending,
            name,
            refusal,
        )
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(request, "releases.html", page, viewer=viewer, status=status)

    def _one(
        request: Request,
        viewer: Viewer,
        subject: Subject,
        *,
        reason: str = "",
        refusal: TradewindError | None = None,
    ) -> Response:
        kinds = [Release.LISTING]
        if subject.kind is SubjectKind.MODEL:
            kinds.append(Release.GA)
        with database.transaction() as tx:
            owned = trust.subjects.require_seen(tx, viewer, subject)
            page = ReleasePage(
                subject=subject,
                reports=[trust.releases.report(tx, viewer, subject, kind) for kind in kinds],
                assessments=trust.assessments.of_subject(tx, viewer, subject),
                waivers=trust.waivers.of_subject(tx, viewer, subject),
                trail=trust.subjects.trail(tx, viewer, subject),
                is_own=owned.organization_id == viewer.organization_id,
                can_write=viewer.may(Permission.PUBLISHING_WRITE),
                can_decide=may_review(viewer) and viewer.may(Permission.REVIEWS_WRITE),
                user_id=viewer.user_id,
                until=(clock.now() + timedelta(days=ENDING_DAYS)).date().isoformat(),
                reason=reason,
                refusal=refusal,
            )
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(request, "release.html", page, viewer=viewer, status=status)

    def _assessment(
        request: Request,
        viewer: Viewer,
        row: AssessmentRow,
        content: Assessment | None = None,
        *,
        reason: str = "",
        refusal: TradewindError | None = None,
    ) -> Response:
        content = row.content if content is None else content
        is_own = row.organization_id == viewer.organization_id
        page = AssessmentPage(
            row,
            content,
            can_write=is_own and viewer.may(Permission.PUBLISHING_WRITE),
            can_decide=may_review(viewer) and viewer.may(Permission.REVIEWS_WRITE),
            is_own=row.submitted_by_id == viewer.user_id,
            absent=[label_of(name) for name in absent(content)],
            needed=reviewers_needed(content),
            reason=reason,
            refusal=refusal,
        )
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(request, "assessment.html", page, viewer=viewer, status=status)

    return router


def _acts(
    portal: Portal, viewer: Viewer, fields: FormFields, content: Assessment
) -> dict[str, Callable[[Connection, AssessmentRow], object]]:
    """Return what the buttons of an assessment do, by name."""
    assessments, by = portal.services.trust.assessments, viewer.by
    reason = fields.text("reason")[:_LONGEST_REASON]

    def save(tx: Connection, row: AssessmentRow) -> AssessmentRow:
        revision = revision_of(fields)
        return assessments.save(tx, viewer, row.assessment_id, content, revision=revision)

    def submit(tx: Connection, row: AssessmentRow) -> AssessmentRow:
        if row.state is AssessmentState.DRAFT:
            save(tx, row)
        return assessments.submit(tx, viewer, by, row.assessment_id)

    def decide(tx: Connection, row: AssessmentRow) -> AssessmentRow:
        return assessments.decide(
            tx,
            viewer,
            by,
            row.assessment_id,
            approves=fields.text("action") == "approve",
            reason=reason,
            revision=revision_of(fields),
        )

    return {
        "save": save,
        "submit": submit,
        "withdraw": lambda tx, row: assessments.withdraw(tx, viewer, by, row.assessment_id),
        "approve": decide,
        "return": decide,
    }


def _gate_of(fields: FormFields) -> Gate:
    """Raises InvalidInput."""
    gate = fields.text("gate")
    if gate not in set(Gate):
        raise InvalidInput("this is no gate", hint="choose one of those that are not passed")
    return Gate(gate)


def _end_of(fields: FormFields) -> datetime:
    """Return the end of the day that was chosen. Raises InvalidInput."""
    try:
        day = date.fromisoformat(fields.text("until"))
        return datetime.combine(day, time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidInput("this is no day", hint="write it as 2030-01-31") from None


def _path(subject: Subject) -> str:
    return f"/releases/of?{urlencode({'subject': str(subject)})}"


def _go(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
