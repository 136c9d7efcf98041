"""All SQL of accounts. Times come in as arguments; nothing here decides anything."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, case, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from tradewind.core.api_keys import MintedKey
from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import PURPOSES_OF_PEOPLE, KeyPurpose
from tradewind.features.accounts.tables import (
    api_key,
    membership,
    organization,
    project,
    session,
    sign_in_attempt,
    sign_in_link,
    user_account,
)
from tradewind.snapshot.contents import Limits

# Any number that no other part of the platform locks; it stands for "the first run".
_FIRST_RUN_LOCK = 0x7477_6163_636F_756E
_PURGED_AT_ONCE = 1_000
_FETCHED_AT_ONCE = 5_000


# --- organizations and people ----------------------------------------------------------------


def lock_first_run(tx: Connection) -> None:
    """Let one transaction at a time decide whether this is the first run."""
    tx.execute(select(func.pg_advisory_xact_lock(_FIRST_RUN_LOCK)))


def has_organization(tx: Connection) -> bool:
    return tx.execute(select(organization.c.id).limit(1)).first() is not None


def add_organization(tx: Connection, name: str, now: datetime) -> OrganizationId:
    organization_id = OrganizationId.new()
    tx.execute(insert(organization).values(id=organization_id, name=name, created_at=now))
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


def add_membership(
    tx: Connection, user_id: UserId, organization_id: OrganizationId, role: Role
) -> None:
    tx.execute(
        insert(membership).values(user_id=user_id, organization_id=organization_id, role=role.value)
    )


def first_project(tx: Connection) -> Row[Any] | None:
    """Return the oldest project."""
    return tx.execute(select(project).order_by(project.c.created_at, project.c.id).limit(1)).first()


def administrator(tx: Connection) -> UserId | None:
    """Return the oldest administrator who is not disabled."""
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
        .where(membership.c.role == Role.ADMIN.value, user_account.c.disabled_at.is_(None))
    )


class Credentials(NamedTuple):
    user_id: UserId
    email: str
    password_hash: str | None
    is_disabled: bool


def credentials_of_email(tx: Connection, email: str) -> Credentials | None:
    return _credentials(
        tx.execute(select(user_account).where(user_account.c.email == email)).first()
    )


def lock_credentials(tx: Connection, user_id: UserId) -> Credentials | None:
    """Return the credentials and keep everyone else from changing them in this transaction."""
    return _credentials(
        tx.execute(
            select(user_account).where(user_account.c.id == user_id).with_for_update()
        ).first()
    )


def _credentials(row: Row[Any] | None) -> Credentials | None:
    if row is None:
        return None
    return Credentials(
        UserId(row.id), row.email, row.password_hash, is_disabled=row.disabled_at is not None
    )


def set_password(tx: Connection, user_id: UserId, password_hash: str) -> None:
    tx.execute(
        update(user_account).where(user_account.c.id == user_id).values(password_hash=password_hash)
    )


def replace_password_hash(tx: Connection, user_id: UserId, *, old: str, new: str) -> None:
    """Store the same password hashed anew, unless it was changed in the meantime."""
    tx.execute(
        update(user_account)
        .where(user_account.c.id == user_id, user_account.c.password_hash == old)
        .values(password_hash=new)
    )


def set_identity(tx: Connection, user_id: UserId, *, name: str, email: str) -> bool:
    """Return whether it was set; false when another account has this address."""
    try:
        # The unique constraint decides, in a savepoint: a look-up first would leave a gap.
        with tx.begin_nested():
            tx.execute(
                update(user_account)
                .where(user_account.c.id == user_id)
                .values(name=name, email=email)
            )
    except IntegrityError:
        return False
    return True


# --- links and sessions ----------------------------------------------------------------------


def replace_sign_in_link(
    tx: Connection, user_id: UserId, digest: bytes, *, now: datetime, expires_at: datetime
) -> None:
    """Store a link; the user's earlier ones no longer work."""
    tx.execute(delete(sign_in_link).where(sign_in_link.c.user_id == user_id))
    tx.execute(
        insert(sign_in_link).values(
            code_digest=digest, user_id=user_id, created_at=now, expires_at=expires_at
        )
    )


def use_sign_in_link(tx: Connection, digest: bytes, now: datetime) -> UserId | None:
    """Mark a link as used. Returns None when it is unknown, used or expired.

    One statement, so that of two browsers that open the link at once only one gets in.
    """
    found = tx.execute(
        update(sign_in_link)
        .where(
            sign_in_link.c.code_digest == digest,
            sign_in_link.c.used_at.is_(None),
            sign_in_link.c.expires_at > now,
            sign_in_link.c.user_id.in_(
                select(user_account.c.id).where(user_account.c.disabled_at.is_(None))
            ),
        )
        .values(used_at=now)
        .returning(sign_in_link.c.user_id)
    ).scalar()
    return UserId(found) if found is not None else None


