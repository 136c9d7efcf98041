"""Look-ups over one snapshot. The only way the gateway reads it."""

from collections.abc import Iterable

from tradewind.snapshot.contents import EMPTY, Endpoint, Grant, Snapshot


class SnapshotView:
    """Answers by key id and by model name in constant time; immutable once built."""

    def __init__(self, snapshot: Snapshot = EMPTY) -> None:
        self.version = snapshot.version
        self.compiled_at_ms = snapshot.compiled_at_ms
        self._grants = {grant.key_id: grant for grant in snapshot.grants}
        self._endpoints = snapshot.endpoints
        self._by_name = {
            name: endpoint
            for endpoint in snapshot.endpoints
            for name in (endpoint.name, *endpoint.aliases)
        }

    def grant(self, key_id: str) -> Grant | None:
        """Return what the key of this id may do, or None when there is no such key."""
        return self._grants.get(key_id)

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint of this name or alias."""
        return self._by_name.get(name)

    def endpoints_for(self, grant: Grant) -> Iterable[Endpoint]:
        """Yield what this key may call, in the order of the catalog."""
        for endpoint in self._endpoints:
            if grant.models is None or endpoint.name in grant.models:
                yield endpoint
