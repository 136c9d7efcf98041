"""The routes of the ledger: for whoever runs the platform."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Path, Query

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.ledger_answers import (
    EntryAnswer,
    LedgerAccountAnswer,
    LedgerAccountPage,
    RateAnswer,
    RateBody,
    RateList,
    ReversalBody,
    StatementAnswer,
    StatementLine,
    place_of,
    told_place,
)
from tradewind.control.pages import After, Limit
from tradewind.control.services import ControlServices
from tradewind.control.span import in_utc
from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.ledger.books import Books
from tradewind.features.ledger.schemas import AccountKind

_Id = Annotated[str, Path(max_length=100)]
_Owner = Annotated[str | None, Query(max_length=200)]
_Currency = Annotated[str | None, Query(pattern=r"^[A-Z]{3}$")]
_DEFAULT_SPAN = timedelta(days=30)


def add_ledger_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/ledger`."""
    books = Books(services.ledger)
    reads, writes = Permission.FINANCE_READ, Permission.FINANCE_WRITE

    @routes.get("/ledger/accounts", permission=reads, summary="Accounts of the ledger")
    def accounts(  # noqa: PLR0917  query parameters, always named
        call: Call,
        kind: AccountKind | None = None,
        owner: _Owner = None,
        currency: _Currency = None,
        limit: Limit = 100,
        after: After = None,
    ) -> LedgerAccountPage:
        rows = books.accounts(
            call.tx,
            call.holder,
            kind=kind,
            owner=owner,
            currency=currency,
            after=after,
            limit=limit + 1,
        )
        shown = rows[:limit]
        return LedgerAccountPage(
            accounts=[LedgerAccountAnswer.of(row) for row in shown],
            next=shown[-1].account_id if len(rows) > limit else None,
        )

    @routes.get(
        "/ledger/accounts/{account_id}/statement",
        permission=reads,
        summary="What changed an account, with its balance behind each line",
    )
    def statement(  # noqa: PLR0917  query parameters, always named
        call: Call,
        account_id: _Id,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: Limit = 100,
        after: After = None,
    ) -> StatementAnswer:
        account = books.account(call.tx, call.holder, account_id)
        # `until` is exclusive, and what happens now belongs to what is asked for.
        now = services.clock.now() + timedelta.resolution
        end = now if until is None else in_utc(until, "until")
        begin = end - _DEFAULT_SPAN if since is None else in_utc(since, "since")
        if begin >= end:
            raise InvalidInput("`since` is not before `until`")
        rows = books.statement(
            call.tx,
            call.holder,
            account.account_id,
            since=begin,
            until=end,
            after=None if after is None else place_of(after),
            limit=limit + 1,
        )
        shown = rows[:limit]
        return StatementAnswer(
            account=LedgerAccountAnswer.of(account),
            since=begin,
            until=end,
            lines=[StatementLine.of(row) for row in shown],
            next=told_place(shown[-1].place) if len(rows) > limit else None,
        )

    @routes.get("/ledger/entries/{entry_id}", permission=reads, summary="An entry")
    def entry(call: Call, entry_id: _Id) -> EntryAnswer:
        return EntryAnswer.of(books.entry(call.tx, call.holder, entry_id))

    @routes.post(
        "/ledger/entries/{entry_id}:reverse",
        permission=writes,
        summary="Take an entry back by its mirror image, or return the one that did",
    )
    def reverse(call: Call, entry_id: _Id, body: ReversalBody) -> EntryAnswer:
        reversal_id = books.reverse(
            call.tx,
            call.holder,
            entry_id,
            key=body.key,
            reason=body.reason,
            by=acting(services, call).name,
        )
        return EntryAnswer.of(books.entry(call.tx, call.holder, reversal_id))

    @routes.get("/ledger/fx-rates", permission=reads, summary="Stored rates of exchange")
    def rates(call: Call, currency: _Currency = None, limit: Limit = 100) -> RateList:
        found = books.rates(call.tx, call.holder, currency=currency, limit=limit)
        return RateList(rates=[RateAnswer.of(rate) for rate in found])

    @routes.post(
        "/ledger/fx-rates",
        permission=writes,
        summary="Store what a currency costs in another from a moment on; it stays so",
    )
    def set_rate(call: Call, body: RateBody) -> RateAnswer:
        rate = body.to_rate()
        books.set_rate(call.tx, call.holder, rate)
        return RateAnswer.of(rate)
