"""Endpoints as the portal shows them: model, price in force, and the live state of each target."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from tradewind.core.errors import MalformedId, NotFound
from tradewind.core.ids import (
    ConnectionId,
    DeploymentId,
    EndpointId,
    EndpointTargetId,
    ModelId,
    OrganizationId,
    ProjectId,
)
from tradewind.features.catalog.rules.lengths import context_or_unknown
from tradewind.features.catalog.tables import model, model_version
from tradewind.features.deployments.tables import deployment, replica
from tradewind.features.endpoints.rows import conditions_of, cost_of, limits_of, routing_of
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.providers.tables import provider_connection
from tradewind.readmodels.own_accounts import columns_of_price, is_own_price
from tradewind.readmodels.prices import own_price_in_force, price_in_force
from tradewind.snapshot.contents import Conditions, Cost, Limits, Price, Routing

OWN_HOST = "own"
"""The filter's value, and the public name, of the platform's own engines."""
_MOST_HOSTS = 500


@dataclass(frozen=True, slots=True)
class TargetView:
    id: EndpointTargetId
    tier: int
    weight: int
    deployment_id: DeploymentId | None
    connection_id: ConnectionId | None
    upstream_model: str | None
    name: str
    """The connection's name, or the version that a deployment runs."""
    host: str
    """Public name of whose host it is."""
    region: str
    zone: str
    retains_data: bool
    trains_on_data: bool
    quantization: str
    context_tokens: int
    cost: Cost | None
    state: str
    """ready, starting, failed, stopped or disabled; a provider's host counts as ready."""
    state_detail: str
    replicas_ready: int
    replicas: int

    @property
    def is_own(self) -> bool:
        return self.deployment_id is not None

    @property
    def is_ready(self) -> bool:
        return self.state == "ready"


@dataclass(frozen=True, slots=True)
class EndpointView:
    id: EndpointId
    organization_id: OrganizationId | None
    """None is everybody's."""
    project_id: ProjectId | None
    """None is all projects'."""
    name: str
    aliases: tuple[str, ...]
    model_id: ModelId
    model_name: str
    """"publisher/slug"."""
    display_name: str
    operation: str
    context_tokens: int
    max_output_tokens: int
    price: Price | None
    """None is not priced, hence not served."""
    routing: Routing
    conditions: Conditions
    limits: Limits
    is_enabled: bool
    revision: int
    updated_at: datetime
    targets: tuple[TargetView, ...]
    """By tier, then in their order."""

    @property
    def is_shared(self) -> bool:
        return self.organization_id is None

    @property
    def targets_ready(self) -> int:
        return sum(target.is_ready for target in self.targets)

    @property
    def tiers(self) -> list[tuple[int, list[TargetView]]]:
        """Return the targets of each tier, the first one first."""
        found: dict[int, list[TargetView]] = {}
        for target in self.targets:
            found.setdefault(target.tier, []).append(target)
        return sorted(found.items())

    @property
    def state(self) -> str:
        """ready, degraded, down, empty, unpriced or disabled: what a call would find."""
        if not self.is_enabled:
            return "disabled"
        if self.price is None:
            return "unpriced"
        if not self.targets:
            return "empty"
        if not self.targets_ready:
            return "down"
        return "ready" if self.targets_ready == len(self.targets) else "degraded"


@dataclass(frozen=True, slots=True)
class EndpointQuestion:
    organization_id: OrganizationId
    text: str = ""
    """Words of the name, an alias or the model's name, in any order."""
    host: str = ""
    """`own` or the id of a connection; empty is all."""
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True)
class EndpointList:
    endpoints: Sequence[EndpointView]
    """At most as many as were asked for, by name."""
    found: int
    total: int


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A deployment that could be a target."""

    id: DeploymentId
    version: str
    engine: str
    replicas_ready: int
    replicas: int


def list_endpoints(tx: Connection, question: EndpointQuestion) -> EndpointList:
    """Return everybody's endpoints and the organization's own, by name."""
    visible = _is_visible(endpoint.c.organization_id, question.organization_id)
    wanted = [visible, *_matches(question.text), *_is_at(question.host)]
    counted = select(func.count()).select_from(endpoint).join(model)
    rows = tx.execute(
        _endpoints()
        .where(*wanted)
        .order_by(endpoint.c.name)
        .offset(question.offset)
        .limit(question.limit)
    ).all()
    targets = _targets(tx, {row.id: context_or_unknown(row.context_tokens) for row in rows})
    return EndpointList(
        endpoints=[_view(row, targets.get(row.id, ())) for row in rows],
        found=tx.execute(counted.where(*wanted)).scalar_one(),
        total=tx.execute(counted.where(visible)).scalar_one(),
    )


def get_endpoint(tx: Connection, organization_id: OrganizationId, endpoint_id: str) -> EndpointView:
    """Raises NotFound, also for another organization's."""
    missing = NotFound(
        f"there is no endpoint {endpoint_id[:64]!r}", hint="look for it in the list of endpoints"
    )
    try:
        parsed = EndpointId.parse(endpoint_id)
    except MalformedId:
        raise missing from None
    visible = _is_visible(endpoint.c.organization_id, organization_id)
    row = tx.execute(_endpoints().where(endpoint.c.id == parsed, visible)).first()
    if row is None:
        raise missing
    targets = _targets(tx, {row.id: context_or_unknown(row.context_tokens)})
    return _view(row, targets.get(row.id, ()))


