"""Members of organizations, invitations, and the places that people may look at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from tradewind.core.ids import InvitationId, OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Role
from tradewind.features.accounts.tables import (
    invitation,
    membership,
    organization,
    project,
    session,
    user_account,
)


def lock_organization(tx: Connection, organization_id: OrganizationId) -> Row[Any] | None:
    """Return an organization, and let one transaction at a time change who belongs to it."""
    return tx.execute(
        select(organization)
        .where(organization.c.id == organization_id)
        .with_for_update(key_share=True)
    ).first()


# --- organizations and projects ----------------------------------------------------------------


def count_organizations(tx: Connection) -> int:
    return tx.execute(select(func.count()).select_from(organization)).scalar_one()


def list_organizations(
    tx: Connection, *, only: OrganizationId | None = None, limit: int
) -> Sequence[Row[Any]]:
    """Return organizations by name with how many members and projects they have."""
    members = (
        select(func.count())
        .select_from(membership)
        .where(membership.c.organization_id == organization.c.id)
        .scalar_subquery()
    )
    projects = (
        select(func.count())
        .select_from(project)
        .where(project.c.organization_id == organization.c.id)
        .scalar_subquery()
    )
    statement = (
        select(organization, members.label("members"), projects.label("projects"))
        .order_by(func.lower(organization.c.name), organization.c.id)
        .limit(limit)
    )
    if only is not None:
        statement = statement.where(organization.c.id == only)
    return tx.execute(statement).all()


def rename_organization(tx: Connection, organization_id: OrganizationId, name: str) -> None:
    tx.execute(update(organization).where(organization.c.id == organization_id).values(name=name))


def list_projects(
    tx: Connection, organization_id: OrganizationId, *, limit: int
) -> Sequence[Row[Any]]:
    """Return the oldest first: that is where people begin."""
    return tx.execute(
        select(project)
        .where(project.c.organization_id == organization_id)
        .order_by(project.c.created_at, project.c.id)
        .limit(limit)
    ).all()


def find_project(
    tx: Connection, organization_id: OrganizationId, project_id: str
) -> Row[Any] | None:
    return tx.execute(
        select(project).where(
            project.c.organization_id == organization_id, project.c.id == project_id
        )
    ).first()


def rename_project(tx: Connection, project_id: ProjectId, name: str) -> None:
    tx.execute(update(project).where(project.c.id == project_id).values(name=name))


def places_of(tx: Connection, user_id: UserId, *, limit: int) -> Sequence[Row[Any]]:
    """Return the projects of all organizations of a person, as `Place` has them."""
    return tx.execute(
        _places(user_id)
        .order_by(organization.c.created_at, organization.c.id, project.c.created_at, project.c.id)
        .limit(limit)
    ).all()


def find_place(tx: Connection, user_id: UserId, project_id: str) -> Row[Any] | None:
    return tx.execute(_places(user_id).where(project.c.id == project_id)).first()


def _places(user_id: UserId) -> Select[Any]:
    statement: Any = (
        select(
            organization.c.id.label("organization_id"),
            organization.c.name.label("organization_name"),
            project.c.id.label("project_id"),
            project.c.name.label("project_name"),
        )
        .join(membership, membership.c.organization_id == organization.c.id)
        .join(project, project.c.organization_id == organization.c.id)
        .where(membership.c.user_id == user_id)
    )
    return statement


# --- members -----------------------------------------------------------------------------------


def list_members(
    tx: Connection, organization_id: OrganizationId, *, limit: int
) -> Sequence[Row[Any]]:
    """Return administrators first, then by name."""
    return tx.execute(
        _members(organization_id)
        .order_by(membership.c.role, func.lower(user_account.c.name), user_account.c.id)
        .limit(limit)
    ).all()


def find_member(tx: Connection, organization_id: OrganizationId, user_id: str) -> Row[Any] | None:
    return tx.execute(_members(organization_id).where(membership.c.user_id == user_id)).first()


def find_member_by_email(
    tx: Connection, organization_id: OrganizationId, email: str
) -> Row[Any] | None:
    return tx.execute(_members(organization_id).where(user_account.c.email == email)).first()


def _members(organization_id: OrganizationId) -> Select[Any]:
    seen = (
        select(func.max(session.c.last_seen_at))
        .where(session.c.user_id == user_account.c.id)
        .scalar_subquery()
    )
    statement: Any = (
        select(
            user_account.c.id,
            user_account.c.name,
            user_account.c.email,
            user_account.c.disabled_at,
            membership.c.role,
            seen.label("last_seen_at"),
        )
        .join(membership, membership.c.user_id == user_account.c.id)
        .where(membership.c.organization_id == organization_id)
    )
    return statement


def count_members(tx: Connection, organization_id: OrganizationId) -> int:
    return tx.execute(
        select(func.count())
        .select_from(membership)
        .where(membership.c.organization_id == organization_id)
    ).scalar_one()


def has_other_administrator(tx: Connection, organization_id: OrganizationId, user_id: str) -> bool:
    """Say whether somebody else can sign in and administer."""
    found = tx.execute(
        select(membership.c.user_id)
        .join(user_account, user_account.c.id == membership.c.user_id)
        .where(
            membership.c.organization_id == organization_id,
            membership.c.user_id != user_id,
            membership.c.role == Role.ADMIN.value,
            user_account.c.disabled_at.is_(None),
        )
        .limit(1)
    )
    return found.first() is not None


def set_role(tx: Connection, organization_id: OrganizationId, user_id: UserId, role: Role) -> None:
    tx.execute(
        update(membership)
        .where(membership.c.organization_id == organization_id, membership.c.user_id == user_id)
        .values(role=role.value)
    )


def delete_membership(tx: Connection, organization_id: OrganizationId, user_id: UserId) -> None:
    tx.execute(
        delete(membership).where(
            membership.c.organization_id == organization_id, membership.c.user_id == user_id
        )
    )


# --- invitations -------------------------------------------------------------------------------


def add_invitation(
    tx: Connection,
    invitation_id: InvitationId,
    digest: bytes,
    *,
    organization_id: OrganizationId,
    email: str,
    role: Role,
    created_by: UserId | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Add an invitation; one to the same address that is open is withdrawn."""
    tx.execute(
        update(invitation)
        .where(
            invitation.c.organization_id == organization_id,
            invitation.c.email == email,
            *_is_open(),
        )
        .values(withdrawn_at=now)
    )
    tx.execute(
        insert(invitation).values(
            id=invitation_id,
            organization_id=organization_id,
            email=email,
            role=role.value,
            code_digest=digest,
            created_at=now,
            created_by=created_by,
            expires_at=expires_at,
        )
    )


