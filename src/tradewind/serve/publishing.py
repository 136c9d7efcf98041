"""Builds what writes this host's snapshot."""

from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import Connection

from tradewind.core.data_folder import DataFolder
from tradewind.db.database import Database
from tradewind.readmodels.safety import (
    compile_policies,
    with_endpoint_policies,
    with_policies,
)
from tradewind.readmodels.safety_connections import with_connections
from tradewind.readmodels.snapshot import compile_endpoints
from tradewind.readmodels.terms import compile_budgets, compile_terms, with_key_budgets
from tradewind.serve.services import Services
from tradewind.snapshot.contents import ELSEWHERE, Endpoint, Target
from tradewind.worker.publish import Publisher


def build_publisher(database: Database, folder: DataFolder, services: Services) -> Publisher:
    """Return the publisher of the host that runs the platform, and its engines."""
    return _publisher(database, folder, services, lambda endpoint: endpoint)


def publisher_without_engines(
    database: Database, folder: DataFolder, services: Services
) -> Publisher:
    """Return the publisher of a host that only runs gateways."""
    return _publisher(database, folder, services, without_sockets)


def _publisher(
    database: Database,
    folder: DataFolder,
    services: Services,
    seen: Callable[[Endpoint], Endpoint],
) -> Publisher:
    """Return what publishes all that gateways know, with endpoints as they are `seen` from here."""

    def endpoints(tx: Connection) -> Iterable[Endpoint]:
        compiled = compile_endpoints(tx, services.providers.open_connections)
        return map(seen, with_endpoint_policies(tx, compiled))

    return Publisher(
        database,
        folder.snapshot,
        services.clock,
        grants=lambda tx, ids: with_key_budgets(tx, services.accounts.grants(tx, ids)),
        terms=lambda tx, ids: with_policies(tx, ids, compile_terms(tx, ids)),
        budgets=compile_budgets,
        endpoints=endpoints,
        policies=lambda tx: with_connections(
            compile_policies(tx), lambda: services.providers.open_connections(tx)
        ),
    )


def without_sockets(endpoint: Endpoint) -> Endpoint:
    """Mark the targets that listen on a unix socket, which another host cannot reach.

    They stay in the snapshot, so that a refusal can say why they were not used; what opens them
    does not leave their host.
    """
    if not any(target.address.startswith("/") for target in endpoint.targets):
        return endpoint
    return msgspec.structs.replace(endpoint, targets=tuple(map(_seen_from_here, endpoint.targets)))


def _seen_from_here(target: Target) -> Target:
    if not target.address.startswith("/"):
        return target
    return msgspec.structs.replace(target, provider=ELSEWHERE, address="", credential="")