def hosts_in_use(tx: Connection, organization_id: OrganizationId) -> list[tuple[str, str]]:
    """Return what the list can be narrowed to: connections that are used, as (id, name), and
    `own` where a deployment is a target.
    """
    visible = _is_visible(endpoint.c.organization_id, organization_id)
    rows = tx.execute(
        select(provider_connection.c.id, provider_connection.c.name)
        .join(endpoint_target, endpoint_target.c.connection_id == provider_connection.c.id)
        .join(endpoint, endpoint.c.id == endpoint_target.c.endpoint_id)
        .where(visible)
        .distinct()
        .order_by(provider_connection.c.name, provider_connection.c.id)
        .limit(_MOST_HOSTS)
    )
    found = [(row.id, row.name) for row in rows]
    has_own = tx.execute(
        select(endpoint_target.c.id)
        .join(endpoint, endpoint.c.id == endpoint_target.c.endpoint_id)
        .where(visible, endpoint_target.c.deployment_id.is_not(None))
        .limit(1)
    ).first()
    return [(OWN_HOST, "Own engines"), *found] if has_own is not None else found


def deployments_of_model(tx: Connection, model_id: ModelId) -> list[DeploymentView]:
    """Return the deployments that run this model, the newest first."""
    replicas = _replicas()
    rows = tx.execute(
        select(
            deployment.c.id,
            deployment.c.engine,
            deployment.c.desired_replicas,
            model_version.c.label,
            func.coalesce(replicas.c.ready, 0).label("ready"),
        )
        .join(model_version, model_version.c.id == deployment.c.model_version_id)
        .outerjoin(replicas, replicas.c.deployment_id == deployment.c.id)
        .where(model_version.c.model_id == model_id)
        .order_by(deployment.c.created_at.desc(), deployment.c.id.desc())
        .limit(_MOST_HOSTS)
    )
    return [
        DeploymentView(DeploymentId(row.id), row.label, row.engine, row.ready, row.desired_replicas)
        for row in rows
    ]


# --- statements -----------------------------------------------------------------------------


def _endpoints() -> Select[Any]:
    prices, own = price_in_force(), own_price_in_force()
    return (
        select(
            endpoint,
            model.c.publisher_slug,
            model.c.slug,
            model.c.display_name,
            model.c.operation,
            model.c.context_tokens,
            model.c.max_output_tokens,
            *columns_of_price(prices, own),
        )
        .join(model, model.c.id == endpoint.c.model_id)
        .outerjoin(prices, prices.c.model_id == model.c.id)
        .outerjoin(own, is_own_price(own))
    )


def _matches(text: str) -> Iterable[ColumnElement[bool]]:
    places = func.concat_ws(
        "\n",
        endpoint.c.name,
        func.array_to_string(endpoint.c.aliases, "\n"),
        model.c.publisher_slug,
        model.c.slug,
        model.c.display_name,
    )
    # No text of PostgreSQL holds a NUL, and no name any other control character.
    for word in text.split():
        yield places.icontains("".join(filter(str.isprintable, word)), autoescape=True)


def _is_at(host: str) -> Iterable[ColumnElement[bool]]:
    if not host:
        return
    here = select(endpoint_target.c.id).where(endpoint_target.c.endpoint_id == endpoint.c.id)
    if host == OWN_HOST:
        yield here.where(endpoint_target.c.deployment_id.is_not(None)).exists()
        return
    # What is no id matches nothing.
    wanted = "".join(filter(str.isprintable, host))
    yield here.where(endpoint_target.c.connection_id == wanted).exists()


def _replicas() -> Any:
    return (
        select(
            replica.c.deployment_id,
            func.count().filter(replica.c.state == "ready").label("ready"),
            func.count().filter(replica.c.state == "starting").label("starting"),
            func.max(replica.c.detail).filter(replica.c.state != "ready").label("detail"),
        )
        .group_by(replica.c.deployment_id)
        .subquery("replicas")
    )


