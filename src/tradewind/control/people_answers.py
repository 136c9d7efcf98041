"""What the routes of organizations, members, invitations and projects take and answer."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.core.permissions import Role
from tradewind.features.accounts.rules import EMAIL_MAX, NAME_MAX
from tradewind.features.accounts.schemas import (
    InvitationRow,
    MadeInvitation,
    MadeOrganization,
    MemberRow,
    OrganizationRow,
    ProjectRow,
)

_Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)]
_Email = Annotated[str, StringConstraints(min_length=3, max_length=EMAIL_MAX)]
_Role = Annotated[Role, Field(strict=False)]
INVITATION_PATH = "/invitation"
"""Where the portal lets whoever has a code in."""


class NameBody(Body):
    name: _Name


class OrganizationBody(Body):
    name: _Name
    administrator: _Email = Field(description="E-mail address of whoever administers it first.")


class InvitationBody(Body):
    email: _Email
    role: _Role


class RoleBody(Body):
    role: _Role


class OrganizationAnswer(BaseModel):
    id: str
    name: str
    created_at: datetime
    is_platform: bool = Field(description="It runs the platform.")
    members: int
    projects: int

    @classmethod
    def of(cls, row: OrganizationRow) -> Self:
        return cls(
            id=row.organization_id,
            name=row.name,
            created_at=row.created_at,
            is_platform=row.is_platform,
            members=row.members,
            projects=row.projects,
        )


class OrganizationList(BaseModel):
    organizations: list[OrganizationAnswer]


class ProjectAnswer(BaseModel):
    id: str
    name: str
    created_at: datetime

    @classmethod
    def of(cls, row: ProjectRow) -> Self:
        return cls(id=row.project_id, name=row.name, created_at=row.created_at)


class ProjectList(BaseModel):
    projects: list[ProjectAnswer]


class MemberAnswer(BaseModel):
    id: str
    name: str
    email: str
    role: Role
    is_disabled: bool
    last_seen_at: datetime | None = Field(description="Null is not lately.")

    @classmethod
    def of(cls, row: MemberRow) -> Self:
        return cls(
            id=row.user_id,
            name=row.name,
            email=row.email,
            role=row.role,
            is_disabled=row.is_disabled,
            last_seen_at=row.last_seen_at,
        )


class MemberList(BaseModel):
    members: list[MemberAnswer]


class InvitationAnswer(BaseModel):
    id: str
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    invited_by: str = Field(description="Empty is a program.")

    @classmethod
    def of(cls, row: InvitationRow) -> Self:
        return cls(
            id=row.invitation_id,
            email=row.email,
            role=row.role,
            created_at=row.created_at,
            expires_at=row.expires_at,
            invited_by=row.invited_by,
        )


class InvitationList(BaseModel):
    invitations: list[InvitationAnswer]


class MadeInvitationAnswer(BaseModel):
    invitation: InvitationAnswer
    url: str = Field(description="Lets whoever opens it in, once. It cannot be had again.")

    @classmethod
    def of(cls, made: MadeInvitation, public_url: str) -> Self:
        return cls(invitation=InvitationAnswer.of(made.row), url=invitation_url(made, public_url))


class MadeOrganizationAnswer(BaseModel):
    organization: OrganizationAnswer
    invitation: InvitationAnswer
    url: str = Field(description="Lets its administrator in, once. It cannot be had again.")

    @classmethod
    def of(cls, made: MadeOrganization, public_url: str) -> Self:
        return cls(
            organization=OrganizationAnswer.of(made.row),
            invitation=InvitationAnswer.of(made.invitation.row),
            url=invitation_url(made.invitation, public_url),
        )


def invitation_url(made: MadeInvitation, public_url: str) -> str:
    return f"{public_url}{INVITATION_PATH}?code={made.code}"
