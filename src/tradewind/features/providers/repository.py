"""All SQL of providers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, false, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import ConnectionId, DataKeyId, OrganizationId
from tradewind.features.providers.sealing import WrappedKey
from tradewind.features.providers.tables import data_key, provider_connection

# What people see is read without what is sealed: what was never read cannot slip out.
_SHOWN = [
    column
    for column in provider_connection.c
    if column.name not in {"sealed_credential", "data_key_id"}
]


# --- data keys ------------------------------------------------------------------------------


def data_key_of(tx: Connection, organization_id: OrganizationId | None) -> Row[Any] | None:
    return tx.execute(
        select(data_key).where(_is_owned_by(data_key.c.organization_id, organization_id))
    ).first()


def add_data_key(
    tx: Connection,
    data_key_id: DataKeyId,
    organization_id: OrganizationId | None,
    wrapped: WrappedKey,
    now: datetime,
) -> None:
    """Does nothing when there is one already, also by somebody at the same moment."""
    tx.execute(
        insert(data_key)
        .values(
            id=data_key_id,
            organization_id=organization_id,
            key_encryption_id=wrapped.key_id,
            wrapped=wrapped.wrapped,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )


def data_keys(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(select(data_key).order_by(data_key.c.id)).all()


def lock_data_keys_of_other_keys(tx: Connection, key_encryption_id: str) -> Sequence[Row[Any]]:
    """Return the data keys that are wrapped by another key than this one."""
    return tx.execute(
        select(data_key)
        .where(data_key.c.key_encryption_id != key_encryption_id)
        .order_by(data_key.c.id)
        .with_for_update()
    ).all()


def rewrap_data_key(tx: Connection, data_key_id: str, wrapped: WrappedKey) -> None:
    tx.execute(
        update(data_key)
        .where(data_key.c.id == data_key_id)
        .values(key_encryption_id=wrapped.key_id, wrapped=wrapped.wrapped)
    )


# --- connections ----------------------------------------------------------------------------


def lock_owner(tx: Connection, organization_id: OrganizationId | None) -> None:
    """Let one transaction at a time count and add the connections of an owner."""
    tx.execute(
        select(
            func.pg_advisory_xact_lock(
                func.hashtextextended(f"provider_connection {organization_id or ''}", 0)
            )
        )
    )


def count_connections(tx: Connection, organization_id: OrganizationId | None) -> int:
    return tx.execute(
        select(func.count())
        .select_from(provider_connection)
        .where(_is_owned_by(provider_connection.c.organization_id, organization_id))
    ).scalar_one()


def has_name(
    tx: Connection,
    organization_id: OrganizationId | None,
    name: str,
    *,
    but: ConnectionId | None = None,
) -> bool:
    statement = select(provider_connection.c.id).where(
        _is_owned_by(provider_connection.c.organization_id, organization_id),
        provider_connection.c.name == name,
    )
    if but is not None:
        statement = statement.where(provider_connection.c.id != but)
    return tx.execute(statement).first() is not None


def add_connection(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(provider_connection).values(**values))


def list_connections(
    tx: Connection, organization_id: OrganizationId, *, with_shared: bool, limit: int
) -> Sequence[Row[Any]]:
    """Return the connections of this organization and, if asked, the platform's, by name."""
    return tx.execute(
        select(*_SHOWN)
        .where(_is_visible(organization_id, with_shared=with_shared))
        .order_by(provider_connection.c.name, provider_connection.c.id)
        .limit(limit)
    ).all()


def find_connection(
    tx: Connection,
    organization_id: OrganizationId,
    connection_id: ConnectionId,
    *,
    with_shared: bool,
    locks: bool = False,
) -> Row[Any] | None:
    statement = select(*_SHOWN).where(
        provider_connection.c.id == connection_id,
        _is_visible(organization_id, with_shared=with_shared),
    )
    return tx.execute(statement.with_for_update() if locks else statement).first()


def update_connection(
    tx: Connection, connection_id: ConnectionId, values: Mapping[str, Any]
) -> None:
    tx.execute(
        update(provider_connection)
        .where(provider_connection.c.id == connection_id)
        .values(**values, revision=provider_connection.c.revision + 1)
    )


def delete_connection(tx: Connection, connection_id: ConnectionId) -> None:
    tx.execute(delete(provider_connection).where(provider_connection.c.id == connection_id))


def enabled_connections(tx: Connection) -> Sequence[Row[Any]]:
    """Return every enabled connection with its sealed credential."""
    return tx.execute(
        select(provider_connection)
        .where(provider_connection.c.disabled_at.is_(None))
        .order_by(provider_connection.c.id)
    ).all()


def _is_owned_by(
    column: ColumnElement[Any], organization_id: OrganizationId | None
) -> ColumnElement[bool]:
    return column.is_(None) if organization_id is None else column == organization_id


def _is_visible(organization_id: OrganizationId, *, with_shared: bool) -> ColumnElement[bool]:
    owner = provider_connection.c.organization_id
    return or_(owner == organization_id, owner.is_(None) if with_shared else false())