def _targets(
    tx: Connection, context_tokens: Mapping[str, int]
) -> Mapping[str, Collection[TargetView]]:
    """Return the targets of these endpoints, by endpoint. The lengths are their models'."""
    replicas = _replicas()
    rows = tx.execute(
        select(
            endpoint_target,
            provider_connection.c.name.label("connection_name"),
            provider_connection.c.host,
            provider_connection.c.region.label("connection_region"),
            provider_connection.c.zone.label("connection_zone"),
            provider_connection.c.retains_data.label("connection_retains"),
            provider_connection.c.trains_on_data.label("connection_trains"),
            provider_connection.c.disabled_at,
            model_version.c.label.label("version"),
            deployment.c.engine,
            func.coalesce(deployment.c.desired_replicas, 0).label("desired"),
            func.coalesce(replicas.c.ready, 0).label("ready"),
            func.coalesce(replicas.c.starting, 0).label("starting"),
            func.coalesce(replicas.c.detail, "").label("detail"),
        )
        .outerjoin(provider_connection, provider_connection.c.id == endpoint_target.c.connection_id)
        .outerjoin(deployment, deployment.c.id == endpoint_target.c.deployment_id)
        .outerjoin(model_version, model_version.c.id == deployment.c.model_version_id)
        .outerjoin(replicas, replicas.c.deployment_id == deployment.c.id)
        .where(endpoint_target.c.endpoint_id.in_(list(context_tokens)))
        .order_by(
            endpoint_target.c.endpoint_id,
            endpoint_target.c.tier,
            endpoint_target.c.position,
            endpoint_target.c.id,
        )
    )
    found: dict[str, list[TargetView]] = {}
    for row in rows:
        target = _target(row, context_tokens[row.endpoint_id])
        found.setdefault(row.endpoint_id, []).append(target)
    return found


def _is_visible(owner: ColumnElement[Any], organization_id: OrganizationId) -> ColumnElement[bool]:
    return or_(owner.is_(None), owner == organization_id)


# --- rows -----------------------------------------------------------------------------------


def _view(row: Row[Any], targets: Collection[TargetView]) -> EndpointView:
    return EndpointView(
        id=EndpointId(row.id),
        organization_id=(
            None if row.organization_id is None else OrganizationId(row.organization_id)
        ),
        project_id=None if row.project_id is None else ProjectId(row.project_id),
        name=row.name,
        aliases=tuple(row.aliases),
        model_id=ModelId(row.model_id),
        model_name=f"{row.publisher_slug}/{row.slug}",
        display_name=row.display_name,
        # An endpoint is made only of what can be served, see `Catalog.ready_to_serve`.
        operation=row.operation,
        context_tokens=context_or_unknown(row.context_tokens),
        max_output_tokens=row.max_output_tokens or 0,
        price=_price(row),
        routing=routing_of(row),
        conditions=conditions_of(row),
        limits=limits_of(row),
        is_enabled=row.is_enabled,
        revision=row.revision,
        updated_at=row.updated_at,
        targets=tuple(targets),
    )


def _price(row: Row[Any]) -> Price | None:
    if row.price_id is None:
        return None
    return Price(
        id=row.price_id,
        currency=row.currency,
        input_nanos=row.input_nanos,
        output_nanos=row.output_nanos,
        cached_input_nanos=row.cached_input_nanos,
        cache_write_nanos=row.cache_write_nanos,
        meters=row.meters,
        is_charged=row.is_charged,
    )


def _target(row: Row[Any], context_tokens: int) -> TargetView:
    is_own = row.deployment_id is not None
    state, detail = _own_state(row) if is_own else _hosted_state(row)
    return TargetView(
        id=EndpointTargetId(row.id),
        tier=row.tier,
        weight=row.weight,
        deployment_id=DeploymentId(row.deployment_id) if is_own else None,
        connection_id=None if is_own else ConnectionId(row.connection_id),
        upstream_model=row.upstream_model,
        name=f"{row.engine} {row.version}" if is_own else row.connection_name,
        host=OWN_HOST if is_own else row.host or row.connection_name,
        region=_or(row.region, row.connection_region or ""),
        zone=_or(row.zone, row.connection_zone or ""),
        retains_data=_or(row.retains_data, bool(row.connection_retains)),
        trains_on_data=_or(row.trains_on_data, bool(row.connection_trains)),
        quantization=row.quantization,
        context_tokens=row.context_tokens or context_tokens,
        cost=cost_of(row),
        state=state,
        state_detail=detail,
        replicas_ready=row.ready,
        replicas=row.desired,
    )


def _own_state(row: Row[Any]) -> tuple[str, str]:
    if row.ready:
        return "ready", ""
    if not row.desired:
        return "stopped", "no replica is wanted"
    if row.starting or not row.detail:
        return "starting", row.detail or "waiting for a replica"
    return "failed", row.detail


def _hosted_state(row: Row[Any]) -> tuple[str, str]:
    if row.disabled_at is not None:
        return "disabled", "its provider is disabled"
    return "ready", ""


def _or(own: Any, of_connection: Any) -> Any:
    return of_connection if own is None else own
