"""The routes of abuse: the own standing, cases, appeals, opt-outs; and feedback."""

from typing import Annotated

from fastapi import Path, Query, Response

from tradewind.control.abuse_answers import (
    AbuseQueue,
    AbuseTrail,
    AppealAnswer,
    AppealBody,
    AppealDecisionBody,
    AppealList,
    CaseAnswer,
    CaseBody,
    CaseList,
    ContentAnswer,
    FeedbackAnswer,
    FeedbackBody,
    FeedbackList,
    FeedbackSums,
    FlaggedCallAnswer,
    FlaggedCallList,
    GrantAnswer,
    GrantBody,
    GrantList,
    LookBody,
    NoticeBody,
    OptOutAnswer,
    OptOutBody,
    OptOutDecisionBody,
    OptOutList,
    OptOutTerms,
    ReasonBody,
    StandingList,
)
from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.pages import Before
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import may_review

_Id = Annotated[str, Path(max_length=100)]
_Model = Annotated[str | None, Query(max_length=250, description="As calls name it.")]
_READS, _WRITES = Permission.SAFETY_READ, Permission.SAFETY_WRITE
_REVIEWS, _DECIDES = Permission.REVIEWS_READ, Permission.REVIEWS_WRITE


def add_abuse_routes(routes: Routes, services: ControlServices) -> None:
    """Add what is below `/abuse` about organizations, and `/feedback`."""
    _add_standing_routes(routes, services)
    _add_case_routes(routes, services)
    _add_decision_routes(routes, services)
    _add_look_routes(routes, services)
    _add_opt_out_routes(routes, services)
    _add_feedback_routes(routes, services)


def _add_standing_routes(routes: Routes, services: ControlServices) -> None:
    abuse = services.abuse

    @routes.get(
        "/abuse/standing",
        permission=_READS,
        summary="The score of the own organization and of its keys, and what it is made of",
    )
    def own(call: Call) -> StandingList:
        found = abuse.scoring.own(call.tx, call.holder)
        return StandingList.of(call.holder.organization_id, found)

    @routes.get(
        "/abuse/trail",
        permission=_READS,
        summary="What was done about the own organization, each look at contents included",
    )
    def trail(call: Call, before: Before = None) -> AbuseTrail:
        return AbuseTrail.of(abuse.trail.own(call.tx, call.holder, before=before))

    @routes.get(
        "/abuse/organizations/{organization_id}/standing",
        permission=_REVIEWS,
        summary="The score of an organization and of its keys",
    )
    def of(call: Call, organization_id: _Id) -> StandingList:
        found = abuse.scoring.of(call.tx, call.holder, organization_id)
        return StandingList.of(organization_id, found)

    @routes.post(
        "/abuse/organizations/{organization_id}/score",
        permission=_DECIDES,
        summary="Score an organization now, and open cases where that is due",
    )
    def ask(call: Call, organization_id: _Id) -> StandingList:
        found = abuse.scoring.ask(call.tx, call.holder, organization_id)
        return StandingList.of(organization_id, found)


