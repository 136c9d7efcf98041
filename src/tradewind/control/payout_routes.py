"""The routes of payouts: earnings and profiles for publishers, runs for the platform."""

from typing import Annotated

from fastapi import Path, Query, Response

from tradewind.control.access import AuthenticatedCall, Call, Routes
from tradewind.control.acting import acting
from tradewind.control.pages import After, Limit
from tradewind.control.payout_answers import (
    ConfirmBody,
    Earnings,
    FailBody,
    HoldAnswer,
    HoldBody,
    OwedAnswer,
    OwedList,
    PayoutAnswer,
    PayoutPage,
    ProfileAnswer,
    ProfileBody,
    ProfileShown,
    RunAnswer,
    RunBody,
    RunDetailAnswer,
    RunPage,
    SourceAnswer,
    SourceBody,
    SourceList,
    StatementAnswer,
    StatementPage,
    TermsAnswer,
    TermsBody,
    WaterfallAnswer,
)
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.permissions import Permission
from tradewind.features.payouts.papers.formats import (
    StatementFormat,
    file_name,
    paper,
    payouts_csv,
)
from tradewind.features.payouts.schemas import Source

_Slug = Annotated[str, Path(max_length=100)]
_Id = Annotated[str, Path(max_length=100)]
_Publisher = Annotated[
    str | None, Query(max_length=100, description="One publisher; all of yours without it.")
]


