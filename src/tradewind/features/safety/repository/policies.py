"""Policies, their versions and their bindings."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, text, update

from tradewind.features.safety.tables import safety_binding, safety_policy, safety_policy_version


def _newest() -> Select[Any]:
    return select(
        safety_policy,
        safety_policy_version.c.content,
        safety_policy_version.c.why,
        safety_policy_version.c.changed_by,
        safety_policy_version.c.changed_at,
    ).join(
        safety_policy_version,
        (safety_policy_version.c.policy_id == safety_policy.c.id)
        & (safety_policy_version.c.version == safety_policy.c.version),
    )


def newest(tx: Connection, ids: Collection[str]) -> Sequence[Row[Any]]:
    """Return these policies with their newest versions, in the order of their ids."""
    return tx.execute(
        _newest()
        .where(safety_policy.c.id.in_(ids), safety_policy.c.deleted_at.is_(None))
        .order_by(safety_policy.c.id)
    ).all()


def list_policies(tx: Connection, organization_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return the platform's policies, then those of the organization by name."""
    return tx.execute(
        _newest()
        .where(_visible(organization_id), safety_policy.c.deleted_at.is_(None))
        .order_by(
            safety_policy.c.organization_id.is_not(None), safety_policy.c.name, safety_policy.c.id
        )
        .limit(limit)
    ).all()


def find_policy(
    tx: Connection, organization_id: str, policy_id: str, *, locks: bool = False
) -> Row[Any] | None:
    """Return a policy of the organization or of the platform."""
    statement = _newest().where(
        _visible(organization_id),
        safety_policy.c.id == policy_id,
        safety_policy.c.deleted_at.is_(None),
    )
    if locks:
        # Whoever waited here has to see the version that the other one made.
        tx.execute(
            select(safety_policy.c.id).where(safety_policy.c.id == policy_id).with_for_update()
        )
    return tx.execute(statement).first()


def find_by_name(tx: Connection, organization_id: str, name: str) -> Row[Any] | None:
    return tx.execute(
        _newest().where(
            safety_policy.c.organization_id == organization_id,
            safety_policy.c.name == name,
            safety_policy.c.deleted_at.is_(None),
        )
    ).first()


def _visible(organization_id: str) -> Any:
    return or_(
        safety_policy.c.organization_id == organization_id,
        safety_policy.c.organization_id.is_(None),
    )


def lock_owner(tx: Connection, organization_id: str) -> None:
    """Let one transaction at a time count and add what an organization has of safety."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"safety {organization_id}"},
    )


def count_policies(tx: Connection, organization_id: str) -> int:
    return tx.execute(
        select(func.count())
        .select_from(safety_policy)
        .where(
            safety_policy.c.organization_id == organization_id,
            safety_policy.c.deleted_at.is_(None),
        )
    ).scalar_one()


def add_policy(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(safety_policy).values(**values))


def add_version(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(safety_policy_version).values(**values))


def set_newest(tx: Connection, policy_id: str, version: int, name: str) -> None:
    tx.execute(
        update(safety_policy)
        .where(safety_policy.c.id == policy_id)
        .values(version=version, name=name)
    )


def delete_policy(tx: Connection, policy_id: str, now: datetime) -> None:
    tx.execute(update(safety_policy).where(safety_policy.c.id == policy_id).values(deleted_at=now))


def versions(
    tx: Connection, policy_id: str, *, before: int | None = None, limit: int
) -> Sequence[Row[Any]]:
    """Return versions, the newest first."""
    statement = select(safety_policy_version).where(safety_policy_version.c.policy_id == policy_id)
    if before is not None:
        statement = statement.where(safety_policy_version.c.version < before)
    return tx.execute(statement.order_by(safety_policy_version.c.version.desc()).limit(limit)).all()


def find_version(tx: Connection, policy_id: str, version: int) -> Row[Any] | None:
    return tx.execute(
        select(safety_policy_version).where(
            safety_policy_version.c.policy_id == policy_id,
            safety_policy_version.c.version == version,
        )
    ).first()


# --- bindings --------------------------------------------------------------------------------


def bindings_of(tx: Connection, policy_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return what a policy is bound to, the oldest binding first."""
    return tx.execute(
        select(safety_binding)
        .where(safety_binding.c.policy_id == policy_id, safety_binding.c.unbound_at.is_(None))
        .order_by(safety_binding.c.id)
        .limit(limit)
    ).all()


def bound_to(tx: Connection, kind: str, subject_id: str) -> Sequence[Row[Any]]:
    """Return the open bindings of a subject."""
    return tx.execute(
        select(safety_binding)
        .where(
            safety_binding.c.kind == kind,
            safety_binding.c.subject_id == subject_id,
            safety_binding.c.unbound_at.is_(None),
        )
        .order_by(safety_binding.c.id)
    ).all()


def add_binding(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(safety_binding).values(**values))


def end_binding(
    tx: Connection, policy_id: str, kind: str, subject_id: str, *, now: datetime, by: str
) -> bool:
    """Return whether there was one."""
    ended = tx.execute(
        update(safety_binding)
        .where(
            safety_binding.c.policy_id == policy_id,
            safety_binding.c.kind == kind,
            safety_binding.c.subject_id == subject_id,
            safety_binding.c.unbound_at.is_(None),
        )
        .values(unbound_at=now, unbound_by=by)
    )
    return bool(ended.rowcount)


def policies_naming(tx: Connection, data_id: str, limit: int) -> Sequence[Row[Any]]:
    """Return the policies whose newest version names these data: name and id."""
    return tx.execute(
        _newest()
        .where(
            safety_policy.c.deleted_at.is_(None),
            safety_policy_version.c.content.op("@>")(
                func.jsonb_build_object(
                    "checks",
                    func.jsonb_build_array(
                        func.jsonb_build_object("data", func.jsonb_build_array(data_id))
                    ),
                )
            ),
        )
        .order_by(safety_policy.c.name)
        .limit(limit)
    ).all()


def organizations(tx: Connection) -> Sequence[str]:
    """Return the ids of all organizations: what the platform's policies hold for."""
    return tx.execute(text("SELECT id FROM organization ORDER BY id")).scalars().all()
