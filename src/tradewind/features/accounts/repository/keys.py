"""API keys."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, case, delete, func, insert, or_, select, update

from tradewind.core.api_keys import MintedKey
from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.features.accounts.schemas import PURPOSES_OF_PEOPLE, KeyPurpose
from tradewind.features.accounts.tables import (
    api_key,
    organization,
    project,
    user_account,
)
from tradewind.snapshot.contents import Limits

_PURGED_AT_ONCE = 1_000
_FETCHED_AT_ONCE = 5_000


def add_key(
    tx: Connection,
    minted: MintedKey,
    *,
    organization_id: OrganizationId,
    project_id: ProjectId,
    name: str,
    created_by: UserId | None,
    now: datetime,
    expires_at: datetime | None,
    limits: Limits,
    models: frozenset[str] | None,
    purpose: KeyPurpose,
) -> None:
    tx.execute(
        insert(api_key).values(
            id=minted.key_id,
            organization_id=organization_id,
            project_id=project_id,
            name=name,
            digest=minted.digest,
            created_by=created_by,
            created_at=now,
            expires_at=expires_at,
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            concurrent_requests=limits.concurrent_requests,
            models=None if models is None else sorted(models),
            purpose=purpose.value,
        )
    )


def list_keys(
    tx: Connection,
    organization_id: OrganizationId,
    project_id: ProjectId,
    *,
    purposes: Iterable[KeyPurpose],
    limit: int,
) -> Sequence[Row[Any]]:
    """Return keys that are not revoked first, then newest first."""
    return tx.execute(
        _keys(organization_id)
        .where(
            api_key.c.project_id == project_id,
            api_key.c.purpose.in_([purpose.value for purpose in purposes]),
        )
        .order_by(
            case((api_key.c.revoked_at.is_(None), 0), else_=1),
            api_key.c.created_at.desc(),
            api_key.c.id,
        )
        .limit(limit)
    ).all()


def find_key(
    tx: Connection,
    organization_id: OrganizationId,
    key_id: str,
    *,
    project_id: ProjectId | None = None,
) -> Row[Any] | None:
    """Return a key of this organization and, when given, of this project."""
    statement = _keys(organization_id).where(api_key.c.id == key_id)
    if project_id is not None:
        statement = statement.where(api_key.c.project_id == project_id)
    return tx.execute(statement).first()


def _keys(organization_id: OrganizationId) -> Select[Any]:
    return (
        select(api_key, user_account.c.name.label("created_by_name"))
        .outerjoin(user_account, user_account.c.id == api_key.c.created_by)
        .where(api_key.c.organization_id == organization_id)
    )


def count_keys_of_people(
    tx: Connection, organization_id: OrganizationId, project_id: ProjectId
) -> int:
    return tx.execute(
        select(func.count())
        .select_from(api_key)
        .where(
            api_key.c.organization_id == organization_id,
            api_key.c.project_id == project_id,
            api_key.c.purpose.in_([purpose.value for purpose in PURPOSES_OF_PEOPLE]),
            api_key.c.revoked_at.is_(None),
        )
    ).scalar_one()


def lock_project(tx: Connection, organization_id: OrganizationId, project_id: ProjectId) -> bool:
    """Let one transaction at a time count and add the keys of a project; false when none such."""
    return (
        tx.execute(
            select(project.c.id)
            .where(project.c.organization_id == organization_id, project.c.id == project_id)
            .with_for_update(key_share=True)
        ).first()
        is not None
    )


def revoke_key(tx: Connection, organization_id: OrganizationId, key_id: str, now: datetime) -> bool:
    """Return whether this call revoked it."""
    return (
        tx.execute(
            update(api_key)
            .where(
                api_key.c.organization_id == organization_id,
                api_key.c.id == key_id,
                api_key.c.revoked_at.is_(None),
            )
            .values(revoked_at=now)
            .returning(api_key.c.id)
        ).first()
        is not None
    )


def revoke_playground_keys(
    tx: Connection,
    user_id: UserId,
    now: datetime,
    *,
    keep_newest: int = 0,
    organization_id: OrganizationId | None = None,
) -> list[str]:
    """Revoke them in all organizations, or in one. Return the ids of those that this revoked."""
    newest = (
        select(api_key.c.id)
        .where(
            api_key.c.created_by == user_id,
            api_key.c.purpose == KeyPurpose.PLAYGROUND.value,
            api_key.c.revoked_at.is_(None),
        )
        .order_by(api_key.c.created_at.desc(), api_key.c.id)
        .offset(keep_newest)
    )
    if organization_id is not None:
        newest = newest.where(api_key.c.organization_id == organization_id)
    revoke = update(api_key).where(api_key.c.id.in_(newest)).values(revoked_at=now)
    return list(tx.execute(revoke.returning(api_key.c.id)).scalars())


def revoke_start_up_keys(tx: Connection, now: datetime) -> list[str]:
    """Return the ids of those that this call revoked."""
    revoke = (
        update(api_key)
        .where(
            api_key.c.purpose == KeyPurpose.START_UP.value,
            api_key.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return list(tx.execute(revoke.returning(api_key.c.id)).scalars())


def purge_short_lived_keys(tx: Connection, expired_before: datetime) -> None:
    """Delete some of the keys that were never a person's; usage keeps their ids as plain text."""
    tx.execute(
        delete(api_key).where(
            api_key.c.id.in_(
                select(api_key.c.id)
                .where(
                    api_key.c.purpose.not_in([purpose.value for purpose in PURPOSES_OF_PEOPLE]),
                    api_key.c.expires_at < expired_before,
                )
                .limit(_PURGED_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
        )
    )


def live_keys(tx: Connection, now: datetime, key_ids: Collection[str] | None) -> Iterator[Row[Any]]:
    """Yield every key that may call models now or is suspended, or each of these, over all
    organizations, for the snapshot, with `is_suspended`. The keys of a project come together. All
    of them are fetched in parts.
    """
    # Few organizations are suspended, so they are looked up once and not joined to each key.
    suspended = select(organization.c.id).where(organization.c.suspended_at.is_not(None))
    statement = (
        select(
            api_key,
            or_(
                api_key.c.suspended_at.is_not(None), api_key.c.organization_id.in_(suspended)
            ).label("is_suspended"),
        )
        .where(
            api_key.c.purpose != KeyPurpose.MANAGEMENT.value,
            api_key.c.revoked_at.is_(None),
            (api_key.c.expires_at.is_(None)) | (api_key.c.expires_at > now),
        )
        .order_by(api_key.c.organization_id, api_key.c.project_id, api_key.c.id)
    )
    if key_ids is not None:
        yield from tx.execute(statement.where(api_key.c.id.in_(key_ids)))
        return
    # Closed also when the reader stops half-way: the server's cursor would stay open.
    with tx.execute(
        statement, execution_options={"stream_results": True, "yield_per": _FETCHED_AT_ONCE}
    ) as rows:
        yield from rows


def find_key_to_authenticate(tx: Connection, key_id: str) -> Row[Any] | None:
    """Return a key by its id alone, with the names of its organization and project."""
    return tx.execute(
        select(
            api_key,
            organization.c.name.label("organization_name"),
            organization.c.is_platform.label("is_of_platform"),
            project.c.name.label("project_name"),
        )
        .join(organization, organization.c.id == api_key.c.organization_id)
        .join(project, project.c.id == api_key.c.project_id)
        .where(api_key.c.id == key_id)
    ).first()


def set_key_suspended(
    tx: Connection, organization_id: OrganizationId, key_id: str, at: datetime | None
) -> bool:
    """Suspend a key or lift that; say whether there is one. The first time stays the time."""
    to: Any = None if at is None else func.coalesce(api_key.c.suspended_at, at)
    changed = tx.execute(
        update(api_key)
        .where(api_key.c.organization_id == organization_id, api_key.c.id == key_id)
        .values(suspended_at=to)
        .returning(api_key.c.id)
    )
    return changed.first() is not None


def set_organization_suspended(
    tx: Connection, organization_id: OrganizationId, at: datetime | None
) -> list[str]:
    """Suspend the calls of an organization or lift that; return the ids of its keys."""
    to: Any = None if at is None else func.coalesce(organization.c.suspended_at, at)
    tx.execute(
        update(organization).where(organization.c.id == organization_id).values(suspended_at=to)
    )
    return list(
        tx.execute(
            select(api_key.c.id).where(
                api_key.c.organization_id == organization_id, api_key.c.revoked_at.is_(None)
            )
        ).scalars()
    )