def _add_case_routes(routes: Routes, services: ControlServices) -> None:
    abuse = services.abuse

    @routes.get("/abuse/queue", permission=_REVIEWS, summary="What waits for a reviewer")
    def queue(call: Call) -> AbuseQueue:
        cases = abuse.cases.queue(call.tx, call.holder)
        appeals = abuse.appeals.queue(call.tx, call.holder)
        opt_outs = abuse.opt_outs.queue(call.tx, call.holder)
        return AbuseQueue(
            cases=[CaseAnswer.of(row, for_reviewer=True) for row in cases],
            appeals=[AppealAnswer.of(row) for row in appeals],
            opt_outs=[OptOutAnswer.of(row) for row in opt_outs],
        )

    @routes.get("/abuse/cases", permission=_READS, summary="Cases of the own organization")
    def all_of_them(call: Call) -> CaseList:
        return CaseList.of(abuse.cases.list_own(call.tx, call.holder), for_reviewer=False)

    @routes.post("/abuse/cases", permission=_DECIDES, summary="Open one that no score asked for")
    def open_one(call: Call, body: CaseBody, response: Response) -> CaseAnswer:
        row = abuse.cases.open_by_person(
            call.tx,
            call.holder,
            acting(services, call),
            body.organization_id,
            key_id=body.key_id,
            reason=body.reason,
        )
        response.headers["location"] = f"/api/abuse/cases/{row.case_id}"
        return CaseAnswer.of(row, for_reviewer=True)

    @routes.get("/abuse/cases/{case_id}", permission=_READS, summary="A case")
    def one(call: Call, case_id: _Id) -> CaseAnswer:
        row = abuse.cases.get(call.tx, call.holder, case_id)
        return CaseAnswer.of(row, for_reviewer=may_review(call.holder))

    @routes.get("/abuse/cases/{case_id}/trail", permission=_READS, summary="Who did what about it")
    def trail(call: Call, case_id: _Id) -> AbuseTrail:
        return AbuseTrail.of(abuse.cases.trail(call.tx, call.holder, case_id))

    @routes.get(
        "/abuse/cases/{case_id}/calls",
        permission=_READS,
        summary="Calls of the last week in which something was found; no texts",
    )
    def calls(call: Call, case_id: _Id) -> FlaggedCallList:
        rows = abuse.cases.flagged_calls(call.tx, call.holder, case_id)
        return FlaggedCallList(calls=[FlaggedCallAnswer.of(row) for row in rows])

    @routes.get("/abuse/cases/{case_id}/appeals", permission=_READS, summary="Its appeals")
    def appeals(call: Call, case_id: _Id) -> AppealList:
        return AppealList.of(abuse.appeals.of_case(call.tx, call.holder, case_id))

    @routes.post(
        "/abuse/cases/{case_id}/appeals",
        permission=_WRITES,
        summary="Say why a notice or a suspension of the own organization is wrong",
    )
    def appeal(call: Call, case_id: _Id, body: AppealBody) -> AppealAnswer:
        by = acting(services, call)
        return AppealAnswer.of(abuse.appeals.make(call.tx, call.holder, by, case_id, body.reason))


def _add_decision_routes(routes: Routes, services: ControlServices) -> None:
    abuse = services.abuse

    @routes.post("/abuse/cases/{case_id}/take", permission=_DECIDES, summary="Look at it")
    def take(call: Call, case_id: _Id) -> CaseAnswer:
        row = abuse.cases.take(call.tx, call.holder, acting(services, call), case_id)
        return CaseAnswer.of(row, for_reviewer=True)

    @routes.post(
        "/abuse/cases/{case_id}/notice",
        permission=_DECIDES,
        summary="Tell the organization what has to change",
    )
    def notice(call: Call, case_id: _Id, body: NoticeBody) -> CaseAnswer:
        by = acting(services, call)
        row = abuse.cases.notice(call.tx, call.holder, by, case_id, body.text)
        return CaseAnswer.of(row, for_reviewer=True)

    @routes.post(
        "/abuse/cases/{case_id}/suspend",
        permission=_DECIDES,
        summary="Suspend the key of a case; an organization takes two people",
    )
    def suspend(call: Call, case_id: _Id, body: ReasonBody) -> CaseAnswer:
        by = acting(services, call)
        row = abuse.cases.suspend(call.tx, call.holder, by, case_id, body.reason)
        return CaseAnswer.of(row, for_reviewer=True)

    @routes.post("/abuse/cases/{case_id}/lift", permission=_DECIDES, summary="End a suspension")
    def lift(call: Call, case_id: _Id, body: ReasonBody) -> CaseAnswer:
        by = acting(services, call)
        row = abuse.cases.lift(call.tx, call.holder, by, case_id, body.reason)
        return CaseAnswer.of(row, for_reviewer=True)

    @routes.post("/abuse/cases/{case_id}/close", permission=_DECIDES, summary="Close a case")
    def close(call: Call, case_id: _Id, body: ReasonBody) -> CaseAnswer:
        by = acting(services, call)
        row = abuse.cases.close(call.tx, call.holder, by, case_id, body.reason)
        return CaseAnswer.of(row, for_reviewer=True)

    @routes.post(
        "/abuse/appeals/{appeal_id}/decision",
        permission=_DECIDES,
        summary="Grant or refuse an appeal, as another person than who suspended",
    )
    def decide(call: Call, appeal_id: _Id, body: AppealDecisionBody) -> AppealAnswer:
        row = abuse.appeals.decide(
            call.tx,
            call.holder,
            acting(services, call),
            appeal_id,
            grants=body.grants,
            reason=body.reason,
        )
        return AppealAnswer.of(row)


