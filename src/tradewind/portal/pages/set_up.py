"""The last step of the first sign-in: name, e-mail and password. Every other page waits for it."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.access import SET_UP_PATH
from tradewind.portal.parts import Portal


@dataclass(frozen=True, slots=True)
class SetUpPage:
    organization: str
    csrf_token: str
    name: str
    email: str
    error: str | None = None
    hint: str | None = None


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    access, accounts = portal.access, portal.services.accounts

    @router.get(SET_UP_PATH)
    def ask(
        request: Request, viewer: Annotated[Viewer, Depends(access.half_signed_in)]
    ) -> Response:
        if viewer.has_password:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        return _form(request, _page(viewer, viewer.name, viewer.email))

    @router.post(SET_UP_PATH, dependencies=[Depends(access.own_form)])
    def set_up(
        request: Request,
        viewer: Annotated[Viewer, Depends(access.half_signed_in)],
        name: Annotated[str, Form()] = "",
        email: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
    ) -> Response:
        if viewer.has_password:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        try:
            with portal.services.database.transaction() as tx:
                signed_in = accounts.set_up_administrator(
                    tx, viewer, name=name, email=email, password=password
                )
        except (InvalidInput, Conflict) as error:
            return _form(request, _page(viewer, name, email, error), error.status)
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        access.open_session(response, signed_in)
        return response

    def _page(
        viewer: Viewer, name: str, email: str, error: InvalidInput | Conflict | None = None
    ) -> SetUpPage:
        return SetUpPage(
            viewer.organization_name,
            viewer.csrf_token,
            name,
            email,
            error.message if error else None,
            error.hint if error else None,
        )

    def _form(request: Request, page: SetUpPage, status: int = HTTPStatus.OK) -> Response:
        # Without the viewer, so without the rail: none of its pages would open yet.
        return portal.shell.page(request, "set_up.html", page, viewer=None, status=status)

    return router
