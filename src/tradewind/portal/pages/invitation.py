"""What an invitation's link opens: a new account, or one more organization for an old one."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.features.accounts.errors import InvitationRefused
from tradewind.features.accounts.schemas import MadeInvitation, OpenInvitation, Viewer
from tradewind.portal.access import SIGN_IN_PATH
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.parts import Portal

INVITATION_PATH = "/invitation"
_LONGEST_CODE = 256
_Code = Annotated[str, Form(max_length=_LONGEST_CODE)]


def invitation_url(made: MadeInvitation, public_url: str) -> str:
    """Return what to hand to whoever is invited."""
    return f"{public_url}{INVITATION_PATH}?code={made.code}"


@dataclass(frozen=True, slots=True)
class InvitationPage:
    code: str
    invitation: OpenInvitation | None
    """None is one that no longer counts."""
    refusal: str = ""
    hint: str = ""
    viewer: Viewer | None = None
    """Whoever is signed in, if anybody is."""
    name: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)

    @property
    def is_for_viewer(self) -> bool:
        return (
            self.viewer is not None
            and self.invitation is not None
            and self.viewer.email == self.invitation.row.email
        )

    @property
    def sign_in_path(self) -> str:
        here = f"{INVITATION_PATH}?code={self.code}"
        return f"{SIGN_IN_PATH}?next={quote(here, safe='')}"


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, people = services.database, services.people

    @router.get(INVITATION_PATH)
    def ask(
        request: Request, code: Annotated[str, Query(max_length=_LONGEST_CODE)] = ""
    ) -> Response:
        return _page(request, code, FieldErrors())

    # A code is used up by a POST alone: mail scanners follow the link too.
    @router.post(INVITATION_PATH, dependencies=[Depends(access.own_anonymous_form)])
    def accept_as_new(
        request: Request,
        code: _Code = "",
        name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
    ) -> Response:
        errors = FieldErrors()
        try:
            with database.transaction() as tx:
                signed_in = people.accept_as_new(tx, code, name=name, password=password)
        except (InvalidInput, Conflict) as error:
            errors.add(WHOLE_FORM, error)
        except InvitationRefused:
            return _page(request, code, errors)
        else:
            response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
            access.open_session(response, signed_in)
            return response
        return _page(request, code, errors, name=name)

    @router.post(f"{INVITATION_PATH}/accept", dependencies=[Depends(access.own_form)])
    def accept(
        request: Request, viewer: Annotated[Viewer, Depends(access.signed_in)], code: _Code = ""
    ) -> Response:
        try:
            with database.transaction() as tx:
                people.accept(tx, viewer, code)
        except InvitationRefused:
            return _page(request, code, FieldErrors())
        return RedirectResponse("/places", HTTPStatus.SEE_OTHER)

    def _page(request: Request, code: str, errors: FieldErrors, *, name: str = "") -> Response:
        viewer = access.find_viewer(request)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        try:
            with database.transaction() as tx:
                found = people.read_invitation(tx, code)
        except InvitationRefused as refusal:
            page = InvitationPage(code, None, refusal.message, refusal.hint or "", viewer)
            status = HTTPStatus.NOT_FOUND
        else:
            page = InvitationPage(code, found, viewer=viewer, name=name, errors=errors)
        # Without the rail: whoever is invited has none yet.
        return portal.shell.page(request, "invitation.html", page, viewer=None, status=status)

    return router