def list_invitations(
    tx: Connection, organization_id: OrganizationId, now: datetime, *, limit: int
) -> Sequence[Row[Any]]:
    """Return those that can still be accepted, the newest first."""
    return tx.execute(
        _invitations()
        .where(
            invitation.c.organization_id == organization_id,
            *_is_open(),
            invitation.c.expires_at > now,
        )
        .order_by(invitation.c.created_at.desc(), invitation.c.id.desc())
        .limit(limit)
    ).all()


def find_invitation(
    tx: Connection, organization_id: OrganizationId, invitation_id: str
) -> Row[Any] | None:
    return tx.execute(
        _invitations().where(
            invitation.c.organization_id == organization_id, invitation.c.id == invitation_id
        )
    ).first()


def find_open_invitation(
    tx: Connection, digest: bytes, now: datetime, *, locks: bool = False
) -> Row[Any] | None:
    statement = _invitations().where(
        invitation.c.code_digest == digest, *_is_open(), invitation.c.expires_at > now
    )
    return tx.execute(statement.with_for_update(of=invitation) if locks else statement).first()


def withdraw_invitation(tx: Connection, invitation_id: InvitationId, now: datetime) -> None:
    tx.execute(
        update(invitation)
        .where(invitation.c.id == invitation_id, *_is_open())
        .values(withdrawn_at=now)
    )


def accept_invitation(tx: Connection, invitation_id: InvitationId, now: datetime) -> None:
    tx.execute(update(invitation).where(invitation.c.id == invitation_id).values(accepted_at=now))


def _is_open() -> tuple[Any, Any]:
    return invitation.c.accepted_at.is_(None), invitation.c.withdrawn_at.is_(None)


def _invitations() -> Select[Any]:
    statement: Any = (
        select(
            invitation,
            organization.c.name.label("organization_name"),
            func.coalesce(user_account.c.name, "").label("invited_by"),
        )
        .join(organization, organization.c.id == invitation.c.organization_id)
        .outerjoin(user_account, user_account.c.id == invitation.c.created_by)
    )
    return statement
