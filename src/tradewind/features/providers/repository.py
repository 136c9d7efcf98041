"""All SQL of providers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import ConnectionId, OrganizationId
from tradewind.features.providers.health import Minute
from tradewind.features.providers.tables import (
    connection_health,
    connection_minute,
    provider_connection,
    provider_token,
)

# Any number that nobody else uses as an advisory lock of a transaction.
_HEALTH_LOCK = 0x7477_6865_616C

# What people see is read without what is sealed: what was never read cannot slip out.
_SHOWN = [
    column
    for column in provider_connection.c
    if column.name not in {"sealed_credential", "data_key_id"}
]


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


def find_any_connection(tx: Connection, connection_id: ConnectionId) -> Row[Any] | None:
    """For the platform itself, which looks after the tokens of all organizations."""
    return tx.execute(select(*_SHOWN).where(provider_connection.c.id == connection_id)).first()


def owners_of(tx: Connection, connection_ids: Collection[ConnectionId]) -> set[str | None]:
    rows = tx.execute(
        select(provider_connection.c.organization_id)
        .where(provider_connection.c.id.in_(connection_ids))
        .distinct()
    )
    return set(rows.scalars())


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


def enabled_connections_at(
    tx: Connection, organization_id: OrganizationId | None, base_url: str
) -> Sequence[Row[Any]]:
    """Return an owner's enabled connections at an address, each with its sealed credential."""
    return tx.execute(
        select(provider_connection)
        .where(
            _is_owned_by(provider_connection.c.organization_id, organization_id),
            provider_connection.c.base_url == base_url,
            provider_connection.c.disabled_at.is_(None),
        )
        .order_by(provider_connection.c.id)
    ).all()


# --- tokens ---------------------------------------------------------------------------------


def want_token(
    tx: Connection, connection_id: ConnectionId, credential_version: int, now: datetime
) -> None:
    """Note that a connection needs a token for a credential; a former one is forgotten."""
    values: dict[str, Any] = {
        "credential_version": credential_version,
        "data_key_id": None,
        "sealed_token": None,
        "expires_at": None,
        "next_try_at": now,
    }
    tx.execute(
        upsert(provider_token)
        .values(connection_id=connection_id, **values)
        .on_conflict_do_update(index_elements=[provider_token.c.connection_id], set_=values)
    )


def want_no_token(tx: Connection, connection_id: ConnectionId) -> None:
    tx.execute(delete(provider_token).where(provider_token.c.connection_id == connection_id))


def due_tokens(tx: Connection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    """Return enabled connections whose token is to be renewed, with their sealed credential."""
    return tx.execute(
        select(provider_connection)
        .join(provider_token, provider_token.c.connection_id == provider_connection.c.id)
        .where(provider_token.c.next_try_at <= now, provider_connection.c.disabled_at.is_(None))
        .order_by(provider_token.c.next_try_at)
        .limit(limit)
    ).all()


def update_token(
    tx: Connection, connection_id: str, credential_version: int, values: Mapping[str, Any]
) -> bool:
    """False when the credential is another by now."""
    changed = tx.execute(
        update(provider_token)
        .where(
            provider_token.c.connection_id == connection_id,
            provider_token.c.credential_version == credential_version,
        )
        .values(**values)
    )
    return changed.rowcount == 1


def tokens(tx: Connection) -> dict[str, Row[Any]]:
    """Return the tokens of all connections that need one, by connection."""
    return {row.connection_id: row for row in tx.execute(select(provider_token))}


# --- health ---------------------------------------------------------------------------------


def lock_health(tx: Connection) -> None:
    """Let one transaction at a time judge: two would tell of the same change."""
    tx.execute(select(func.pg_advisory_xact_lock(_HEALTH_LOCK)))


def add_minutes(tx: Connection, minutes: Mapping[str, Sequence[Minute]]) -> None:
    """Add calls to the minutes of connections; of one that is gone nothing is kept."""
    found = select(provider_connection.c.id).where(provider_connection.c.id.in_(sorted(minutes)))
    for connection_id in sorted(tx.execute(found.with_for_update(key_share=True)).scalars()):
        for each in sorted(minutes[connection_id]):
            values = upsert(connection_minute).values(
                connection_id=connection_id,
                begins_at=each.begins_at,
                calls=each.calls,
                failed=each.failed,
                reason=each.reason,
            )
            kept, told = connection_minute.c, values.excluded
            tx.execute(
                values.on_conflict_do_update(
                    index_elements=[kept.connection_id, kept.begins_at],
                    set_={
                        "calls": kept.calls + told.calls,
                        "failed": kept.failed + told.failed,
                        "reason": func.coalesce(func.nullif(told.reason, ""), kept.reason),
                    },
                )
            )


def minutes_since(tx: Connection, since: datetime) -> dict[str, list[Minute]]:
    """Return the minutes of enabled connections in their order, by connection."""
    rows = tx.execute(
        select(connection_minute)
        .join(provider_connection, provider_connection.c.id == connection_minute.c.connection_id)
        .where(connection_minute.c.begins_at > since, provider_connection.c.disabled_at.is_(None))
        .order_by(connection_minute.c.connection_id, connection_minute.c.begins_at)
    )
    found: dict[str, list[Minute]] = {}
    for row in rows:
        minute = Minute(row.begins_at, row.calls, row.failed, row.reason)
        found.setdefault(row.connection_id, []).append(minute)
    return found


def forget_minutes(tx: Connection, before: datetime) -> None:
    tx.execute(delete(connection_minute).where(connection_minute.c.begins_at < before))


def failing_connections(tx: Connection) -> set[str]:
    found = select(connection_health.c.connection_id).where(connection_health.c.is_failing)
    return set(tx.execute(found).scalars())


def put_health(
    tx: Connection, connection_id: str, *, is_failing: bool, since: datetime, reason: str
) -> None:
    values = {"is_failing": is_failing, "since": since, "reason": reason}
    tx.execute(
        upsert(connection_health)
        .values(connection_id=connection_id, **values)
        .on_conflict_do_update(index_elements=[connection_health.c.connection_id], set_=values)
    )


def _is_owned_by(
    column: ColumnElement[Any], organization_id: OrganizationId | None
) -> ColumnElement[bool]:
    return column.is_(None) if organization_id is None else column == organization_id


def _is_visible(organization_id: OrganizationId, *, with_shared: bool) -> ColumnElement[bool]:
    owner = provider_connection.c.organization_id
    return or_(owner == organization_id, owner.is_(None) if with_shared else false())
