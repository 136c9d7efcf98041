"""Compiles the safety policies that hold, and what they hold for, for the gateways."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, select

from tradewind.features.accounts.tables import organization
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.safety.compiling import compile_policy, names_of_data
from tradewind.features.safety.repository import data, policies
from tradewind.features.safety.schemas import (
    DEFAULT_POLICY,
    FLOOR_POLICY,
    PolicyContent,
    SubjectKind,
)
from tradewind.features.safety.tables import safety_binding
from tradewind.snapshot.contents import Endpoint, Terms
from tradewind.snapshot.safety import Policy


def compile_policies(tx: Connection) -> Iterator[Policy]:
    """Yield the newest version of each policy that holds for anything: the platform's own two, and
    those that are bound.
    """
    bound = select(safety_binding.c.policy_id).where(safety_binding.c.unbound_at.is_(None))
    wanted = {DEFAULT_POLICY, FLOOR_POLICY, *tx.execute(bound.distinct()).scalars()}
    rows = policies.newest(tx, wanted)
    contents = {row.id: msgspec.convert(row.content, PolicyContent) for row in rows}
    references = data.references(
        tx, {each for content in contents.values() for each in names_of_data(content)}
    )
    for row in rows:
        content = contents[row.id]
        if not content.is_empty:
            yield compile_policy(row.id, row.version, row.name, content, references)


def with_policies(
    tx: Connection, ids: Collection[str] | None, terms: Iterable[Terms]
) -> Iterator[Terms]:
    """Yield the terms of these organizations and projects, or of all, with the policies that hold
    there. Every organization has some: its own, or the platform's default, and the floor beside.
    """
    bound = _bound(tx, ids)
    has_floor = _holds(tx, FLOOR_POLICY)
    # Plain text: the snapshot's encoder takes no subclass of it.
    floor = (str(FLOOR_POLICY),) if has_floor else ()
    default = (str(DEFAULT_POLICY),) if _holds(tx, DEFAULT_POLICY) else ()
    organizations = select(organization.c.id)
    if ids is not None:
        organizations = organizations.where(organization.c.id.in_(ids))
    of_organization = {
        each: tuple(dict.fromkeys((*floor, *(bound.get(each) or default))))
        for each in tx.execute(organizations).scalars()
    }
    waiting = {**{key: tuple(found) for key, found in bound.items()}, **of_organization}
    for each in terms:
        held = waiting.pop(each.id, ())
        yield msgspec.structs.replace(each, policies=held) if held else each
    yield from (Terms(key, policies=held) for key, held in sorted(waiting.items()) if held)


def with_endpoint_policies(tx: Connection, endpoints: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Yield the endpoints with the policies that are bound to them, and to the deployments that
    they call.
    """
    found: dict[str, list[str]] = {}
    for row in tx.execute(_of_endpoints()):
        found.setdefault(row.name, []).append(row.policy_id)
    for each in endpoints:
        held = found.get(each.name)
        yield (
            each
            if held is None
            else msgspec.structs.replace(each, policies=tuple(dict.fromkeys(held)))
        )


def _bound(tx: Connection, ids: Collection[str] | None) -> Mapping[str, list[str]]:
    query = (
        select(safety_binding.c.subject_id, safety_binding.c.policy_id)
        .where(
            safety_binding.c.unbound_at.is_(None),
            safety_binding.c.kind.in_([SubjectKind.ORGANIZATION.value, SubjectKind.PROJECT.value]),
        )
        .order_by(safety_binding.c.id)
    )
    if ids is not None:
        query = query.where(safety_binding.c.subject_id.in_(ids))
    found: dict[str, list[str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.subject_id, []).append(row.policy_id)
    return found


def _of_endpoints() -> Select[Any]:
    """Return names of endpoints and what is bound to them directly, or by a deployment."""
    columns = endpoint.c.name, safety_binding.c.policy_id, safety_binding.c.id
    is_open = safety_binding.c.unbound_at.is_(None)
    directly = select(*columns).join(
        safety_binding,
        (safety_binding.c.kind == SubjectKind.ENDPOINT.value)
        & (safety_binding.c.subject_id == endpoint.c.id),
    )
    by_deployment = (
        select(*columns)
        .join(endpoint_target, endpoint_target.c.endpoint_id == endpoint.c.id)
        .join(
            safety_binding,
            (safety_binding.c.kind == SubjectKind.DEPLOYMENT.value)
            & (safety_binding.c.subject_id == endpoint_target.c.deployment_id),
        )
    )
    both = directly.where(is_open).union(by_deployment.where(is_open)).subquery()
    return select(both).order_by(both.c.name, both.c.id)


def _holds(tx: Connection, policy_id: str) -> bool:
    """Say whether one of the platform's policies says anything: an empty one is not published."""
    rows: list[Row[Any]] = list(policies.newest(tx, {policy_id}))
    return any(not msgspec.convert(row.content, PolicyContent).is_empty for row in rows)
