"""Connections as the portal shows them: what they are, and how many targets use each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from tradewind.core.errors import MalformedId, NotFound
from tradewind.core.ids import ConnectionId, EndpointId, OrganizationId
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.providers.tables import provider_connection

MOST_CONNECTIONS = 2_000
MOST_USES = 500


@dataclass(frozen=True, slots=True)
class ConnectionView:
    """A connection without anything of its credential but the hint."""

    id: ConnectionId
    organization_id: OrganizationId | None
    """None is the platform's own."""
    name: str
    host: str | None
    provider: str
    base_url: str
    is_private_network: bool
    options: Mapping[str, str]
    region: str
    zone: str
    retains_data: bool
    trains_on_data: bool
    credential_hint: str
    credential_set_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None
    targets: int
    """Targets of endpoints that are at this connection."""

    @property
    def is_shared(self) -> bool:
        return self.organization_id is None

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None


@dataclass(frozen=True, slots=True)
class ConnectionUse:
    """One target at a connection."""

    endpoint_id: EndpointId
    name: str
    """The endpoint's."""
    upstream_model: str
    tier: int
    is_enabled: bool
    """Whether the endpoint is."""


def list_connections(tx: Connection, organization_id: OrganizationId) -> Sequence[ConnectionView]:
    """Return the platform's connections and the organization's own, by name."""
    rows = tx.execute(
        _connections(organization_id)
        .order_by(func.lower(provider_connection.c.name), provider_connection.c.id)
        .limit(MOST_CONNECTIONS)
    )
    return [_view(row) for row in rows]


def get_connection(
    tx: Connection, organization_id: OrganizationId, connection_id: str
) -> ConnectionView:
    """Raises NotFound, also for another organization's."""
    missing = NotFound(
        f"there is no provider {connection_id[:64]!r}", hint="look for it in the list of providers"
    )
    try:
        parsed = ConnectionId.parse(connection_id)
    except MalformedId:
        raise missing from None
    row = tx.execute(
        _connections(organization_id).where(provider_connection.c.id == parsed)
    ).first()
    if row is None:
        raise missing
    return _view(row)


def uses_of(
    tx: Connection, organization_id: OrganizationId, connection_id: ConnectionId
) -> Sequence[ConnectionUse]:
    """Return the targets at a connection that the organization may see, by the endpoint's name."""
    rows = tx.execute(
        select(
            endpoint.c.id,
            endpoint.c.name,
            endpoint.c.is_enabled,
            endpoint_target.c.upstream_model,
            endpoint_target.c.tier,
        )
        .join(endpoint_target, endpoint_target.c.endpoint_id == endpoint.c.id)
        .where(
            endpoint_target.c.connection_id == connection_id,
            _is_visible(endpoint.c.organization_id, organization_id),
        )
        .order_by(endpoint.c.name, endpoint_target.c.upstream_model)
        .limit(MOST_USES)
    )
    return [
        ConnectionUse(EndpointId(row.id), row.name, row.upstream_model, row.tier, row.is_enabled)
        for row in rows
    ]


def _connections(organization_id: OrganizationId) -> Select[Any]:
    uses = (
        select(endpoint_target.c.connection_id, func.count().label("targets"))
        .where(endpoint_target.c.connection_id.is_not(None))
        .group_by(endpoint_target.c.connection_id)
        .subquery("uses")
    )
    # What is sealed is not read: what was never read cannot slip out.
    shown = [
        column
        for column in provider_connection.c
        if column.name not in {"sealed_credential", "data_key_id", "credential_version"}
    ]
    return (
        select(*shown, func.coalesce(uses.c.targets, 0).label("targets"))
        .outerjoin(uses, uses.c.connection_id == provider_connection.c.id)
        .where(_is_visible(provider_connection.c.organization_id, organization_id))
    )


def _is_visible(owner: ColumnElement[Any], organization_id: OrganizationId) -> ColumnElement[bool]:
    return or_(owner.is_(None), owner == organization_id)


def _view(row: Row[Any]) -> ConnectionView:
    return ConnectionView(
        id=ConnectionId(row.id),
        organization_id=(
            None if row.organization_id is None else OrganizationId(row.organization_id)
        ),
        name=row.name,
        host=row.host,
        provider=row.provider,
        base_url=row.base_url,
        is_private_network=row.is_private_network,
        options=row.options,
        region=row.region,
        zone=row.zone,
        retains_data=row.retains_data,
        trains_on_data=row.trains_on_data,
        credential_hint=row.credential_hint,
        credential_set_at=row.credential_set_at,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
        disabled_at=row.disabled_at,
        targets=row.targets,
    )
