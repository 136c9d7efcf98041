"""Sinks: where usage is sent, how that goes, and adding one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.marketplace.schemas import SinkChanges, SinkRow
from tradewind.features.marketplace.sinks import SINKS_MAX
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.sink_form import SinkForm, new_sink_of, read_sink_form

_Id = Annotated[str, Path(max_length=100)]


@dataclass(frozen=True, slots=True)
class SinksPage:
    sinks: Sequence[SinkRow]
    labels: Mapping[str, str]
    can_write: bool
    most: int = SINKS_MAX


@dataclass(frozen=True, slots=True)
class NewSinkPage:
    form: SinkForm
    kinds: Sequence[tuple[str, str]]
    is_operator: bool
    errors: FieldErrors = field(default_factory=FieldErrors)


@dataclass(frozen=True, slots=True)
class SinkDeletePage:
    sink: SinkRow


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, sinks = services.database, services.sinks
    may_read = access.allowed(Permission.BILLING_READ)
    may_write = access.allowed(Permission.BILLING_WRITE)
    own_form = [Depends(access.own_form)]
    kinds = [(member.name, member.label) for member in sinks.members]

    @router.get("/sinks")
    def all_sinks(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        with database.transaction() as tx:
            rows = sinks.list_sinks(tx, viewer)
        page = SinksPage(rows, dict(kinds), viewer.may(Permission.BILLING_WRITE))
        return portal.shell.page(request, "sinks.html", page, viewer=viewer)

    @router.get("/sinks/new")
    def ask(request: Request, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        page = NewSinkPage(SinkForm(), kinds, is_platform_administrator(viewer))
        return portal.shell.page(request, "sink_new.html", page, viewer=viewer)

    @router.post("/sinks", dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form, errors = read_sink_form(fields), FieldErrors()
        new = new_sink_of(form, fields.text("credential"), errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if new is not None:
            try:
                with database.transaction() as tx:
                    sinks.add(tx, viewer, new)
            except (Conflict, Forbidden, InvalidInput) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return RedirectResponse("/sinks", HTTPStatus.SEE_OTHER)
        page = NewSinkPage(form, kinds, is_platform_administrator(viewer), errors)
        return portal.shell.page(request, "sink_new.html", page, viewer=viewer, status=status)

    @router.post("/sinks/{sink_id}/switch", dependencies=own_form)
    def switch(
        sink_id: _Id, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        changes = SinkChanges(is_enabled=fields.text("to") == "on")
        with database.transaction() as tx:
            sinks.change(tx, viewer, sink_id, changes)
        return RedirectResponse("/sinks", HTTPStatus.SEE_OTHER)

    @router.get("/sinks/{sink_id}/delete")
    def ask_to_delete(
        request: Request, sink_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        with database.transaction() as tx:
            row = sinks.get(tx, viewer, sink_id)
        return portal.shell.page(request, "sink_delete.html", SinkDeletePage(row), viewer=viewer)

    @router.post("/sinks/{sink_id}/delete", dependencies=own_form)
    def delete(sink_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            sinks.delete(tx, viewer, sink_id)
        return RedirectResponse("/sinks", HTTPStatus.SEE_OTHER)

    return router
