"""Saved views of the catalog: keeping a question by a name, opening it, sharing it with everybody
of the organization.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.catalog.saved_views import (
    MOST_VIEWS,
    NAME_MAX,
    QUERY_MAX,
    SavedView,
    ViewChanges,
    may_delete_shared,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.saved_view_words import words_of
from tradewind.readmodels.catalog_search.query import MAX_CHOSEN, CatalogQuery, read_loosely
from tradewind.readmodels.saved_views import ListedView, list_saved_views

_MOST_PARAMETERS = 20 * MAX_CHOSEN


@dataclass(frozen=True, slots=True)
class ShownView:
    view: ListedView
    words: str
    can_delete: bool


@dataclass(frozen=True, slots=True)
class ViewsPage:
    views: Sequence[ShownView]
    own: int
    most: int = MOST_VIEWS


@dataclass(frozen=True, slots=True)
class ViewForm:
    name: str = ""
    is_shared: bool = False
    query: str = ""


@dataclass(frozen=True, slots=True)
class ViewPage:
    """Saving a view, or changing one."""

    form: ViewForm
    words: str
    saved: SavedView | None = None
    """None while it is new."""
    errors: FieldErrors = field(default_factory=FieldErrors)
    name_max: int = NAME_MAX


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, saved_views = services.database, services.saved_views
    may_read = access.allowed(Permission.MODELS_READ)
    own_form = [Depends(access.own_form)]

    @router.get("/views")
    def all_views(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        with database.transaction() as tx:
            found = list_saved_views(tx, viewer.organization_id, viewer.user_id)
        can_delete_shared = may_delete_shared(viewer)
        shown = [
            ShownView(view, words_of(read(view.query)), view.is_own or can_delete_shared)
            for view in found
        ]
        page = ViewsPage(shown, sum(view.is_own for view in found))
        return portal.shell.page(request, "views.html", page, viewer=viewer)

    @router.get("/views/new")
    def ask(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        query = _kept(read_loosely(request.query_params.multi_items()).query)
        page = ViewPage(ViewForm(query=query.query_string()), words_of(query))
        return portal.shell.page(request, "view_edit.html", page, viewer=viewer)

    @router.post("/views", dependencies=own_form)
    def save(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        form, errors = _form_of(fields), FieldErrors()
        query = read(form.query)
        try:
            with database.transaction() as tx:
                made = saved_views.save(
                    tx,
                    viewer,
                    viewer.user_id,
                    form.name,
                    query.query_string(),
                    is_shared=form.is_shared,
                )
        except (Conflict, InvalidInput) as error:
            errors.add(_place_of(error), error)
            page = ViewPage(form, words_of(query), errors=errors)
            status = HTTPStatus(error.status)
            return portal.shell.page(request, "view_edit.html", page, viewer=viewer, status=status)
        return RedirectResponse(_address(made.query), HTTPStatus.SEE_OTHER)

    @router.get("/views/{view_id}")
    def view(view_id: str, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        """Open a view: the link that people send each other."""
        with database.transaction() as tx:
            found = saved_views.open(tx, viewer, viewer.user_id, view_id)
        return RedirectResponse(_address(found.query), HTTPStatus.SEE_OTHER)

    @router.get("/views/{view_id}/edit")
    def ask_to_change(
        request: Request, view_id: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        with database.transaction() as tx:
            found = saved_views.open(tx, viewer, viewer.user_id, view_id)
        form = ViewForm(found.name, found.is_shared, found.query)
        page = ViewPage(form, words_of(read(found.query)), found)
        return portal.shell.page(request, "view_edit.html", page, viewer=viewer)

    @router.post("/views/{view_id}", dependencies=own_form)
    def change(
        request: Request,
        view_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_read)],
    ) -> Response:
        form, errors = _form_of(fields), FieldErrors()
        try:
            with database.transaction() as tx:
                saved_views.change(
                    tx,
                    viewer,
                    viewer.user_id,
                    view_id,
                    ViewChanges(name=form.name, is_shared=form.is_shared),
                )
        except (Conflict, InvalidInput) as error:
            errors.add(_place_of(error), error)
            with database.transaction() as tx:
                found = saved_views.open(tx, viewer, viewer.user_id, view_id)
            page = ViewPage(
                replace(form, query=found.query), words_of(read(found.query)), found, errors
            )
            status = HTTPStatus(error.status)
            return portal.shell.page(request, "view_edit.html", page, viewer=viewer, status=status)
        return RedirectResponse("/views", HTTPStatus.SEE_OTHER)

    @router.post("/views/{view_id}/delete", dependencies=own_form)
    def delete(view_id: str, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        with database.transaction() as tx:
            saved_views.delete(tx, viewer, viewer.user_id, view_id)
        return RedirectResponse("/views", HTTPStatus.SEE_OTHER)

    return router


def read(query: str) -> CatalogQuery:
    """Read a stored question as an old link is read: what there is no longer is left out."""
    try:
        pairs = parse_qsl(query[:QUERY_MAX], max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        pairs = []
    return _kept(read_loosely(pairs).query)


def _kept(query: CatalogQuery) -> CatalogQuery:
    return query.on_page(1)


def _address(query: str) -> str:
    return f"/models?{query}" if query else "/models"


def _form_of(fields: Fields) -> ViewForm:
    return ViewForm(
        fields.text("name")[: 2 * NAME_MAX],
        fields.is_checked("is_shared"),
        fields.text("query")[:QUERY_MAX],
    )


def _place_of(error: Conflict | InvalidInput) -> str:
    return "name" if "name" in error.message or "a view '" in error.message else WHOLE_FORM
