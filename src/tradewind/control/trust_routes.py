"""The routes of trust: gates of releases, impact assessments, waivers, transparency notes."""

from enum import StrEnum
from typing import Annotated

from fastapi import Path, Query, Response

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.pages import Before
from tradewind.control.services import ControlServices
from tradewind.control.trust_answers import (
    AssessmentAnswer,
    AssessmentBody,
    AssessmentDecisionBody,
    AssessmentList,
    GateReportAnswer,
    GateReports,
    NoteAnswer,
    NoteHistory,
    ReasonOnlyBody,
    ReviewQueue,
    RulesAnswer,
    RulesBody,
    RulesHistory,
    SubjectBody,
    Trail,
    WaiverAnswer,
    WaiverBody,
    WaiverDecisionBody,
    WaiverList,
)
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.permissions import Permission
from tradewind.features.trust.notes import MadeNote
from tradewind.features.trust.papers.html import html
from tradewind.features.trust.rows import parse_subject
from tradewind.features.trust.schemas import AssessmentRow, Release, Subject, SubjectKind

ENDING_DAYS = 30
_Id = Annotated[str, Path(max_length=100)]
_Subject = Annotated[
    str | None,
    Query(
        max_length=250,
        description="What it is about, as `model:acme/tiny`; without it all of the organization's.",
    ),
]
_Part = Annotated[str, Path(max_length=100)]


class NoteFormat(StrEnum):
    JSON = "json"
    MARKDOWN = "md"
    HTML = "html"
    PDF = "pdf"


