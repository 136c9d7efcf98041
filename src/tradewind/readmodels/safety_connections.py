"""Where the services stand that policies ask, put into the policies as gateways get them."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from tradewind.features.providers.schemas import OpenConnection
from tradewind.snapshot.safety import CheckUse, Policy

_PLACE = frozenset({"address", "base_path", "credential"})
_OURS = _PLACE | {"connection"}


def with_connections(
    policies: Iterable[Policy], open_connections: Callable[[], Mapping[str, OpenConnection]]
) -> Iterator[Policy]:
    """Yield the policies, with address and credential beside each `connection` they name. What
    leaves the vault here is never logged; the options of other checks stay as they are.

    A connection that is closed is not filled in: the check then fails, as its policy says.
    """
    connections: Mapping[str, OpenConnection] | None = None
    for policy in policies:
        if any(_OURS & use.options.keys() for use in policy.checks):
            if connections is None:
                connections = open_connections()
            checks = tuple(_with_connection(use, connections) for use in policy.checks)
            yield msgspec.structs.replace(policy, checks=checks)
        else:
            yield policy


def _with_connection(use: CheckUse, connections: Mapping[str, OpenConnection]) -> CheckUse:
    # Nobody but this says where a service stands, whatever somebody wrote among the options.
    options = {name: value for name, value in use.options.items() if name not in _PLACE}
    found = connections.get(use.options.get("connection", ""))
    if found is not None:
        options |= {
            "address": found.address,
            "base_path": found.base_path,
            "credential": found.credential.reveal(),
        }
    return msgspec.structs.replace(use, options=options)
