"""The routes of limits and budgets."""

from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.limit_answers import (
    BudgetAnswer,
    BudgetBody,
    BudgetPage,
    BudgetPatch,
    KeyChain,
    TermsAnswer,
    TermsBody,
    TermsList,
)
from tradewind.control.pages import After, Limit, page_of
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.permissions import Permission
from tradewind.features.budgets.schemas import BudgetRow, TermsRow

_SubjectId = Annotated[
    str, Path(max_length=100, description="Id of the organization or of one of its projects.")
]
_BudgetId = Annotated[str, Path(max_length=100)]
_KeyId = Annotated[str, Path(max_length=100)]


def add_limit_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/limits` and `/budgets`, and the chain of a key."""
    budgets, accounts = services.budgets, services.accounts
    reads, writes = Permission.LIMITS_READ, Permission.LIMITS_WRITE

    @routes.get("/limits", permission=reads, summary="Terms of the organization and its projects")
    def all_terms(call: Call) -> TermsList:
        rows = budgets.list_terms(call.tx, call.holder)
        return TermsList(terms=[TermsAnswer.of(row) for row in rows])

    @routes.get("/limits/{subject_id}", permission=reads, summary="Terms of one of them")
    def terms(call: Call, subject_id: _SubjectId, response: Response) -> TermsAnswer:
        return _shown_terms(budgets.get_terms(call.tx, call.holder, subject_id), response)

    @routes.put("/limits/{subject_id}", permission=writes, summary="Replace the terms of one")
    def put_terms(
        call: Call,
        subject_id: _SubjectId,
        body: TermsBody,
        response: Response,
        if_match: IfMatch = None,
    ) -> TermsAnswer:
        row = budgets.put_terms(
            call.tx, call.holder, subject_id, body.to_terms(), revision=revision_of(if_match)
        )
        return _shown_terms(row, response)

    @routes.get(
        "/keys/{key_id}/limits",
        permission=reads,
        summary="Every limit and budget that holds for a key",
    )
    def chain(call: Call, key_id: _KeyId) -> KeyChain:
        key = accounts.get_key(call.tx, call.holder, key_id)
        terms = [
            budgets.get_terms(call.tx, call.holder, subject)
            for subject in (key.project_id, key.organization_id)
        ]
        return KeyChain.of(key, terms, budgets.budgets_of_key(call.tx, call.holder, key_id))

    @routes.get("/budgets", permission=reads, summary="Budgets of the organization")
    def all_budgets(call: Call, limit: Limit = 100, after: After = None) -> BudgetPage:
        rows = budgets.list_budgets(call.tx, call.holder)
        page = page_of(rows, lambda row: row.budget_id, limit=limit, after=after)
        return BudgetPage(budgets=[BudgetAnswer.of(row) for row in page.entries], next=page.next)

    @routes.post("/budgets", permission=writes, summary="Add a budget")
    def add_budget(call: Call, body: BudgetBody, response: Response) -> BudgetAnswer:
        row = budgets.add_budget(call.tx, call.holder, body.to_new())
        response.headers["location"] = f"/api/budgets/{row.budget_id}"
        return _shown_budget(row, response)

    @routes.get("/budgets/{budget_id}", permission=reads, summary="A budget and what is left of it")
    def budget(call: Call, budget_id: _BudgetId, response: Response) -> BudgetAnswer:
        return _shown_budget(budgets.get_budget(call.tx, call.holder, budget_id), response)

    @routes.patch("/budgets/{budget_id}", permission=writes, summary="Change a budget")
    def change_budget(
        call: Call,
        budget_id: _BudgetId,
        body: BudgetPatch,
        response: Response,
        if_match: IfMatch = None,
    ) -> BudgetAnswer:
        row = budgets.update_budget(
            call.tx, call.holder, budget_id, body.to_changes(), revision=revision_of(if_match)
        )
        return _shown_budget(row, response)

    @routes.delete("/budgets/{budget_id}", permission=writes, summary="Delete a budget")
    def delete_budget(call: Call, budget_id: _BudgetId, if_match: IfMatch = None) -> None:
        budgets.delete_budget(call.tx, call.holder, budget_id, revision=revision_of(if_match))


def _shown_terms(row: TermsRow, response: Response) -> TermsAnswer:
    if row.revision:
        response.headers["etag"] = etag(row.revision)
    return TermsAnswer.of(row)


def _shown_budget(row: BudgetRow, response: Response) -> BudgetAnswer:
    response.headers["etag"] = etag(row.revision)
    return BudgetAnswer.of(row)
