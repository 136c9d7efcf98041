"""Incidents and kill switches: what went wrong, what was stopped, and what was learned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound, TradewindError
from tradewind.core.permissions import Permission
from tradewind.features.abuse.schemas import IncidentRow, KillSwitchRow, TrailRow
from tradewind.features.accounts.schemas import Viewer, may_review
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal

_LONGEST_TEXT = 20_100
_REFUSALS = (Conflict, Forbidden, InvalidInput, NotFound)
_Id = Annotated[str, Path(max_length=100)]


@dataclass(frozen=True, slots=True)
class IncidentForm:
    severity: str = "2"
    title: str = ""
    description: str = ""
    affected: str = ""


@dataclass(frozen=True, slots=True)
class IncidentsPage:
    rows: Sequence[IncidentRow]
    switches: Sequence[KillSwitchRow]
    is_reviewer: bool
    form: IncidentForm
    refusal: TradewindError | None = None


@dataclass(frozen=True, slots=True)
class IncidentPage:
    row: IncidentRow
    switches: Sequence[KillSwitchRow]
    trail: Sequence[TrailRow]
    is_reviewer: bool
    text: str = ""
    refusal: TradewindError | None = None

    @property
    def can_write(self) -> bool:
        return self.is_reviewer and self.row.closed_at is None


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, abuse = services.database, services.abuse
    may_read = access.allowed(Permission.SAFETY_READ)
    may_decide = access.allowed(Permission.REVIEWS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/incidents")
    def all_of_them(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return _all(request, viewer, IncidentForm())

    @router.post("/incidents", dependencies=own_form)
    def open_one(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_decide)]
    ) -> Response:
        form = IncidentForm(
            fields.text("severity")[:2],
            fields.text("title")[:210],
            fields.text("description")[:_LONGEST_TEXT],
            fields.text("affected")[:_LONGEST_TEXT],
        )
        try:
            with database.transaction() as tx:
                row = abuse.incidents.open(
                    tx,
                    viewer,
                    viewer.by,
                    severity=int(form.severity) if form.severity in "1234" else 0,
                    title=form.title,
                    description=form.description,
                    affected=form.affected.split(),
                )
        except _REFUSALS as error:
            return _all(request, viewer, form, error)
        return _go(f"/incidents/{row.incident_id}")

    @router.get("/incidents/{incident_id}")
    def one(
        request: Request, incident_id: _Id, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return _one(request, viewer, incident_id)

    @router.post("/incidents/{incident_id}", dependencies=own_form)
    def act(
        request: Request,
        incident_id: _Id,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_decide)],
    ) -> Response:
        todo = _acts(portal, viewer, incident_id, fields).get(fields.text("action"))
        if todo is None:
            raise NotFound("there is no such action")
        try:
            with database.transaction() as tx:
                todo(tx)
        except _REFUSALS as error:
            text = fields.text("postmortem")[:_LONGEST_TEXT]
            return _one(request, viewer, incident_id, text=text, refusal=error)
        return _go(f"/incidents/{incident_id}")

    def _all(
        request: Request, viewer: Viewer, form: IncidentForm, refusal: TradewindError | None = None
    ) -> Response:
        is_reviewer = may_review(viewer)
        with database.transaction() as tx:
            page = IncidentsPage(
                abuse.incidents.listed(tx, viewer),
                abuse.kill_switches.listed(tx, viewer) if is_reviewer else (),
                is_reviewer,
                form,
                refusal,
            )
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(request, "incidents.html", page, viewer=viewer, status=status)

    def _one(
        request: Request,
        viewer: Viewer,
        incident_id: str,
        *,
        text: str = "",
        refusal: TradewindError | None = None,
    ) -> Response:
        is_reviewer = may_review(viewer)
        with database.transaction() as tx:
            row = abuse.incidents.get(tx, viewer, incident_id)
            page = IncidentPage(
                row,
                abuse.kill_switches.listed(tx, viewer, incident_id) if is_reviewer else (),
                abuse.incidents.trail(tx, viewer, incident_id) if is_reviewer else (),
                is_reviewer,
                text,
                refusal,
            )
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(request, "incident.html", page, viewer=viewer, status=status)

    return router


def _acts(
    portal: Portal, viewer: Viewer, incident_id: str, fields: FormFields
) -> dict[str, Callable[[Connection], object]]:
    """Return what the buttons of an incident do, by name."""
    abuse, by = portal.services.abuse, viewer.by
    reason = fields.text("reason")[:_LONGEST_TEXT]

    def save(tx: Connection) -> object:
        text = fields.text("postmortem")[:_LONGEST_TEXT]
        return abuse.incidents.change(tx, viewer, by, incident_id, postmortem=text)

    def stop(tx: Connection) -> object:
        endpoint = fields.text("endpoint").strip()[:250]
        return abuse.kill_switches.stop(
            tx, viewer, by, endpoint, reason=reason, incident_id=incident_id
        )

    return {
        "save": save,
        "stop": stop,
        "lift": lambda tx: abuse.kill_switches.lift(
            tx, viewer, by, fields.text("switch")[:100], reason
        ),
        "close": lambda tx: abuse.incidents.close(tx, viewer, by, incident_id),
    }


def _go(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)
