"""Deleting a policy, or something that policies use: asked first, and refused while in use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.parts import Portal

_Id = Annotated[str, Path(max_length=100)]


class Doomed(NamedTuple):
    """What would be deleted."""

    name: str
    told: str
    """What goes with it, and what stands in the way."""
    back: str
    """Where whoever does not want it goes."""


@dataclass(frozen=True, slots=True)
class DeletePage:
    what: str
    told: str
    action: str
    back: str
    errors: FieldErrors = field(default_factory=FieldErrors)


def add_deletion(
    router: APIRouter,
    portal: Portal,
    place: str,
    *,
    find: Callable[[Connection, Viewer, str], Doomed],
    delete: Callable[[Connection, Viewer, str], object],
    then: str,
) -> None:
    """Add the page below `place` that asks, and what it posts to; `then` is shown afterwards.

    `find` raises NotFound, `delete` Conflict for what is in use.
    """
    access, database = portal.access, portal.services.database
    may_write = access.allowed(Permission.SAFETY_WRITE)

    def show(
        request: Request,
        viewer: Viewer,
        doomed_id: str,
        errors: FieldErrors | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            found = find(tx, viewer, doomed_id)
        page = DeletePage(
            what=found.name,
            told=found.told,
            action=f"{place}/{doomed_id}/delete",
            back=found.back,
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(request, "safety_delete.html", page, viewer=viewer, status=status)

    @router.get(f"{place}/{{doomed_id}}/delete")
    def ask(
        request: Request, doomed_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        return show(request, viewer, doomed_id)

    @router.post(f"{place}/{{doomed_id}}/delete", dependencies=[Depends(access.own_form)])
    def carry_out(
        request: Request, doomed_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        try:
            with database.transaction() as tx:
                delete(tx, viewer, doomed_id)
        except Conflict as error:
            errors = FieldErrors()
            errors.add(WHOLE_FORM, error)
            return show(request, viewer, doomed_id, errors, error.status)
        return RedirectResponse(then, HTTPStatus.SEE_OTHER)
