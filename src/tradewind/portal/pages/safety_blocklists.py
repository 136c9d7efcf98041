"""Blocklists: the lists, the terms of one, and taking them in from a file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, UploadFile
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.safety.rules.limits import BLOCKLISTS_MAX, ITEMS_AT_ONCE, ITEMS_MAX
from tradewind.features.safety.schemas import BlocklistRow, ItemRow, NewItem
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.safety_deletion import Doomed, add_deletion
from tradewind.portal.term_file import MOST_BYTES, read_terms

_Id = Annotated[str, Path(max_length=100)]
_ON_PAGE = 100
_LONGEST = 1_100


@dataclass(frozen=True, slots=True)
class BlocklistsPage:
    lists: Sequence[BlocklistRow]
    can_write: bool
    name: str = ""
    description: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)
    most: int = BLOCKLISTS_MAX


@dataclass(frozen=True, slots=True)
class BlocklistPage:
    list: BlocklistRow
    items: Sequence[ItemRow]
    older: str | None
    """Where the next page begins."""
    is_first: bool
    can_write: bool
    added: int | None = None
    terms: str = ""
    are_expressions: bool = False
    errors: FieldErrors = field(default_factory=FieldErrors)
    most_items: int = ITEMS_MAX
    most_at_once: int = ITEMS_AT_ONCE
    most_kib: int = MOST_BYTES // 1024


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, blocklists = services.database, services.safety.blocklists
    may_read = access.allowed(Permission.SAFETY_READ)
    may_write = access.allowed(Permission.SAFETY_WRITE)
    own_form = [Depends(access.own_form)]

    def show_all(
        request: Request,
        viewer: Viewer,
        errors: FieldErrors | None = None,
        *,
        name: str = "",
        description: str = "",
        status: int = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            rows = blocklists.list_blocklists(tx, viewer)
        page = BlocklistsPage(
            rows,
            viewer.may(Permission.SAFETY_WRITE),
            name,
            description,
            errors or FieldErrors(),
        )
        return portal.shell.page(
            request, "safety_blocklists.html", page, viewer=viewer, status=status
        )

    def show(
        request: Request,
        viewer: Viewer,
        blocklist_id: str,
        errors: FieldErrors | None = None,
        *,
        after: str | None = None,
        added: int | None = None,
        terms: str = "",
        are_expressions: bool = False,
        status: int = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            row = blocklists.get_blocklist(tx, viewer, blocklist_id)
            items = blocklists.list_items(tx, viewer, blocklist_id, after=after, limit=_ON_PAGE + 1)
        shown = items[:_ON_PAGE]
        page = BlocklistPage(
            list=row,
            items=shown,
            older=shown[-1].item_id if len(items) > _ON_PAGE else None,
            is_first=after is None,
            can_write=viewer.may(Permission.SAFETY_WRITE),
            added=added,
            terms=terms,
            are_expressions=are_expressions,
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(
            request, "safety_blocklist.html", page, viewer=viewer, status=status
        )

    @router.get("/safety/blocklists")
    def all_lists(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return show_all(request, viewer)

    @router.post("/safety/blocklists", dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        name = fields.text("name").strip()[:_LONGEST]
        description = fields.text("description").strip()[:_LONGEST]
        try:
            with database.transaction() as tx:
                row = blocklists.add_blocklist(tx, viewer, name, description)
        except (Conflict, InvalidInput) as error:
            errors = FieldErrors()
            errors.add("name", error)
            return show_all(
                request, viewer, errors, name=name, description=description, status=error.status
            )
        return RedirectResponse(f"/safety/blocklists/{row.blocklist_id}", HTTPStatus.SEE_OTHER)

    @router.get("/safety/blocklists/{blocklist_id}")
    def one_list(
        request: Request,
        blocklist_id: _Id,
        viewer: Annotated[Viewer, Depends(may_read)],
        after: Annotated[str | None, Query(max_length=100)] = None,
        added: Annotated[int | None, Query(ge=0, le=ITEMS_MAX)] = None,
    ) -> Response:
        return show(request, viewer, blocklist_id, after=after, added=added)

    @router.post("/safety/blocklists/{blocklist_id}/items", dependencies=own_form)
    def add_items(
        request: Request,
        blocklist_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        terms = fields.text("terms")
        are_expressions = fields.is_checked("are_expressions")
        return _take_in(
            request,
            viewer,
            blocklist_id,
            terms.encode(),
            typed=terms or " ",
            are_expressions=are_expressions,
        )

    @router.post("/safety/blocklists/{blocklist_id}/file", dependencies=own_form)
    def add_file(
        request: Request,
        blocklist_id: _Id,
        file: UploadFile,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        return _take_in(request, viewer, blocklist_id, file.file.read(MOST_BYTES + 1))

    def _take_in(
        request: Request,
        viewer: Viewer,
        blocklist_id: str,
        raw: bytes,
        *,
        typed: str = "",
        are_expressions: bool = False,
    ) -> Response:
        errors = FieldErrors()
        where = "terms" if typed else "file"
        try:
            items = [NewItem(text, is_regex=are_expressions) for text in read_terms(raw)]
            # All of a file or nothing of it: a half of a list looks like the whole.
            with database.transaction() as tx:
                for at in range(0, len(items), ITEMS_AT_ONCE):
                    blocklists.add_items(tx, viewer, blocklist_id, items[at : at + ITEMS_AT_ONCE])
        except (Conflict, InvalidInput) as error:
            errors.add(where, error)
            return show(
                request,
                viewer,
                blocklist_id,
                errors,
                terms=typed,
                are_expressions=are_expressions,
                status=error.status,
            )
        address = f"/safety/blocklists/{blocklist_id}?added={len(items)}"
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    @router.post("/safety/blocklists/{blocklist_id}/remove", dependencies=own_form)
    def remove(
        blocklist_id: _Id, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        with database.transaction() as tx:
            blocklists.remove_items(tx, viewer, blocklist_id, [fields.text("item")])
        return RedirectResponse(f"/safety/blocklists/{blocklist_id}", HTTPStatus.SEE_OTHER)

    def doomed(tx: Connection, viewer: Viewer, doomed_id: str) -> Doomed:
        row = blocklists.get_blocklist(tx, viewer, doomed_id)
        return Doomed(
            row.name,
            f"Its {row.items:,} terms go with it. A policy that uses it has to let go first.",
            f"/safety/blocklists/{row.blocklist_id}",
        )

    add_deletion(
        router,
        portal,
        "/safety/blocklists",
        find=doomed,
        delete=blocklists.delete_blocklist,
        then="/safety/blocklists",
    )

    return router
