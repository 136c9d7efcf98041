"""Where to look: the projects of all organizations that somebody is in."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from tradewind.features.accounts.schemas import Place, Viewer
from tradewind.portal.parts import Portal


@dataclass(frozen=True, slots=True)
class PlacesPage:
    places: Sequence[Place]
    here: str
    """Id of the project that is looked at."""

    @property
    def organizations(self) -> list[tuple[str, list[Place]]]:
        """Return the places of each organization, with its name."""
        groups = groupby(self.places, key=lambda place: place.organization_id)
        listed = [list(places) for _, places in groups]
        return [(places[0].organization_name, places) for places in listed]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, people = services.database, services.people

    @router.get("/places")
    def show(request: Request, viewer: Annotated[Viewer, Depends(access.signed_in)]) -> Response:
        with database.transaction() as tx:
            page = PlacesPage(people.places(tx, viewer), viewer.project_id)
        return portal.shell.page(request, "places.html", page, viewer=viewer)

    @router.post("/places", dependencies=[Depends(access.own_form)])
    def look_at(
        request: Request,
        viewer: Annotated[Viewer, Depends(access.signed_in)],
        project: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        token = access.session_token(request)
        assert token is not None, "own_form has just resolved it"
        with database.transaction() as tx:
            people.look_at(tx, viewer, token, project)
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    return router
