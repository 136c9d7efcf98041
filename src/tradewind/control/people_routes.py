"""The routes of organizations, members, invitations and projects."""

from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.people_answers import (
    InvitationAnswer,
    InvitationBody,
    InvitationList,
    MadeInvitationAnswer,
    MadeOrganizationAnswer,
    MemberAnswer,
    MemberList,
    NameBody,
    OrganizationAnswer,
    OrganizationBody,
    OrganizationList,
    ProjectAnswer,
    ProjectList,
    RoleBody,
)
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission

_Id = Annotated[str, Path(max_length=100)]


def add_people_routes(routes: Routes, services: ControlServices) -> None:
    """Add `/organization`, `/organizations`, `/projects`, `/members` and `/invitations`."""
    _add_organizations(routes, services)
    _add_projects(routes, services)
    _add_members(routes, services)
    _add_invitations(routes, services)


def _add_organizations(routes: Routes, services: ControlServices) -> None:
    people = services.people

    @routes.get(
        "/organization", permission=Permission.ACCOUNTS_READ, summary="The key's organization"
    )
    def organization(call: Call) -> OrganizationAnswer:
        return OrganizationAnswer.of(people.get_organization(call.tx, call.holder))

    @routes.patch("/organization", permission=Permission.ACCOUNTS_WRITE, summary="Rename it")
    def rename_organization(call: Call, body: NameBody) -> OrganizationAnswer:
        return OrganizationAnswer.of(people.rename_organization(call.tx, call.holder, body.name))

    @routes.get("/organizations", permission=Permission.PLATFORM_READ, summary="All organizations")
    def organizations(call: Call) -> OrganizationList:
        rows = people.list_organizations(call.tx, call.holder)
        return OrganizationList(organizations=[OrganizationAnswer.of(row) for row in rows])

    @routes.post(
        "/organizations",
        permission=Permission.PLATFORM_WRITE,
        summary="Make an organization and invite its first administrator",
    )
    def add_organization(call: Call, body: OrganizationBody) -> MadeOrganizationAnswer:
        made = people.add_organization(
            call.tx, call.holder, name=body.name, administrator=body.administrator, by=None
        )
        return MadeOrganizationAnswer.of(made, services.public_url)


def _add_projects(routes: Routes, services: ControlServices) -> None:
    people, writes = services.people, Permission.ACCOUNTS_WRITE

    @routes.get("/projects", permission=Permission.ACCOUNTS_READ, summary="Projects")
    def projects(call: Call) -> ProjectList:
        rows = people.list_projects(call.tx, call.holder)
        return ProjectList(projects=[ProjectAnswer.of(row) for row in rows])

    @routes.post("/projects", permission=writes, summary="Add a project")
    def add_project(call: Call, body: NameBody, response: Response) -> ProjectAnswer:
        row = people.add_project(call.tx, call.holder, body.name)
        response.headers["location"] = f"/api/projects/{row.project_id}"
        return ProjectAnswer.of(row)

    @routes.patch("/projects/{project_id}", permission=writes, summary="Rename a project")
    def rename_project(call: Call, project_id: _Id, body: NameBody) -> ProjectAnswer:
        row = people.rename_project(call.tx, call.holder, project_id, body.name)
        return ProjectAnswer.of(row)


def _add_members(routes: Routes, services: ControlServices) -> None:
    people, writes = services.people, Permission.ACCOUNTS_WRITE

    @routes.get(
        "/members", permission=Permission.ACCOUNTS_READ, summary="Members of the organization"
    )
    def members(call: Call) -> MemberList:
        rows = people.list_members(call.tx, call.holder)
        return MemberList(members=[MemberAnswer.of(row) for row in rows])

    @routes.patch("/members/{user_id}", permission=writes, summary="Change a member's role")
    def change_role(call: Call, user_id: _Id, body: RoleBody) -> MemberAnswer:
        return MemberAnswer.of(people.change_role(call.tx, call.holder, user_id, body.role))

    @routes.delete("/members/{user_id}", permission=writes, summary="Remove a member")
    def remove_member(call: Call, user_id: _Id) -> None:
        people.remove_member(call.tx, call.holder, user_id)


def _add_invitations(routes: Routes, services: ControlServices) -> None:
    people, writes = services.people, Permission.ACCOUNTS_WRITE

    @routes.get(
        "/invitations",
        permission=Permission.ACCOUNTS_READ,
        summary="Invitations that can still be accepted",
    )
    def invitations(call: Call) -> InvitationList:
        rows = people.list_invitations(call.tx, call.holder)
        return InvitationList(invitations=[InvitationAnswer.of(row) for row in rows])

    @routes.post(
        "/invitations",
        permission=writes,
        summary="Invite somebody; whoever opens the answer's address is in",
    )
    def invite(call: Call, body: InvitationBody) -> MadeInvitationAnswer:
        made = people.invite(call.tx, call.holder, email=body.email, role=body.role, by=None)
        return MadeInvitationAnswer.of(made, services.public_url)

    @routes.delete(
        "/invitations/{invitation_id}", permission=writes, summary="Withdraw an invitation"
    )
    def withdraw(call: Call, invitation_id: _Id) -> None:
        people.withdraw_invitation(call.tx, call.holder, invitation_id)
