"""Look-ups over one snapshot. The only way the gateway reads it."""

from collections.abc import Iterable

from tradewind.snapshot.contents import EMPTY, Budget, Endpoint, Grant, Snapshot, Terms


class SnapshotView:
    """Answers by key id and by model name in constant time; immutable once built."""

    def __init__(self, snapshot: Snapshot = EMPTY) -> None:
        self.version = snapshot.version
        self.compiled_at_ms = snapshot.compiled_at_ms
        self.proven: dict[bytes, Grant] = {}
        """Keys that were checked against this snapshot, so that the next call of the same key costs
        a look-up instead of an HMAC. Goes with the snapshot, so a revoked key does not outlive it.
        """
        self._grants = {grant.key_id: grant for grant in snapshot.grants}
        self._terms = {terms.id: terms for terms in snapshot.terms}
        self._budgets = {budget.id: budget for budget in snapshot.budgets}
        self._endpoints = snapshot.endpoints
        self._by_name = {endpoint.name: endpoint for endpoint in snapshot.endpoints}
        for endpoint in snapshot.endpoints:
            for alias in endpoint.aliases:
                # A name is never taken over by an alias, nor an alias by a newer endpoint's: calls
                # would silently go to another publisher.
                self._by_name.setdefault(alias, endpoint)

    def grant(self, key_id: str) -> Grant | None:
        """Return what the key of this id may do, or None when there is no such key."""
        return self._grants.get(key_id)

    def terms(self, subject_id: str) -> Terms | None:
        """Return what holds for the organization or project of this id, if anything does."""
        return self._terms.get(subject_id)

    def budget(self, budget_id: str) -> Budget | None:
        return self._budgets.get(budget_id)

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint of this name or alias."""
        return self._by_name.get(name)

    def endpoints_for(self, grant: Grant) -> Iterable[Endpoint]:
        """Yield what this key may call, in the order of the catalog."""
        for endpoint in self._endpoints:
            if grant.models is None or endpoint.name in grant.models:
                yield endpoint
