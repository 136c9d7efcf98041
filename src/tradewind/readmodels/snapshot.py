"""Compiles the gateway's endpoints: names with their model, price in force and targets."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import Connection, Row, func, select

from tradewind.features.catalog.rules.announcements import deprecation_lines
from tradewind.features.catalog.rules.gates import gate_of
from tradewind.features.catalog.rules.lengths import context_or_unknown
from tradewind.features.catalog.rules.lifecycle import Lifecycle
from tradewind.features.catalog.tables import model
from tradewind.features.deployments.tables import deployment_revision, replica
from tradewind.features.endpoints.rows import conditions_of, cost_of, limits_of, routing_of
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.providers.schemas import OpenConnection
from tradewind.features.sales.tables import sale_offer
from tradewind.readmodels.abuse_stops import is_stopped
from tradewind.readmodels.own_accounts import calls_own_accounts, columns_of_price, is_own_price
from tradewind.readmodels.prices import own_price_in_force, price_in_force
from tradewind.snapshot.contents import Ending, Endpoint, Operation, Price, Target

# What a host works on at once is its own matter and far more than an engine's few slots.
_SLOTS_OF_A_HOST = 1024
_OWN_HOST = "own"


def compile_endpoints(
    tx: Connection, open_connections: Callable[[Connection], Mapping[str, OpenConnection]]
) -> tuple[Endpoint, ...]:
    """Return every enabled endpoint whose model has a price in force, the oldest first. One that
    calls nothing but accounts of its own organization takes the price that is shown there, if there
    is one: nobody charges for what the organization pays itself.

    `open_connections` is `Providers.open_connections`: here credentials leave the vault, so what
    is returned is never logged. A deployment's ready replicas each become a target, a connection
    becomes one; what is not ready, disabled or cannot be opened is left out.
    """
    targets = _targets(tx, open_connections(tx))
    prices, own = price_in_force(), own_price_in_force()
    rows = tx.execute(
        select(
            endpoint,
            model.c.publisher_slug,
            model.c.slug,
            model.c.licence,
            model.c.is_gated,
            model.c.lifecycle,
            model.c.lifecycle_since,
            model.c.retires_on,
            model.c.deprecates_on,
            model.c.replacement,
            model.c.operation,
            model.c.context_tokens,
            model.c.max_output_tokens,
            model.c.dimensions,
            sale_offer.c.id.label("sale_id"),
            sale_offer.c.name.label("sale_name"),
            func.extract("epoch", model.c.created_at).label("model_created_s"),
            is_stopped().label("is_stopped"),
            *columns_of_price(prices, own),
        )
        .join(model, model.c.id == endpoint.c.model_id)
        .outerjoin(prices, prices.c.model_id == model.c.id)
        # What an organization calls over its own accounts is nothing that anybody sells to it.
        .outerjoin(
            sale_offer,
            (sale_offer.c.model_id == model.c.id)
            & (sale_offer.c.state == "live")
            & sale_offer.c.is_subscription_only
            & ~calls_own_accounts(),
        )
        .outerjoin(own, is_own_price(own))
        # Nothing can be made an endpoint without an operation; see `Catalog.ready_to_serve`.
        .where(
            endpoint.c.is_enabled,
            model.c.operation.is_not(None),
            prices.c.id.is_not(None) | own.c.id.is_not(None),
        )
        .order_by(endpoint.c.created_at, endpoint.c.name)
    )
    return tuple(_endpoint(row, tuple(targets.get(row.id, ()))) for row in rows)


def _targets(tx: Connection, connections: Mapping[str, OpenConnection]) -> dict[str, list[Target]]:
    """Return the targets of each endpoint in their order."""
    replicas: dict[str, list[Row[Any]]] = {}
    for row in tx.execute(
        # As the revision that it runs says, which need not be the current one.
        select(
            replica,
            deployment_revision.c.slots,
            deployment_revision.c.context_tokens.label("own_context_tokens"),
        )
        .join(
            deployment_revision,
            (deployment_revision.c.deployment_id == replica.c.deployment_id)
            & (deployment_revision.c.number == replica.c.revision),
        )
        .where(replica.c.state == "ready")
        .order_by(replica.c.id)
    ):
        replicas.setdefault(row.deployment_id, []).append(row)
    found: dict[str, list[Target]] = {}
    for row in tx.execute(
        select(endpoint_target)
        .join(endpoint, endpoint.c.id == endpoint_target.c.endpoint_id)
        .where(endpoint.c.is_enabled)
        .order_by(
            endpoint_target.c.endpoint_id,
            endpoint_target.c.tier,
            endpoint_target.c.position,
            endpoint_target.c.id,
        )
    ):
        here = found.setdefault(row.endpoint_id, [])
        if row.deployment_id is not None:
            here += _own_targets(row, replicas.get(row.deployment_id, ()))
        elif row.connection_id in connections:
            here.append(_hosted_target(row, connections[row.connection_id]))
    return found


def _own_targets(row: Row[Any], replicas: Iterable[Row[Any]]) -> Iterable[Target]:
    for one in replicas:
        yield Target(
            deployment_id=one.deployment_id,
            replica_id=one.id,
            provider=one.provider,
            address=one.address,
            upstream_model=one.upstream_model,
            credential=one.credential,
            weight=row.weight,
            slots=one.slots,
            tier=row.tier,
            host=_OWN_HOST,
            region=row.region or "",
            zone=row.zone or "",
            retains_data=bool(row.retains_data),
            trains_on_data=bool(row.trains_on_data),
            quantization=row.quantization,
            context_tokens=_or(row.context_tokens, one.own_context_tokens),
            parameters=_parameters(row),
            cost=cost_of(row),
        )


def _hosted_target(row: Row[Any], connection: OpenConnection) -> Target:
    return Target(
        # A model bound to a provider is a deployment too: this is the account it is bound to.
        deployment_id=row.connection_id,
        replica_id=row.id,
        provider=connection.provider,
        address=connection.address,
        upstream_model=row.upstream_model,
        credential=connection.credential.reveal(),
        weight=row.weight,
        slots=_SLOTS_OF_A_HOST,
        base_path=connection.base_path,
        options=dict(connection.options),
        tier=row.tier,
        host=connection.host,
        region=_or(row.region, connection.region),
        zone=_or(row.zone, connection.zone),
        retains_data=_or(row.retains_data, connection.retains_data),
        trains_on_data=_or(row.trains_on_data, connection.trains_on_data),
        quantization=row.quantization,
        context_tokens=row.context_tokens,
        parameters=_parameters(row),
        cost=cost_of(row),
    )


def _parameters(row: Row[Any]) -> frozenset[str] | None:
    return None if row.parameters is None else frozenset(row.parameters)


def _or(own: Any, of_connection: Any) -> Any:
    return of_connection if own is None else own


def _endpoint(row: Row[Any], targets: tuple[Target, ...]) -> Endpoint:
    return Endpoint(
        name=row.name,
        operation=Operation(row.operation),
        publisher=row.publisher_slug,
        created_at_ms=int(row.model_created_s * 1000),
        context_tokens=context_or_unknown(row.context_tokens),
        max_output_tokens=row.max_output_tokens or 0,
        price=Price(
            id=row.price_id,
            currency=row.currency,
            input_nanos=row.input_nanos,
            output_nanos=row.output_nanos,
            cached_input_nanos=row.cached_input_nanos,
            cache_write_nanos=row.cache_write_nanos,
            meters=row.meters,
            is_charged=row.is_charged,
        ),
        targets=targets,
        dimensions=row.dimensions,
        aliases=tuple(row.aliases),
        routing=routing_of(row),
        limits=limits_of(row),
        conditions=conditions_of(row),
        organization_id=row.organization_id or "",
        ending=_ending(row),
        gate=gate_of(f"{row.publisher_slug}/{row.slug}", row.licence) if row.is_gated else "",
        project_id=row.project_id or "",
        sale=f"{row.sale_id} {row.sale_name}" if row.sale_id is not None else "",
        is_stopped=row.is_stopped,
    )


def _ending(row: Row[Any]) -> Ending | None:
    since = row.lifecycle_since
    if row.lifecycle not in {Lifecycle.DEPRECATED, Lifecycle.RETIRED}:
        if row.deprecates_on is None:
            return None
        # RFC 9745, section 2.1: a day ahead is told in the same header.
        since = datetime.combine(row.deprecates_on, time(), UTC)
    # A reference of its own host: the page of the model to take instead.
    page = f"/models/{row.replacement}" if row.replacement else ""
    return Ending(
        lines=deprecation_lines(since, row.retires_on, page),
        is_retired=row.lifecycle == Lifecycle.RETIRED,
        replacement=row.replacement,
    )
