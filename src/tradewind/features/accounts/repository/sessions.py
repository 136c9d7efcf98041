"""Passwords, sign-in links, sessions and failed sign-ins."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.features.accounts.tables import (
    membership,
    organization,
    project,
    session,
    sign_in_attempt,
    sign_in_link,
    user_account,
)

_PURGED_AT_ONCE = 1_000


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
    """Return the session with its user and the organization and project they look at, whatever its
    age: the first ones where they chose none that is theirs.
    """
    statement: Any = (
        select(
            session.c.user_id,
            session.c.created_at,
            session.c.last_seen_at,
            session.c.expires_at,
            session.c.opened_by,
            user_account.c.email,
            user_account.c.name,
            user_account.c.password_hash.is_not(None).label("has_password"),
            membership.c.role,
            organization.c.id.label("organization_id"),
            organization.c.name.label("organization_name"),
            organization.c.is_platform.label("is_of_platform"),
            project.c.id.label("project_id"),
            project.c.name.label("project_name"),
        )
        .join(user_account, user_account.c.id == session.c.user_id)
        .join(membership, membership.c.user_id == user_account.c.id)
        .join(organization, organization.c.id == membership.c.organization_id)
        .join(project, project.c.organization_id == organization.c.id)
        .where(session.c.token_digest == digest, user_account.c.disabled_at.is_(None))
        .order_by(
            organization.c.id.is_distinct_from(session.c.organization_id),
            organization.c.created_at,
            organization.c.id,
            project.c.id.is_distinct_from(session.c.project_id),
            project.c.created_at,
            project.c.id,
        )
        .limit(1)
    )
    return tx.execute(statement).first()


def look_at(
    tx: Connection, digest: bytes, organization_id: OrganizationId, project_id: ProjectId
) -> None:
    """Note where somebody looks from now on."""
    tx.execute(
        update(session)
        .where(session.c.token_digest == digest)
        .values(organization_id=organization_id, project_id=project_id)
    )


def look_elsewhere(tx: Connection, user_id: UserId, organization_id: OrganizationId) -> None:
    """Forget that somebody looks at this organization."""
    tx.execute(
        update(session)
        .where(session.c.user_id == user_id, session.c.organization_id == organization_id)
        .values(organization_id=None, project_id=None)
    )


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