def add_session(
    tx: Connection,
    digest: bytes,
    user_id: UserId,
    *,
    opened_by: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    tx.execute(
        insert(session).values(
            token_digest=digest,
            user_id=user_id,
            opened_by=opened_by,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
        )
    )


def find_session(tx: Connection, digest: bytes) -> Row[Any] | None:
    """Return the session with its user, first organization and first project, whatever its age."""
    return tx.execute(
        select(
            session,
            user_account.c.email,
            user_account.c.name,
            user_account.c.password_hash.is_not(None).label("has_password"),
            membership.c.role,
            organization.c.id.label("organization_id"),
            organization.c.name.label("organization_name"),
            project.c.id.label("project_id"),
            project.c.name.label("project_name"),
        )
        .join(user_account, user_account.c.id == session.c.user_id)
        .join(membership, membership.c.user_id == user_account.c.id)
        .join(organization, organization.c.id == membership.c.organization_id)
        .join(project, project.c.organization_id == organization.c.id)
        .where(session.c.token_digest == digest, user_account.c.disabled_at.is_(None))
        .order_by(organization.c.created_at, organization.c.id, project.c.created_at, project.c.id)
        .limit(1)
    ).first()


def touch_session(tx: Connection, digest: bytes, *, now: datetime, not_since: datetime) -> None:
    """Note a visit, unless one was noted after `not_since`."""
    tx.execute(
        update(session)
        .where(session.c.token_digest == digest, session.c.last_seen_at <= not_since)
        .values(last_seen_at=now)
    )


def delete_session(tx: Connection, digest: bytes) -> None:
    tx.execute(delete(session).where(session.c.token_digest == digest))


def delete_sessions_of(tx: Connection, user_id: UserId) -> None:
    tx.execute(delete(session).where(session.c.user_id == user_id))


def keep_newest_sessions(tx: Connection, user_id: UserId, count: int) -> None:
    tx.execute(
        delete(session).where(
            session.c.token_digest.in_(
                select(session.c.token_digest)
                .where(session.c.user_id == user_id)
                .order_by(session.c.created_at.desc(), session.c.token_digest)
                .offset(count)
            )
        )
    )


def purge_sessions(tx: Connection, now: datetime) -> None:
    """Delete some of the expired sessions; rows that someone else has locked are left to them."""
    tx.execute(
        delete(session).where(
            session.c.token_digest.in_(
                select(session.c.token_digest)
                .where(session.c.expires_at <= now)
                .limit(_PURGED_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
        )
    )


# --- failed sign-ins -------------------------------------------------------------------------


class Attempts(NamedTuple):
    failures: int
    last_failed_at: datetime


def lock_attempts(
    tx: Connection, subjects: Iterable[bytes], now: datetime
) -> dict[bytes, Attempts]:
    """Return the counts of the subjects, locked until the transaction ends.

    Rows are made and locked in the order of their digest, so that two sign-ins never wait for each
    other in a circle.
    """
    ordered = sorted(subjects)
    for subject in ordered:
        tx.execute(
            upsert(sign_in_attempt)
            .values(subject_digest=subject, failures=0, last_failed_at=now)
            .on_conflict_do_nothing()
        )
    rows = tx.execute(
        select(sign_in_attempt)
        .where(sign_in_attempt.c.subject_digest.in_(ordered))
        .order_by(sign_in_attempt.c.subject_digest)
        .with_for_update()
    )
    return {bytes(row.subject_digest): Attempts(row.failures, row.last_failed_at) for row in rows}


def set_attempts(tx: Connection, subject: bytes, attempts: Attempts) -> None:
    tx.execute(
        update(sign_in_attempt)
        .where(sign_in_attempt.c.subject_digest == subject)
        .values(failures=attempts.failures, last_failed_at=attempts.last_failed_at)
    )


def forgive_attempt(tx: Connection, subject: bytes) -> None:
    """Take one failure back, because that attempt turned out right."""
    tx.execute(
        update(sign_in_attempt)
        .where(sign_in_attempt.c.subject_digest == subject, sign_in_attempt.c.failures > 0)
        .values(failures=sign_in_attempt.c.failures - 1)
    )


def forget_attempts(tx: Connection, subject: bytes) -> None:
    tx.execute(
        update(sign_in_attempt)
        .where(sign_in_attempt.c.subject_digest == subject)
        .values(failures=0)
    )


def purge_attempts(tx: Connection, before: datetime) -> None:
    """Delete some of the counts that no longer matter."""
    tx.execute(
        delete(sign_in_attempt).where(
            sign_in_attempt.c.subject_digest.in_(
                select(sign_in_attempt.c.subject_digest)
                .where(sign_in_attempt.c.last_failed_at < before)
                .limit(_PURGED_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
        )
    )


# --- keys ------------------------------------------------------------------------------------


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
    tx: Connection, user_id: UserId, now: datetime, *, keep_newest: int = 0
) -> list[str]:
    """Return the ids of those that this call revoked."""
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
    """Yield every key that may call models now, or each of these, over all organizations, for the
    snapshot. The keys of a project come together. All of them are fetched in parts.
    """
    statement = (
        select(api_key)
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
            project.c.name.label("project_name"),
        )
        .join(organization, organization.c.id == api_key.c.organization_id)
        .join(project, project.c.id == api_key.c.project_id)
        .where(api_key.c.id == key_id)
    ).first()