def add_payout_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/payouts`."""
    _add_publishers_routes(routes, services)
    _add_terms_routes(routes, services)
    _add_run_routes(routes, services)


def _add_publishers_routes(routes: Routes, services: ControlServices) -> None:
    profiles, reader = services.payouts.profiles, services.payouts.reader
    reads, writes = Permission.SALES_READ, Permission.SALES_WRITE

    @routes.get(
        "/payouts/publishers/{slug}/earnings",
        permission=reads,
        summary="What a publisher has earned since its last statement, and what can be paid",
    )
    def earnings(call: Call, slug: _Slug) -> Earnings:
        falls = reader.waterfalls(call.tx, call.holder, slug)
        return Earnings(publisher=slug, currencies=[WaterfallAnswer.of(fall) for fall in falls])

    @routes.get(
        "/payouts/publishers/{slug}/profile",
        permission=reads,
        summary="Where a publisher is paid",
    )
    def profile(call: Call, slug: _Slug, response: Response) -> ProfileShown:
        found = profiles.get(call.tx, call.holder, slug)
        hold = profiles.hold_of(call.tx, call.holder, slug)
        if found is not None:
            response.headers["etag"] = etag(found.revision)
        return ProfileShown(
            profile=None if found is None else ProfileAnswer.of(found),
            hold=None if hold is None else HoldAnswer.of(hold),
        )

    @routes.put(
        "/payouts/publishers/{slug}/profile",
        permission=writes,
        summary="Say where a publisher is paid; nothing is sent to a new account for three days",
    )
    def set_profile(
        call: Call, slug: _Slug, body: ProfileBody, response: Response, if_match: IfMatch = None
    ) -> ProfileAnswer:
        found = profiles.set(
            call.tx,
            call.holder,
            slug,
            body.to_profile(),
            by=acting(services, call),
            revision=revision_of(if_match),
        )
        response.headers["etag"] = etag(found.revision)
        return ProfileAnswer.of(found)

    @routes.get("/payouts", permission=reads, summary="Payouts of your publishers, or of one")
    def payouts(
        call: Call, publisher: _Publisher = None, limit: Limit = 100, after: After = None
    ) -> PayoutPage:
        slugs = _slugs(services, call, publisher)
        rows = reader.payouts(call.tx, call.holder, slugs, before=after, limit=limit + 1)
        return PayoutPage(
            payouts=[PayoutAnswer.of(row) for row in rows[:limit]],
            next=rows[limit - 1].payout_id if len(rows) > limit else None,
        )

    @routes.get(
        "/payouts/statements", permission=reads, summary="Statements of your publishers, or of one"
    )
    def statements(
        call: Call, publisher: _Publisher = None, limit: Limit = 100, after: After = None
    ) -> StatementPage:
        slugs = _slugs(services, call, publisher)
        rows = reader.statements(call.tx, call.holder, slugs, before=after, limit=limit + 1)
        return StatementPage(
            statements=[StatementAnswer.of(row) for row in rows[:limit]],
            next=rows[limit - 1].statement_id if len(rows) > limit else None,
        )

    @routes.get(
        "/payouts/statements/{statement_id}",
        permission=reads,
        summary="A statement as JSON, CSV, HTML or PDF",
        media_type="application/json",
    )
    def statement(
        call: Call,
        statement_id: _Id,
        form: Annotated[StatementFormat, Query(alias="format")] = StatementFormat.JSON,
    ) -> Response:
        found, _ = reader.statement(call.tx, call.holder, statement_id)
        name = file_name(found.content, form)
        return Response(
            paper(found, form),
            media_type=form.media_type,
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )


def _add_terms_routes(routes: Routes, services: ControlServices) -> None:
    profiles = services.payouts.profiles
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.get("/payouts/owed", permission=reads, summary="What publishers are owed")
    def owed(call: Call) -> OwedList:
        return OwedList(owed=[OwedAnswer.of(row) for row in profiles.owed(call.tx, call.holder)])

    @routes.put(
        "/payouts/publishers/{slug}/terms",
        permission=writes,
        summary="How long earnings of a publisher are held, and what is withheld",
    )
    def set_terms(call: Call, slug: _Slug, body: TermsBody) -> TermsAnswer:
        by = acting(services, call)
        return TermsAnswer.of(
            profiles.set_terms(call.tx, call.holder, slug, body.to_terms(), by=by)
        )

    @routes.put(
        "/payouts/publishers/{slug}/hold", permission=writes, summary="Stop paying a publisher"
    )
    def hold(call: Call, slug: _Slug, body: HoldBody) -> HoldAnswer:
        by = acting(services, call)
        return HoldAnswer.of(profiles.hold(call.tx, call.holder, slug, body.reason, by=by))

    @routes.delete(
        "/payouts/publishers/{slug}/hold", permission=writes, summary="Pay a publisher again"
    )
    def lift(call: Call, slug: _Slug) -> None:
        profiles.lift(call.tx, call.holder, slug, by=acting(services, call))

    @routes.get(
        "/payouts/sources", permission=reads, summary="Accounts that the platform pays from"
    )
    def sources(call: Call) -> SourceList:
        rows = profiles.sources(call.tx, call.holder)
        return SourceList(sources=[SourceAnswer.of(row) for row in rows])

    @routes.put(
        "/payouts/sources",
        permission=writes,
        summary="Say from which account a currency is paid",
    )
    def set_source(call: Call, body: SourceBody) -> SourceAnswer:
        source = Source(body.currency, body.name, body.iban, body.bic)
        by = acting(services, call)
        return SourceAnswer.of(profiles.set_source(call.tx, call.holder, source, by=by))


def _add_run_routes(routes: Routes, services: ControlServices) -> None:
    runs = services.payouts.runs
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.get("/payouts/runs", permission=reads, summary="Payout runs, the newest first")
    def list_runs(call: Call, limit: Limit = 100, after: After = None) -> RunPage:
        rows = runs.list_runs(call.tx, call.holder, before=after, limit=limit + 1)
        return RunPage(
            runs=[RunAnswer.of(row) for row in rows[:limit]],
            next=rows[limit - 1].run_id if len(rows) > limit else None,
        )

    @routes.post("/payouts/runs", permission=writes, summary="Prepare a payout run")
    def prepare(call: Call, body: RunBody) -> RunAnswer:
        by = acting(services, call)
        made = runs.prepare(services.database, call.holder, body.currency, key=body.key, by=by)
        return RunAnswer.of(made)

    @routes.get("/payouts/runs/{run_id}", permission=reads, summary="A run with its payouts")
    def detail(call: Call, run_id: _Id) -> RunDetailAnswer:
        return RunDetailAnswer.of(runs.detail(call.tx, call.holder, run_id))

    @routes.post(
        "/payouts/runs/{run_id}:approve",
        permission=writes,
        summary="Approve a run that another person prepared",
    )
    def approve(call: Call, run_id: _Id) -> RunAnswer:
        return RunAnswer.of(runs.approve(call.tx, call.holder, run_id, by=acting(services, call)))

    @routes.post(
        "/payouts/runs/{run_id}:export", permission=writes, summary="Make the file for the bank"
    )
    def export(call: Call, run_id: _Id) -> RunAnswer:
        return RunAnswer.of(runs.export(call.tx, call.holder, run_id, by=acting(services, call)))

    @routes.get(
        "/payouts/runs/{run_id}/file",
        permission=reads,
        summary="The file for the bank, pain.001.001.09, as it was exported",
        media_type="application/xml",
    )
    def file(call: Call, run_id: _Id) -> Response:
        data = runs.file(call.tx, call.holder, run_id)
        headers = {"content-disposition": f'attachment; filename="{run_id}.xml"'}
        return Response(data, media_type="application/xml", headers=headers)

    @routes.get(
        "/payouts/runs/{run_id}/payouts.csv",
        permission=reads,
        summary="The payouts of a run as CSV",
        media_type="text/csv",
    )
    def as_csv(call: Call, run_id: _Id) -> Response:
        found = runs.detail(call.tx, call.holder, run_id)
        headers = {"content-disposition": f'attachment; filename="{run_id}.csv"'}
        return Response(payouts_csv(found.payouts), media_type="text/csv", headers=headers)

    @routes.post(
        "/payouts/runs/{run_id}:cancel",
        permission=writes,
        summary="Give back everything of a run that was not exported",
    )
    def cancel(call: Call, run_id: _Id) -> RunAnswer:
        return RunAnswer.of(runs.cancel(call.tx, call.holder, run_id, by=acting(services, call)))

    @routes.post(
        "/payouts/runs/{run_id}:confirm",
        permission=writes,
        summary="Note that everything of a run that went by bank arrived",
    )
    def confirm_all(call: Call, run_id: _Id) -> RunAnswer:
        by = acting(services, call)
        return RunAnswer.of(runs.confirm_all(call.tx, call.holder, run_id, by=by))

    @routes.post(
        "/payouts/{payout_id}:confirm", permission=writes, summary="Note that a payout arrived"
    )
    def confirm(call: Call, payout_id: _Id, body: ConfirmBody) -> PayoutAnswer:
        by = acting(services, call)
        [found] = runs.confirm(call.tx, call.holder, [payout_id], note=body.note, by=by)
        return PayoutAnswer.of(found)

    @routes.post(
        "/payouts/{payout_id}:fail",
        permission=writes,
        summary="Note that a payout did not arrive, or came back",
    )
    def fail(call: Call, payout_id: _Id, body: FailBody) -> PayoutAnswer:
        by = acting(services, call)
        return PayoutAnswer.of(
            runs.fail(call.tx, call.holder, payout_id, reason=body.reason, by=by)
        )


def _slugs(services: ControlServices, call: AuthenticatedCall, publisher: str | None) -> list[str]:
    if publisher is not None:
        return [publisher]
    owned = services.payouts.profiles.owned(call.tx, call.holder)
    return [row.slug for row in owned]