def _add_look_routes(routes: Routes, services: ControlServices) -> None:
    looks = services.abuse.looks

    @routes.get(
        "/abuse/cases/{case_id}/grants",
        permission=_READS,
        summary="Who was let in to look at contents, why and until when",
    )
    def grants(call: Call, case_id: _Id) -> GrantList:
        rows = looks.grants(call.tx, call.holder, case_id)
        return GrantList(grants=[GrantAnswer.of(row) for row in rows])

    @routes.post(
        "/abuse/cases/{case_id}/grants",
        permission=_DECIDES,
        summary="Take a grant to look at kept contents, for an hour at most",
    )
    def grant(call: Call, case_id: _Id, body: GrantBody) -> GrantAnswer:
        row = looks.grant(
            call.tx,
            call.holder,
            acting(services, call),
            case_id,
            reason=body.reason,
            minutes=body.minutes,
        )
        return GrantAnswer.of(row)

    # It writes who has read what, so it is no GET.
    @routes.post(
        "/abuse/cases/{case_id}/looks",
        permission=_DECIDES,
        summary="Read what is kept of a flagged call, with a grant; it is noted",
    )
    def look(call: Call, case_id: _Id, body: LookBody) -> ContentAnswer:
        by = acting(services, call)
        found = looks.content(call.tx, call.holder, by, case_id, body.request_id)
        return ContentAnswer.of(body.request_id, found)


def _add_opt_out_routes(routes: Routes, services: ControlServices) -> None:
    opt_outs = services.abuse.opt_outs

    @routes.get("/abuse/opt-outs", permission=_READS, summary="Opt-outs of the own organization")
    def all_of_them(call: Call) -> OptOutList:
        return OptOutList.of(opt_outs.list_own(call.tx, call.holder))

    @routes.get("/abuse/opt-out-terms", permission=_READS, summary="What is signed, and its hash")
    def terms(call: Call) -> OptOutTerms:
        del call
        return OptOutTerms()  # pyright: ignore[reportCallIssue]  both have defaults

    @routes.post(
        "/abuse/opt-outs",
        permission=_WRITES,
        summary="Sign, for the organization, that nobody looks at its calls",
    )
    def sign(call: Call, body: OptOutBody) -> OptOutAnswer:
        row = opt_outs.sign(
            call.tx,
            call.holder,
            acting(services, call),
            terms_sha256=body.terms_sha256,
            reason=body.reason,
            expires_at=body.expires_at,
        )
        return OptOutAnswer.of(row)

    @routes.post(
        "/abuse/opt-outs/{opt_out_id}/decision",
        permission=_DECIDES,
        summary="Countersign it for the platform, or refuse it",
    )
    def decide(call: Call, opt_out_id: _Id, body: OptOutDecisionBody) -> OptOutAnswer:
        row = opt_outs.decide(
            call.tx,
            call.holder,
            acting(services, call),
            opt_out_id,
            signs=body.signs,
            reason=body.reason,
        )
        return OptOutAnswer.of(row)

    @routes.post(
        "/abuse/opt-outs/{opt_out_id}/revoke", permission=_WRITES, summary="End it: either side may"
    )
    def revoke(call: Call, opt_out_id: _Id, body: ReasonBody) -> OptOutAnswer:
        by = acting(services, call)
        return OptOutAnswer.of(opt_outs.revoke(call.tx, call.holder, by, opt_out_id, body.reason))


def _add_feedback_routes(routes: Routes, services: ControlServices) -> None:
    feedback = services.abuse.feedback

    @routes.post(
        "/feedback",
        permission=Permission.FEEDBACK_WRITE,
        summary="Say what one thinks of an answer; what is said again takes its place",
    )
    def give(call: Call, body: FeedbackBody) -> FeedbackAnswer:
        row = feedback.give(
            call.tx,
            call.holder,
            call.holder.key_id,
            body.request_id,
            body.rating,
            flags=body.flags,
            comment=body.comment,
        )
        return FeedbackAnswer.of(row)

    @routes.get(
        "/feedback",
        permission=Permission.REQUESTS_READ,
        summary="What was said of the organization's calls, the newest first",
    )
    def listed(
        call: Call,
        request_id: Annotated[str | None, Query(max_length=100)] = None,
        model: _Model = None,
    ) -> FeedbackList:
        rows = feedback.listed(call.tx, call.holder, request_id=request_id, model=model)
        return FeedbackList(feedback=[FeedbackAnswer.of(row) for row in rows])

    @routes.get(
        "/feedback/models",
        permission=Permission.MODELS_READ,
        summary="What all callers together think of models, where enough of them said something",
    )
    def sums(call: Call, model: _Model = None) -> FeedbackSums:
        return FeedbackSums.of(feedback.sums(call.tx, model))
