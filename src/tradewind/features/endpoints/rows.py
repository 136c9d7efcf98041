"""Between rows of the database and what endpoints hand out."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from tradewind.core.ids import (
    ConnectionId,
    DeploymentId,
    EndpointId,
    EndpointTargetId,
    ModelId,
    OrganizationId,
    ProjectId,
)
from tradewind.features.endpoints.schemas import EndpointRow, NewTarget, TargetRow
from tradewind.snapshot.contents import Conditions, Cost, Limits, Routing


def endpoint_row(row: Row[Any], targets: Sequence[Row[Any]]) -> EndpointRow:
    return EndpointRow(
        id=EndpointId(row.id),
        organization_id=(
            None if row.organization_id is None else OrganizationId(row.organization_id)
        ),
        project_id=None if row.project_id is None else ProjectId(row.project_id),
        name=row.name,
        model_id=ModelId(row.model_id),
        aliases=tuple(row.aliases),
        routing=routing_of(row),
        conditions=conditions_of(row),
        limits=limits_of(row),
        is_enabled=row.is_enabled,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
        targets=tuple(map(target_row, targets)),
    )


def target_row(row: Row[Any]) -> TargetRow:
    return TargetRow(
        id=EndpointTargetId(row.id),
        tier=row.tier,
        weight=row.weight,
        deployment_id=None if row.deployment_id is None else DeploymentId(row.deployment_id),
        connection_id=None if row.connection_id is None else ConnectionId(row.connection_id),
        upstream_model=row.upstream_model,
        region=row.region,
        zone=row.zone,
        retains_data=row.retains_data,
        trains_on_data=row.trains_on_data,
        quantization=row.quantization,
        context_tokens=row.context_tokens,
        cost=cost_of(row),
        parameters=None if row.parameters is None else frozenset(row.parameters),
    )


def routing_of(row: Row[Any]) -> Routing:
    return Routing(
        row.sort, row.queue_bound, row.first_token_bound_ms, row.max_attempts, row.retry_timeouts
    )


def conditions_of(row: Row[Any]) -> Conditions:
    return Conditions(
        frozenset(row.regions), frozenset(row.zones), row.no_retention, row.no_training
    )


def limits_of(row: Row[Any]) -> Limits:
    return Limits(row.requests_per_minute, row.tokens_per_minute, row.concurrent_requests)


def cost_of(row: Row[Any]) -> Cost | None:
    if row.cost_currency is None:
        return None
    return Cost(
        row.cost_currency,
        row.cost_input_nanos,
        row.cost_output_nanos,
        row.cost_cached_input_nanos,
        row.cost_cache_write_nanos,
        row.cost_meters,
    )


def columns_of_routing(routing: Routing) -> Mapping[str, Any]:
    return {
        "sort": routing.sort,
        "queue_bound": routing.queue_bound,
        "first_token_bound_ms": routing.first_token_bound_ms,
        "max_attempts": routing.max_attempts,
        "retry_timeouts": routing.retry_timeouts,
    }


def columns_of_conditions(conditions: Conditions) -> Mapping[str, Any]:
    return {
        "regions": sorted(conditions.regions),
        "zones": sorted(conditions.zones),
        "no_retention": conditions.no_retention,
        "no_training": conditions.no_training,
    }


def columns_of_limits(limits: Limits) -> Mapping[str, Any]:
    return {
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "concurrent_requests": limits.concurrent_requests,
    }


def columns_of_target(target: NewTarget) -> Mapping[str, Any]:
    cost = target.cost
    return {
        "tier": target.tier,
        "weight": target.weight,
        "deployment_id": target.deployment_id,
        "connection_id": target.connection_id,
        "upstream_model": target.upstream_model,
        "region": target.region,
        "zone": target.zone,
        "retains_data": target.retains_data,
        "trains_on_data": target.trains_on_data,
        "quantization": target.quantization,
        "context_tokens": target.context_tokens,
        "cost_currency": None if cost is None else cost.currency,
        "cost_input_nanos": None if cost is None else cost.input_nanos,
        "cost_output_nanos": None if cost is None else cost.output_nanos,
        "cost_cached_input_nanos": None if cost is None else cost.cached_input_nanos,
        "cost_cache_write_nanos": None if cost is None else cost.cache_write_nanos,
        "cost_meters": {} if cost is None else cost.meters,
        "parameters": None if target.parameters is None else sorted(target.parameters),
    }
