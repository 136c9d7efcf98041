"""Organizations, projects, people and who belongs where."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Role
from tradewind.features.accounts.tables import (
    membership,
    organization,
    project,
    user_account,
)

# Any number that no other part of the platform locks; it stands for "the first run".
_FIRST_RUN_LOCK = 0x7477_6163_636F_756E


def lock_first_run(tx: Connection) -> None:
    """Let one transaction at a time decide whether this is the first run."""
    tx.execute(select(func.pg_advisory_xact_lock(_FIRST_RUN_LOCK)))


def has_organization(tx: Connection) -> bool:
    return tx.execute(select(organization.c.id).limit(1)).first() is not None


def add_organization(
    tx: Connection, name: str, now: datetime, *, is_platform: bool = False
) -> OrganizationId:
    organization_id = OrganizationId.new()
    tx.execute(
        insert(organization).values(
            id=organization_id, name=name, created_at=now, is_platform=is_platform
        )
    )
    return organization_id


def add_project(
    tx: Connection, organization_id: OrganizationId, name: str, now: datetime
) -> ProjectId:
    project_id = ProjectId.new()
    tx.execute(
        insert(project).values(
            id=project_id, organization_id=organization_id, name=name, created_at=now
        )
    )
    return project_id


def add_user(tx: Connection, *, email: str, name: str, now: datetime) -> UserId:
    user_id = UserId.new()
    tx.execute(insert(user_account).values(id=user_id, email=email, name=name, created_at=now))
    return user_id


def add_new_user(tx: Connection, *, email: str, name: str, now: datetime) -> UserId | None:
    """Add a person. Return None when another account has this address."""
    user_id = UserId.new()
    added = tx.execute(
        upsert(user_account)
        .values(id=user_id, email=email, name=name, created_at=now)
        .on_conflict_do_nothing()
        .returning(user_account.c.id)
    ).first()
    return None if added is None else user_id


def add_membership(
    tx: Connection, user_id: UserId, organization_id: OrganizationId, role: Role
) -> None:
    tx.execute(
        insert(membership).values(user_id=user_id, organization_id=organization_id, role=role.value)
    )


def first_project(tx: Connection) -> Row[Any] | None:
    """Return the oldest project of the organization that runs the platform."""
    return tx.execute(
        select(project)
        .join(organization, organization.c.id == project.c.organization_id)
        .where(organization.c.is_platform)
        .order_by(project.c.created_at, project.c.id)
        .limit(1)
    ).first()


def administrator(tx: Connection) -> UserId | None:
    """Return the platform's oldest administrator who is not disabled."""
    found = tx.execute(
        _administrators().order_by(user_account.c.created_at, user_account.c.id).limit(1)
    ).scalar()
    return UserId(found) if found is not None else None


def has_administrator_with_password(tx: Connection) -> bool:
    return (
        tx.execute(_administrators().where(user_account.c.password_hash.is_not(None))).first()
        is not None
    )


def _administrators() -> Select[Any]:
    return (
        select(user_account.c.id)
        .join(membership, membership.c.user_id == user_account.c.id)
        .join(organization, organization.c.id == membership.c.organization_id)
        .where(
            membership.c.role == Role.ADMIN.value,
            organization.c.is_platform,
            user_account.c.disabled_at.is_(None),
        )
    )
