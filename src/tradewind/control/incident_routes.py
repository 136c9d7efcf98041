"""The routes of incidents and kill switches."""

from typing import Annotated

from fastapi import Path, Query, Response

from tradewind.control.abuse_answers import (
    AbuseTrail,
    IncidentAnswer,
    IncidentBody,
    IncidentChangeBody,
    IncidentList,
    KillSwitchAnswer,
    KillSwitchBody,
    KillSwitchList,
    ReasonBody,
)
from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission

_Id = Annotated[str, Path(max_length=100)]
_READS = Permission.SAFETY_READ
_REVIEWS, _DECIDES = Permission.REVIEWS_READ, Permission.REVIEWS_WRITE


def add_incident_routes(routes: Routes, services: ControlServices) -> None:
    """Add `/abuse/incidents` and `/abuse/kill-switches`."""
    _add_incident_routes(routes, services)
    _add_kill_switch_routes(routes, services)


def _add_incident_routes(routes: Routes, services: ControlServices) -> None:
    incidents = services.abuse.incidents

    @routes.get(
        "/abuse/incidents",
        permission=_READS,
        summary="Incidents that affect the own organization; for reviewers all of them",
    )
    def all_of_them(call: Call) -> IncidentList:
        rows = incidents.listed(call.tx, call.holder)
        return IncidentList(incidents=[IncidentAnswer.of(row) for row in rows])

    @routes.post("/abuse/incidents", permission=_DECIDES, summary="Write down what went wrong")
    def open_one(call: Call, body: IncidentBody, response: Response) -> IncidentAnswer:
        row = incidents.open(
            call.tx,
            call.holder,
            acting(services, call),
            severity=body.severity,
            title=body.title,
            description=body.description,
            affected=body.affected,
        )
        response.headers["location"] = f"/api/abuse/incidents/{row.incident_id}"
        return IncidentAnswer.of(row)

    @routes.get("/abuse/incidents/{incident_id}", permission=_READS, summary="An incident")
    def one(call: Call, incident_id: _Id) -> IncidentAnswer:
        return IncidentAnswer.of(incidents.get(call.tx, call.holder, incident_id))

    @routes.patch(
        "/abuse/incidents/{incident_id}",
        permission=_DECIDES,
        summary="Change what is named, the postmortem too; what was said before is in the trail",
    )
    def change(call: Call, incident_id: _Id, body: IncidentChangeBody) -> IncidentAnswer:
        row = incidents.change(
            call.tx,
            call.holder,
            acting(services, call),
            incident_id,
            severity=body.severity,
            description=body.description,
            affected=body.affected,
            postmortem=body.postmortem,
        )
        return IncidentAnswer.of(row)

    @routes.post(
        "/abuse/incidents/{incident_id}/close",
        permission=_DECIDES,
        summary="Close it, once it has a postmortem",
    )
    def close(call: Call, incident_id: _Id) -> IncidentAnswer:
        by = acting(services, call)
        return IncidentAnswer.of(incidents.close(call.tx, call.holder, by, incident_id))

    @routes.get(
        "/abuse/incidents/{incident_id}/trail", permission=_REVIEWS, summary="Who did what about it"
    )
    def trail(call: Call, incident_id: _Id) -> AbuseTrail:
        return AbuseTrail.of(incidents.trail(call.tx, call.holder, incident_id))


def _add_kill_switch_routes(routes: Routes, services: ControlServices) -> None:
    switches = services.abuse.kill_switches

    @routes.get(
        "/abuse/kill-switches",
        permission=_REVIEWS,
        summary="Endpoints that were stopped, and how long the last token took to come to an end",
    )
    def all_of_them(
        call: Call, incident_id: Annotated[str | None, Query(max_length=100)] = None
    ) -> KillSwitchList:
        rows = switches.listed(call.tx, call.holder, incident_id)
        return KillSwitchList(kill_switches=[KillSwitchAnswer.of(row) for row in rows])

    @routes.post(
        "/abuse/kill-switches",
        permission=_DECIDES,
        summary="Stop an endpoint: nothing is sent, and what runs is ended",
    )
    def stop(call: Call, body: KillSwitchBody) -> KillSwitchAnswer:
        row = switches.stop(
            call.tx,
            call.holder,
            acting(services, call),
            body.endpoint,
            reason=body.reason,
            incident_id=body.incident_id,
        )
        return KillSwitchAnswer.of(row)

    @routes.post(
        "/abuse/kill-switches/{switch_id}/lift",
        permission=_DECIDES,
        summary="Let an endpoint answer again",
    )
    def lift(call: Call, switch_id: _Id, body: ReasonBody) -> KillSwitchAnswer:
        by = acting(services, call)
        return KillSwitchAnswer.of(switches.lift(call.tx, call.holder, by, switch_id, body.reason))
