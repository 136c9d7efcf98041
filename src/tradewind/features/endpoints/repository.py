"""All SQL of endpoints."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    delete,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.ids import (
    ConnectionId,
    DeploymentId,
    EndpointId,
    EndpointTargetId,
    OrganizationId,
)
from tradewind.features.endpoints.tables import endpoint, endpoint_target

# Any number that nobody else uses as an advisory lock of a transaction.
_NAMES_LOCK = 0x656E_6470_6F69_6E74


def lock_names(tx: Connection) -> None:
    """Let one transaction at a time give names: a name and an alias may not collide, which no
    index can say of two columns.
    """
    tx.execute(select(func.pg_advisory_xact_lock(_NAMES_LOCK)))


def taken_names(
    tx: Connection, names: Collection[str], *, but: EndpointId | None = None
) -> set[str]:
    """Return which of these are names or aliases of an endpoint."""
    wanted = list(names)
    statement = select(endpoint.c.name, endpoint.c.aliases).where(
        or_(endpoint.c.name.in_(wanted), endpoint.c.aliases.overlap(wanted))
    )
    if but is not None:
        statement = statement.where(endpoint.c.id != but)
    found = {name for row in tx.execute(statement) for name in (row.name, *row.aliases)}
    return found & set(wanted)


def count_endpoints(tx: Connection) -> int:
    return tx.execute(select(func.count()).select_from(endpoint)).scalar_one()


def add_endpoint(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(endpoint).values(**values))


def list_endpoints(
    tx: Connection, organization_id: OrganizationId, *, with_shared: bool, limit: int
) -> Sequence[Row[Any]]:
    """Return the endpoints of this organization and, if asked, everybody's, by name."""
    return tx.execute(
        select(endpoint)
        .where(_is_visible(organization_id, with_shared=with_shared))
        .order_by(endpoint.c.name)
        .limit(limit)
    ).all()


def find_endpoint(
    tx: Connection,
    organization_id: OrganizationId,
    endpoint_id: EndpointId,
    *,
    with_shared: bool,
    locks: bool = False,
) -> Row[Any] | None:
    statement = select(endpoint).where(
        endpoint.c.id == endpoint_id, _is_visible(organization_id, with_shared=with_shared)
    )
    return tx.execute(statement.with_for_update() if locks else statement).first()


def endpoint_of_name(tx: Connection, name: str) -> Row[Any] | None:
    """Return the endpoint of this name, not alias, locked until the transaction ends."""
    return tx.execute(select(endpoint).where(endpoint.c.name == name).with_for_update()).first()


def update_endpoint(tx: Connection, endpoint_id: EndpointId, values: Mapping[str, Any]) -> None:
    tx.execute(
        update(endpoint)
        .where(endpoint.c.id == endpoint_id)
        .values(**values, revision=endpoint.c.revision + 1)
    )


def delete_endpoint(tx: Connection, endpoint_id: EndpointId) -> None:
    """Delete an endpoint and, by its foreign key, its targets."""
    tx.execute(delete(endpoint).where(endpoint.c.id == endpoint_id))


def targets_of(
    tx: Connection, endpoint_ids: Iterable[str] | None = None
) -> dict[str, list[Row[Any]]]:
    """Return the targets of these endpoints (None is all) in their order, by endpoint."""
    statement = select(endpoint_target).order_by(
        endpoint_target.c.endpoint_id, endpoint_target.c.position, endpoint_target.c.id
    )
    if endpoint_ids is not None:
        statement = statement.where(endpoint_target.c.endpoint_id.in_(list(endpoint_ids)))
    found: dict[str, list[Row[Any]]] = {}
    for row in tx.execute(statement):
        found.setdefault(row.endpoint_id, []).append(row)
    return found


def add_target(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(endpoint_target).values(**values))


def update_target(tx: Connection, target_id: EndpointTargetId, values: Mapping[str, Any]) -> None:
    tx.execute(update(endpoint_target).where(endpoint_target.c.id == target_id).values(**values))


def delete_targets(tx: Connection, target_ids: Collection[str]) -> None:
    tx.execute(delete(endpoint_target).where(endpoint_target.c.id.in_(list(target_ids))))


def has_target_for(tx: Connection, deployment_id: DeploymentId) -> bool:
    return (
        tx.execute(
            select(endpoint_target.c.id)
            .where(endpoint_target.c.deployment_id == deployment_id)
            .limit(1)
        ).first()
        is not None
    )


def endpoints_using(tx: Connection, connection_id: ConnectionId, *, limit: int) -> Sequence[str]:
    """Return the names of endpoints with a target at this connection."""
    return (
        tx.execute(
            select(endpoint.c.name)
            .join(endpoint_target, endpoint_target.c.endpoint_id == endpoint.c.id)
            .where(endpoint_target.c.connection_id == connection_id)
            .distinct()
            .order_by(endpoint.c.name)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def _is_visible(organization_id: OrganizationId, *, with_shared: bool) -> ColumnElement[bool]:
    owner = endpoint.c.organization_id
    return or_(owner == organization_id, owner.is_(None) if with_shared else false())
