"""Who belongs to the organization, who is invited, and its projects."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput, NotFound
from tradewind.core.permissions import Permission, Role
from tradewind.features.accounts.errors import LastAdministrator, TooManyInAccounts
from tradewind.features.accounts.schemas import InvitationRow, MemberRow, ProjectRow, Viewer
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.pages.invitation import invitation_url
from tradewind.portal.parts import Portal

ROLES = (
    (Role.DEVELOPER.value, "Developer: makes keys and calls models"),
    (Role.VIEWER.value, "Viewer: looks at models, usage and requests"),
    (Role.ADMIN.value, "Administrator: everything in the organization"),
)
_TOLD_IN_PLACE = (InvalidInput, Conflict, NotFound, LastAdministrator, TooManyInAccounts)


@dataclass(frozen=True, slots=True)
class PeoplePage:
    members: Sequence[MemberRow]
    invitations: Sequence[InvitationRow]
    projects: Sequence[ProjectRow]
    can_write: bool
    email: str
    """As typed, like the next two."""
    role: str
    project_name: str
    errors: FieldErrors

    @property
    def roles(self) -> Sequence[tuple[str, str]]:
        """Each with what it is called."""
        return ROLES


@dataclass(frozen=True, slots=True)
class MadeInvitationPage:
    """The one page that holds an invitation's link."""

    row: InvitationRow
    url: str
    back: str


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, people = services.database, services.people
    may_read = access.allowed(Permission.ACCOUNTS_READ)
    may_write = access.allowed(Permission.ACCOUNTS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/people")
    def show(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return _page(request, viewer, FieldErrors())

    @router.post("/people/invitations", dependencies=own_form)
    def invite(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        email, role, errors = fields.text("email"), fields.text("role"), FieldErrors()
        if role not in set(Role):
            errors.say("role", "this is no role", "choose one")
            return _page(request, viewer, errors, email=email)
        try:
            with database.transaction() as tx:
                made = people.invite(tx, viewer, email=email, role=Role(role), by=viewer.user_id)
        except _TOLD_IN_PLACE as error:
            errors.add("email", error)
            return _page(request, viewer, errors, email=email, role=role)
        # Answered in place: a redirect would have to carry the code in its address.
        page = MadeInvitationPage(made.row, invitation_url(made, services.public_url()), "/people")
        return portal.shell.page(request, "invitation_made.html", page, viewer=viewer)

    @router.post("/people/invitations/{invitation_id}/withdraw", dependencies=own_form)
    def withdraw(
        request: Request, invitation_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        errors = FieldErrors()
        try:
            with database.transaction() as tx:
                people.withdraw_invitation(tx, viewer, invitation_id)
        except NotFound as error:
            errors.add(WHOLE_FORM, error)
        return _after(request, viewer, errors)

    @router.post("/people/{user_id}/role", dependencies=own_form)
    def change_role(
        request: Request,
        user_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        role, errors = fields.text("role"), FieldErrors()
        if role not in set(Role):
            errors.say(WHOLE_FORM, "this is no role", "choose one")
            return _after(request, viewer, errors)
        try:
            with database.transaction() as tx:
                people.change_role(tx, viewer, user_id, Role(role))
        except _TOLD_IN_PLACE as error:
            errors.add(WHOLE_FORM, error)
        return _after(request, viewer, errors)

    @router.post("/people/{user_id}/remove", dependencies=own_form)
    def remove(
        request: Request, user_id: str, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        errors = FieldErrors()
        try:
            with database.transaction() as tx:
                people.remove_member(tx, viewer, user_id)
        except _TOLD_IN_PLACE as error:
            errors.add(WHOLE_FORM, error)
        return _after(request, viewer, errors)

    @router.post("/people/projects", dependencies=own_form)
    def add_project(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        name, errors = fields.text("project_name"), FieldErrors()
        try:
            with database.transaction() as tx:
                people.add_project(tx, viewer, name)
        except _TOLD_IN_PLACE as error:
            errors.add("project_name", error)
            return _page(request, viewer, errors, project_name=name)
        return _after(request, viewer, errors)

    def _after(request: Request, viewer: Viewer, errors: FieldErrors) -> Response:
        if errors:
            return _page(request, viewer, errors)
        return RedirectResponse("/people", HTTPStatus.SEE_OTHER)

    def _page(
        request: Request,
        viewer: Viewer,
        errors: FieldErrors,
        *,
        email: str = "",
        role: str = Role.DEVELOPER.value,
        project_name: str = "",
    ) -> Response:
        with database.transaction() as tx:
            page = PeoplePage(
                people.list_members(tx, viewer),
                people.list_invitations(tx, viewer),
                people.list_projects(tx, viewer),
                viewer.may(Permission.ACCOUNTS_WRITE),
                email,
                role,
                project_name,
                errors,
            )
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        return portal.shell.page(request, "people.html", page, viewer=viewer, status=status)

    return router
