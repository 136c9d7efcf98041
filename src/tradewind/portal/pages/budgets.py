"""Budgets: the list with how each stands, adding one, changing it, deleting it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound, PreconditionFailed
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import KeyState, Viewer
from tradewind.features.budgets.schemas import BudgetRow
from tradewind.portal.budget_form import (
    DEFAULT_CURRENCY,
    KINDS,
    PERIODS,
    BudgetForm,
    Offered,
    budget_changes_of,
    budget_form_of,
    changed_budget,
    new_budget_of,
    read_budget_form,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.revisions import STALE, revision_of
from tradewind.readmodels.budget_preview import BudgetPreview, preview_budget
from tradewind.readmodels.limits import list_projects, priced_currencies

ON_A_PAGE = 50
_MOST_PAGES = 1_000


@dataclass(frozen=True, slots=True)
class BudgetsPage:
    budgets: Sequence[BudgetRow]
    total: int
    owners: Mapping[str, str]
    """Names of projects and keys, by id."""
    former: str | None
    next: str | None
    can_write: bool


@dataclass(frozen=True, slots=True)
class NewBudgetPage:
    form: BudgetForm
    offered: Offered
    errors: FieldErrors = field(default_factory=FieldErrors)
    periods: tuple[tuple[str, str], ...] = PERIODS
    kinds: tuple[tuple[str, str], ...] = KINDS
    preview: BudgetPreview | None = None
    """Once it was asked what the budget would have stopped."""


@dataclass(frozen=True, slots=True)
class BudgetPage:
    budget: BudgetRow
    owners: Mapping[str, str]
    form: BudgetForm
    saved: BudgetForm
    can_write: bool
    errors: FieldErrors = field(default_factory=FieldErrors)
    is_stale: bool = False
    kinds: tuple[tuple[str, str], ...] = KINDS
    preview: BudgetPreview | None = None


@dataclass(frozen=True, slots=True)
class DeleteBudgetPage:
    budget: BudgetRow
    owners: Mapping[str, str]
    error: PreconditionFailed | None = None


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, budgets = services.database, services.budgets
    may_read = access.allowed(Permission.LIMITS_READ)
    may_write = access.allowed(Permission.LIMITS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/budgets")
    def all_budgets(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        page: Annotated[int, Query(ge=1, le=_MOST_PAGES)] = 1,
    ) -> Response:
        with database.transaction() as tx:
            rows = budgets.list_budgets(tx, viewer)
            owners = _owners(tx, viewer)
        first = (page - 1) * ON_A_PAGE
        shown = BudgetsPage(
            budgets=rows[first : first + ON_A_PAGE],
            total=len(rows),
            owners=owners,
            former=_page(page - 1) if page > 1 else None,
            next=_page(page + 1) if first + ON_A_PAGE < len(rows) else None,
            can_write=viewer.may(Permission.LIMITS_WRITE),
        )
        return portal.shell.page(request, "budgets.html", shown, viewer=viewer)

    @router.get("/budgets/new")
    def ask(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        scope: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        with database.transaction() as tx:
            offered = _offered(tx, viewer)
        form = BudgetForm(currency=next(iter(offered.currencies)))
        if scope in {id_ for id_, _ in offered.scopes}:
            form = replace(form, scope=scope)
        page = NewBudgetPage(form, offered)
        return portal.shell.page(request, "budget_new.html", page, viewer=viewer)

    @router.post("/budgets/preview", dependencies=own_form)
    def preview_new(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = read_budget_form(fields), FieldErrors()
        shown: BudgetPreview | None = None
        with database.transaction() as tx:
            offered = _offered(tx, viewer)
            new = new_budget_of(form, offered, errors)
            if new is not None:
                shown = preview_budget(tx, viewer.organization_id, new, services.clock.now())
        status = HTTPStatus.OK if shown is not None else HTTPStatus.UNPROCESSABLE_ENTITY
        page = NewBudgetPage(form, offered, errors, preview=shown)
        return portal.shell.page(request, "budget_new.html", page, viewer=viewer, status=status)

    @router.post("/budgets", dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = read_budget_form(fields), FieldErrors()
        with database.transaction() as tx:
            offered = _offered(tx, viewer)
        new = new_budget_of(form, offered, errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if new is not None:
            try:
                with database.transaction() as tx:
                    budgets.add_budget(tx, viewer, new)
            except (Conflict, InvalidInput) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            except NotFound as error:
                errors.add("scope", error)
            else:
                return RedirectResponse("/budgets", HTTPStatus.SEE_OTHER)
        page = NewBudgetPage(form, offered, errors)
        return portal.shell.page(request, "budget_new.html", page, viewer=viewer, status=status)

    @router.get("/budgets/{budget_id}")
    def budget(
        request: Request, budget_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return _answer(request, viewer, budget_id)

    @router.post("/budgets/{budget_id}", dependencies=own_form)
    def change(
        request: Request,
        budget_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read_budget_form(fields), FieldErrors()
        changes = budget_changes_of(form, errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if changes is not None:
            try:
                with database.transaction() as tx:
                    budgets.update_budget(
                        tx, viewer, budget_id, changes, revision=revision_of(fields)
                    )
            except PreconditionFailed:
                status = STALE
            except InvalidInput as error:
                errors.add(WHOLE_FORM, error)
            else:
                return RedirectResponse("/budgets", HTTPStatus.SEE_OTHER)
        return _answer(request, viewer, budget_id, form=form, errors=errors, status=status)

    @router.post("/budgets/{budget_id}/preview", dependencies=own_form)
    def preview(
        request: Request,
        budget_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = read_budget_form(fields), FieldErrors()
        changes = budget_changes_of(form, errors)
        if changes is None:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return _answer(request, viewer, budget_id, form=form, errors=errors, status=status)
        with database.transaction() as tx:
            row = budgets.get_budget(tx, viewer, budget_id)
            shown = preview_budget(
                tx, viewer.organization_id, changed_budget(row, changes), services.clock.now()
            )
        return _answer(request, viewer, budget_id, form=form, preview=shown)

    @router.get("/budgets/{budget_id}/delete")
    def ask_to_delete(
        request: Request, budget_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return _deletion(request, viewer, budget_id)

    @router.post("/budgets/{budget_id}/delete", dependencies=own_form)
    def delete(
        request: Request,
        budget_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        try:
            with database.transaction() as tx:
                budgets.delete_budget(tx, viewer, budget_id, revision=revision_of(fields))
        except PreconditionFailed as error:
            return _deletion(request, viewer, budget_id, error)
        return RedirectResponse("/budgets", HTTPStatus.SEE_OTHER)

    def _answer(
        request: Request,
        viewer: Viewer,
        budget_id: str,
        *,
        form: BudgetForm | None = None,
        errors: FieldErrors | None = None,
        preview: BudgetPreview | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            row = budgets.get_budget(tx, viewer, budget_id)
            owners = _owners(tx, viewer)
        saved = budget_form_of(row)
        is_stale = status == STALE
        if form is not None and is_stale:
            form = replace(form, revision=saved.revision)
        page = BudgetPage(
            budget=row,
            owners=owners,
            form=form or saved,
            saved=saved,
            can_write=viewer.may(Permission.LIMITS_WRITE),
            errors=errors or FieldErrors(),
            is_stale=is_stale,
            preview=preview,
        )
        return portal.shell.page(request, "budget.html", page, viewer=viewer, status=status)

    def _deletion(
        request: Request, viewer: Viewer, budget_id: str, error: PreconditionFailed | None = None
    ) -> Response:
        with database.transaction() as tx:
            row = budgets.get_budget(tx, viewer, budget_id)
            owners = _owners(tx, viewer)
        page = DeleteBudgetPage(row, owners, error)
        status = HTTPStatus.OK if error is None else STALE
        return portal.shell.page(request, "budget_delete.html", page, viewer=viewer, status=status)

    def _owners(tx: Connection, viewer: Viewer) -> dict[str, str]:
        names = dict[str, str](list_projects(tx, viewer.organization_id))
        if viewer.may(Permission.KEYS_READ):
            keys = services.accounts.list_keys(tx, viewer)
            names |= {key.key_id: key.name for key in keys}
        return names

    def _offered(tx: Connection, viewer: Viewer) -> Offered:
        keys = services.accounts.list_keys(tx, viewer)
        return Offered(
            projects=list_projects(tx, viewer.organization_id),
            keys=[(key.key_id, key.name) for key in keys if key.state is KeyState.LIVE],
            currencies=priced_currencies(tx) or (DEFAULT_CURRENCY,),
        )

    return router


def _page(number: int) -> str:
    return f"/budgets?page={number}" if number > 1 else "/budgets"
