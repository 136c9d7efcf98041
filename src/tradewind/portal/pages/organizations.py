"""All organizations of the platform, and making another one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts import rules
from tradewind.features.accounts.errors import TooManyInAccounts
from tradewind.features.accounts.schemas import OrganizationRow, Viewer
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.pages.invitation import invitation_url
from tradewind.portal.pages.people import MadeInvitationPage
from tradewind.portal.parts import Portal


@dataclass(frozen=True, slots=True)
class OrganizationsPage:
    organizations: Sequence[OrganizationRow]
    name: str = ""
    administrator: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, people = services.database, services.people
    may_read = access.allowed(Permission.PLATFORM_READ)
    may_write = access.allowed(Permission.PLATFORM_WRITE)

    @router.get("/organizations")
    def show(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return _page(request, viewer, FieldErrors())

    @router.post("/organizations", dependencies=[Depends(access.own_form)])
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        name, administrator = fields.text("name"), fields.text("administrator")
        errors = FieldErrors()
        with errors.at("name"):
            rules.clean_name(name, what="organization")
        with errors.at("administrator"):
            rules.clean_email(administrator)
        if not errors:
            try:
                with database.transaction() as tx:
                    made = people.add_organization(
                        tx, viewer, name=name, administrator=administrator, by=viewer.user_id
                    )
            except (InvalidInput, TooManyInAccounts) as error:
                errors.add(WHOLE_FORM, error)
            else:
                url = invitation_url(made.invitation, services.public_url())
                page = MadeInvitationPage(made.invitation.row, url, "/organizations")
                return portal.shell.page(request, "invitation_made.html", page, viewer=viewer)
        return _page(request, viewer, errors, name=name, administrator=administrator)

    def _page(request: Request, viewer: Viewer, errors: FieldErrors, **typed: str) -> Response:
        with database.transaction() as tx:
            rows = people.list_organizations(tx, viewer)
        page = OrganizationsPage(rows, errors=errors, **typed)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        return portal.shell.page(request, "organizations.html", page, viewer=viewer, status=status)

    return router