def add_trust_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/trust`, and notes of models."""
    _add_release_routes(routes, services)
    _add_assessment_routes(routes, services)
    _add_waiver_routes(routes, services)
    _add_note_routes(routes, services)


def _add_release_routes(routes: Routes, services: ControlServices) -> None:
    trust = services.trust
    reads = Permission.PUBLISHING_READ

    @routes.get(
        "/trust/gates",
        permission=reads,
        summary="What a release still lacks: of one subject, or of all that were assessed",
    )
    def gates(
        call: Call, subject: _Subject = None, release: Release = Release.LISTING
    ) -> GateReports:
        about = _named(subject)
        found = trust.subjects.standing(call.tx, call.holder) if about is None else [about]
        return GateReports(
            reports=[
                GateReportAnswer.of(trust.releases.report(call.tx, call.holder, each, release))
                for each in found
            ]
        )

    @routes.get("/trust/trail", permission=reads, summary="Who decided what")
    def trail(call: Call, subject: _Subject = None, before: Before = None) -> Trail:
        rows = trust.subjects.trail(call.tx, call.holder, _named(subject), before=before)
        return Trail.of(rows)

    @routes.get("/trust/rules", permission=reads, summary="Which gates a release has")
    def rules(call: Call) -> RulesAnswer:
        return RulesAnswer.of(trust.releases.rules(call.tx))

    @routes.get(
        "/trust/rules/versions",
        permission=Permission.REVIEWS_READ,
        summary="Who changed the rules of releases, and why",
    )
    def history(call: Call) -> RulesHistory:
        rows = trust.releases.history(call.tx, call.holder)
        return RulesHistory(versions=[RulesAnswer.of(row) for row in rows])

    @routes.patch(
        "/trust/rules",
        permission=Permission.REVIEWS_WRITE,
        summary="Change the rules of releases; what is not named stays",
    )
    def change(call: Call, body: RulesBody) -> RulesAnswer:
        new = body.to_rules(trust.releases.rules(call.tx).rules)
        by = acting(services, call)
        row = trust.releases.set_rules(
            call.tx, call.holder, by, new, reason=body.reason, version=body.version
        )
        return RulesAnswer.of(row)

    @routes.get(
        "/trust/reviews", permission=Permission.REVIEWS_READ, summary="What waits for a reviewer"
    )
    def queue(call: Call) -> ReviewQueue:
        ending = trust.assessments.ending(call.tx, call.holder, ENDING_DAYS)
        return ReviewQueue(
            assessments=[
                AssessmentAnswer.of(row) for row in trust.assessments.queue(call.tx, call.holder)
            ],
            waivers=[WaiverAnswer.of(row) for row in trust.waivers.queue(call.tx, call.holder)],
            ending=[AssessmentAnswer.of(row) for row in ending],
        )


def _add_assessment_routes(routes: Routes, services: ControlServices) -> None:
    assessments = services.trust.assessments
    reads, writes = Permission.PUBLISHING_READ, Permission.PUBLISHING_WRITE

    @routes.get(
        "/trust/assessments",
        permission=reads,
        summary="Impact assessments: the newest of each subject, or all versions of one",
    )
    def all_of_them(call: Call, subject: _Subject = None) -> AssessmentList:
        about = _named(subject)
        if about is None:
            return AssessmentList.of(assessments.list_own(call.tx, call.holder))
        return AssessmentList.of(assessments.of_subject(call.tx, call.holder, about))

    @routes.post(
        "/trust/assessments",
        permission=writes,
        summary="Begin a version, or return the one that is not decided",
    )
    def begin(call: Call, body: SubjectBody, response: Response) -> AssessmentAnswer:
        subject = parse_subject(body.subject)
        row = assessments.begin(call.tx, call.holder, acting(services, call), subject)
        response.headers["location"] = f"/api/trust/assessments/{row.assessment_id}"
        return _shown(row, response)

    @routes.get(
        "/trust/assessments/{assessment_id}", permission=reads, summary="An impact assessment"
    )
    def one(call: Call, assessment_id: _Id, response: Response) -> AssessmentAnswer:
        return _shown(assessments.get(call.tx, call.holder, assessment_id), response)

    @routes.put("/trust/assessments/{assessment_id}", permission=writes, summary="Fill in the form")
    def save(
        call: Call,
        assessment_id: _Id,
        body: AssessmentBody,
        response: Response,
        if_match: IfMatch = None,
    ) -> AssessmentAnswer:
        row = assessments.save(
            call.tx,
            call.holder,
            assessment_id,
            body.to_content(),
            revision=revision_of(if_match),
        )
        return _shown(row, response)

    @routes.post(
        "/trust/assessments/{assessment_id}/submit", permission=writes, summary="Hand it in"
    )
    def submit(
        call: Call, assessment_id: _Id, response: Response, if_match: IfMatch = None
    ) -> AssessmentAnswer:
        row = assessments.submit(
            call.tx,
            call.holder,
            acting(services, call),
            assessment_id,
            revision=revision_of(if_match),
        )
        return _shown(row, response)

    @routes.post(
        "/trust/assessments/{assessment_id}/withdraw", permission=writes, summary="Take it back"
    )
    def withdraw(call: Call, assessment_id: _Id, response: Response) -> AssessmentAnswer:
        by = acting(services, call)
        return _shown(assessments.withdraw(call.tx, call.holder, by, assessment_id), response)

    @routes.post(
        "/trust/assessments/{assessment_id}/decision",
        permission=Permission.REVIEWS_WRITE,
        summary="Approve it, or return it",
    )
    def decide(
        call: Call,
        assessment_id: _Id,
        body: AssessmentDecisionBody,
        response: Response,
        if_match: IfMatch = None,
    ) -> AssessmentAnswer:
        row = assessments.decide(
            call.tx,
            call.holder,
            acting(services, call),
            assessment_id,
            approves=body.approves,
            reason=body.reason,
            revision=revision_of(if_match),
        )
        return _shown(row, response)


def _add_waiver_routes(routes: Routes, services: ControlServices) -> None:
    waivers = services.trust.waivers
    reads, decides = Permission.PUBLISHING_READ, Permission.REVIEWS_WRITE

    @routes.get("/trust/waivers", permission=reads, summary="Waivers, the newest first")
    def all_of_them(call: Call, subject: _Subject = None) -> WaiverList:
        about = _named(subject)
        if about is None:
            return WaiverList.of(waivers.list_own(call.tx, call.holder))
        return WaiverList.of(waivers.of_subject(call.tx, call.holder, about))

    @routes.post(
        "/trust/waivers",
        permission=Permission.PUBLISHING_WRITE,
        summary="Ask to go past a gate for a time",
    )
    def ask(call: Call, body: WaiverBody) -> WaiverAnswer:
        row = waivers.ask(
            call.tx,
            call.holder,
            acting(services, call),
            parse_subject(body.subject),
            body.gate,
            reason=body.reason,
            expires_at=body.expires_at,
        )
        return WaiverAnswer.of(row)

    @routes.post(
        "/trust/waivers/{waiver_id}/decision",
        permission=decides,
        summary="Grant or refuse it, as another person",
    )
    def decide(call: Call, waiver_id: _Id, body: WaiverDecisionBody) -> WaiverAnswer:
        row = waivers.decide(
            call.tx,
            call.holder,
            acting(services, call),
            waiver_id,
            grants=body.grants,
            reason=body.reason,
        )
        return WaiverAnswer.of(row)

    @routes.post("/trust/waivers/{waiver_id}/revoke", permission=decides, summary="End it now")
    def revoke(call: Call, waiver_id: _Id, body: ReasonOnlyBody) -> WaiverAnswer:
        by = acting(services, call)
        return WaiverAnswer.of(waivers.revoke(call.tx, call.holder, by, waiver_id, body.reason))


def _add_note_routes(routes: Routes, services: ControlServices) -> None:
    notes = services.trust.notes
    reads = Permission.CATALOG_READ

    @routes.get(
        "/catalog/models/{publisher}/{slug}/transparency-note",
        permission=reads,
        summary="A transparency note, as JSON, Markdown, HTML or PDF",
        media_type="application/json",
    )
    def note(
        call: Call,
        publisher: _Part,
        slug: _Part,
        format: NoteFormat = NoteFormat.JSON,  # noqa: A002
    ) -> Response:
        made = notes.show(call.tx, call.holder, _model(publisher, slug))
        return Response(*_written(made, format))

    @routes.get(
        "/catalog/models/{publisher}/{slug}/transparency-note/versions",
        permission=reads,
        summary="What the note said before",
    )
    def history(call: Call, publisher: _Part, slug: _Part) -> NoteHistory:
        rows = notes.history(call.tx, call.holder, _model(publisher, slug))
        return NoteHistory(versions=[NoteAnswer.of(row) for row in rows])


def _written(made: MadeNote, form: NoteFormat) -> tuple[bytes, int, None, str]:
    """Return body, status, no headers, and media type."""
    match form:
        case NoteFormat.JSON:
            return NoteAnswer.of(made.row).model_dump_json().encode(), 200, None, "application/json"
        case NoteFormat.MARKDOWN:
            return made.row.markdown.encode(), 200, None, "text/markdown; charset=utf-8"
        case NoteFormat.HTML:
            return html(made.document).encode(), 200, None, "text/html; charset=utf-8"
        case NoteFormat.PDF:
            # fpdf2 brings fonts and images: nothing else waits for its import.
            from tradewind.features.trust.papers.pdf import pdf  # noqa: PLC0415

            return pdf(made.document, made.row.made_at), 200, None, "application/pdf"


def _named(subject: str | None) -> Subject | None:
    """Raises InvalidInput."""
    return None if subject is None else parse_subject(subject)


def _model(publisher: str, slug: str) -> Subject:
    return Subject(SubjectKind.MODEL, f"{publisher}/{slug}")


def _shown(row: AssessmentRow, response: Response) -> AssessmentAnswer:
    response.headers["etag"] = etag(row.revision)
    return AssessmentAnswer.of(row)
