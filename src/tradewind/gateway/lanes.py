"""What calls of one key to one name come to under one snapshot, found out once.

A lane says which endpoint a name means for a key, that the key may call it for this operation, and
under which conditions. It holds for a grant in a view: where either is another, it is found anew.
A client can write a name in many ways (letters, policies), so lanes are bounded, for each key too.
"""

from collections.abc import Iterable, Mapping

import msgspec

from tradewind.gateway.call_failures import model_stopped
from tradewind.gateway.guard.policies import Guard, guard_of
from tradewind.gateway.names import endpoint_of
from tradewind.gateway.routing.ask import OWN, RouteAsk
from tradewind.gateway.routing.conditions import is_stated
from tradewind.plugins.checks.base import AnyCheck
from tradewind.snapshot.contents import Conditions, Endpoint, Grant, Operation, Terms
from tradewind.snapshot.view import SnapshotView

MOST_KEYS = 4096
"""Keys whose lanes are kept; those of one are 100 bytes and 200 for each lane."""
MOST_OF_A_KEY = 64
MOST_GUARDS = 1024


class Lane(msgspec.Struct, frozen=True):
    endpoint: Endpoint
    sort: str | None
    """How the name asks for targets to be sorted."""
    conditions: tuple[Conditions, ...]
    """Those that say something."""
    keeping: Terms | None
    """Those of the organization, where it wants contents of calls kept or answers given again."""
    plain: RouteAsk | None
    """What a short request that wishes nothing asks of routing, where there is nothing to choose:
    one target, and no conditions."""
    policies: tuple[str, ...] = ()
    """Those of the organization, the project and the endpoint; each holds."""
    guard: Guard | None = None
    """All of them as one; None where nothing is bound, and then nothing is done."""


class _OfKey(msgspec.Struct, frozen=True):
    grant: Grant
    lanes: dict[tuple[str, Operation], Lane]


class Lanes:
    """One for a gateway process."""

    __slots__ = ("_checks", "_guards", "_of_keys", "_view")

    def __init__(self, view: SnapshotView, checks: Mapping[str, AnyCheck] | None = None) -> None:
        """`checks` are those that policies can ask for, by their names."""
        self._view = view
        self._checks = checks or {}
        self._guards: dict[tuple[str, ...], Guard | None] = {}
        self._of_keys: dict[str, _OfKey] = {}

    def find(self, view: SnapshotView, grant: Grant, name: str, operation: Operation) -> Lane:
        """Raises ApiError as `endpoint_of`, and 503 for a model that was stopped."""
        if view is not self._view:
            self._view, self._of_keys, self._guards = view, {}, {}
        of_key = self._of_keys.get(grant.key_id)
        # A call that waited for something may come with the grant of an older snapshot, which must
        # not open for others what it opens for this call.
        if of_key is None or of_key.grant is not grant:
            of_key = self._begin(grant)
        lane = of_key.lanes.get((name, operation))
        return lane if lane is not None else self._found(of_key, view, name, operation)

    def find_unguarded(
        self, view: SnapshotView, grant: Grant, name: str, operation: Operation
    ) -> Lane:
        """Return the lane of a call that is a check itself; as `find`, and nothing is kept."""
        return msgspec.structs.replace(
            self._found(_OfKey(grant, {}), view, name, operation), policies=(), guard=None
        )

    def guard_of(self, view: SnapshotView, bound: Iterable[str]) -> Guard | None:
        """Return these policies as one guard; keys that are under the same ones share it."""
        ids = tuple(dict.fromkeys(bound))
        if not ids:
            return None
        guard = self._guards.get(ids)
        if guard is None:
            if len(self._guards) >= MOST_GUARDS:
                self._guards.clear()
            policies = {id_: found for id_ in ids if (found := view.policy(id_)) is not None}
            guard = self._guards[ids] = guard_of(ids, policies, self._checks)
        return guard

    def _found(self, of_key: _OfKey, view: SnapshotView, name: str, operation: Operation) -> Lane:
        grant, lanes = of_key.grant, of_key.lanes
        named = endpoint_of(view, grant, name, operation)
        endpoint = named.endpoint
        if endpoint.is_stopped:
            raise model_stopped(endpoint.name)
        conditions = conditions_of(view, grant, endpoint)
        plain = None
        if len(endpoint.targets) == 1 and not conditions and named.sort != OWN:
            plain = RouteAsk(operation, sort=named.sort, only=endpoint.targets[0])
        keeping = view.terms(grant.organization_id)
        if keeping is not None and not (keeping.content_days or keeping.cache_ttl_s):
            keeping = None
        policies = policies_of(view, grant, endpoint)
        guard = self.guard_of(view, policies)
        lane = Lane(endpoint, named.sort, conditions, keeping, plain, policies, guard)
        if len(lanes) >= MOST_OF_A_KEY:
            lanes.clear()
        lanes[name, operation] = lane
        return lane

    def _begin(self, grant: Grant) -> _OfKey:
        if len(self._of_keys) >= MOST_KEYS:
            self._of_keys.clear()
        of_key = self._of_keys[grant.key_id] = _OfKey(grant, {})
        return of_key


def policies_of(view: SnapshotView, grant: Grant, endpoint: Endpoint) -> tuple[str, ...]:
    """Return the policies the call is under; they add up."""
    bound: tuple[str, ...] = ()
    for terms in (view.terms(grant.organization_id), view.terms(grant.project_id)):
        if terms is not None:
            bound += terms.policies
    return tuple(dict.fromkeys(bound + endpoint.policies))


def conditions_of(view: SnapshotView, grant: Grant, endpoint: Endpoint) -> tuple[Conditions, ...]:
    """Return the conditions the call is under; commonly none."""
    stated = ()
    for terms in (view.terms(grant.organization_id), view.terms(grant.project_id)):
        if terms is not None and is_stated(terms.conditions):
            stated += (terms.conditions,)
    return (*stated, endpoint.conditions) if is_stated(endpoint.conditions) else stated
