"""The routes of saved views of the catalog."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Path, Response

from tradewind.control.access import AuthenticatedCall, Call, Routes
from tradewind.control.saved_view_answers import (
    SavedViewAnswer,
    SavedViewBody,
    SavedViewList,
    SavedViewPatch,
)
from tradewind.control.services import ControlServices
from tradewind.core.errors import InvalidInput
from tradewind.core.ids import UserId
from tradewind.core.permissions import Permission
from tradewind.features.catalog.saved_views import ViewChanges
from tradewind.readmodels.catalog_search.query import MAX_CHOSEN, read_query
from tradewind.readmodels.saved_views import list_saved_views

_ViewId = Annotated[str, Path(max_length=100)]
_READS, _WRITES = Permission.CATALOG_READ, Permission.CATALOG_WRITE
_MOST_PARAMETERS = 20 * MAX_CHOSEN


def add_saved_view_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/catalog/views`."""
    views = services.saved_views

    def owner(call: AuthenticatedCall) -> UserId | None:
        """Return whose key it is: a view is a person's."""
        return services.accounts.get_key(call.tx, call.holder, call.holder.key_id).created_by

    @routes.get("/catalog/views", permission=_READS, summary="Saved views: own ones, then shared")
    def all_views(call: Call) -> SavedViewList:
        found = list_saved_views(call.tx, call.holder.organization_id, owner(call))
        return SavedViewList(views=[SavedViewAnswer.of(view) for view in found])

    @routes.post("/catalog/views", permission=_WRITES, summary="Save a view of the catalog")
    def save(call: Call, body: SavedViewBody, response: Response) -> SavedViewAnswer:
        made = views.save(
            call.tx,
            call.holder,
            owner(call),
            body.name,
            _canonical(body.query),
            is_shared=body.is_shared,
        )
        response.headers["location"] = f"/api/catalog/views/{made.view_id}"
        return SavedViewAnswer.of(made)

    @routes.get("/catalog/views/{view_id}", permission=_READS, summary="A saved view")
    def view(call: Call, view_id: _ViewId) -> SavedViewAnswer:
        return SavedViewAnswer.of(views.open(call.tx, call.holder, owner(call), view_id))

    @routes.patch("/catalog/views/{view_id}", permission=_WRITES, summary="Change one's own view")
    def change(call: Call, view_id: _ViewId, body: SavedViewPatch) -> SavedViewAnswer:
        query = None if body.query is None else _canonical(body.query)
        changes = ViewChanges(body.name, query, body.is_shared)
        return SavedViewAnswer.of(views.change(call.tx, call.holder, owner(call), view_id, changes))

    @routes.delete(
        "/catalog/views/{view_id}",
        permission=_WRITES,
        summary="Delete one's own view, or a shared one",
    )
    def delete(call: Call, view_id: _ViewId) -> None:
        views.delete(call.tx, call.holder, owner(call), view_id)


def _canonical(query: str) -> str:
    """Return a question in its one form, of its first page. Raises InvalidInput."""
    try:
        pairs = parse_qsl(query, max_num_fields=_MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidInput("the question has too many parameters") from error
    return read_query(pairs).on_page(1).query_string()
