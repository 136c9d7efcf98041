"""What calls of one key to one name come to under one snapshot, found out once.

A lane says which endpoint a name means for a key, that the key may call it for this operation, and
under which conditions. It holds for a grant in a view: where either is another, it is found anew.
A client can write a name in many ways (letters, policies), so lanes are bounded, for each key too.
"""

import msgspec

from tradewind.gateway.names import endpoint_of
from tradewind.gateway.routing.ask import OWN, RouteAsk
from tradewind.gateway.routing.conditions import is_stated
from tradewind.snapshot.contents import Conditions, Endpoint, Grant, Operation, Terms
from tradewind.snapshot.view import SnapshotView

MOST_KEYS = 4096
"""Keys whose lanes are kept; those of one are 100 bytes and 200 for each lane."""
MOST_OF_A_KEY = 64


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


class _OfKey(msgspec.Struct, frozen=True):
    grant: Grant
    lanes: dict[tuple[str, Operation], Lane]


class Lanes:
    """One for a gateway process."""

    __slots__ = ("_of_keys", "_view")

    def __init__(self, view: SnapshotView) -> None:
        self._view = view
        self._of_keys: dict[str, _OfKey] = {}

    def find(self, view: SnapshotView, grant: Grant, name: str, operation: Operation) -> Lane:
        """Raises ApiError as `endpoint_of`."""
        if view is not self._view:
            self._view, self._of_keys = view, {}
        of_key = self._of_keys.get(grant.key_id)
        # A call that waited for something may come with the grant of an older snapshot, which must
        # not open for others what it opens for this call.
        if of_key is None or of_key.grant is not grant:
            of_key = self._begin(grant)
        lane = of_key.lanes.get((name, operation))
        return lane if lane is not None else _found(of_key, view, name, operation)

    def _begin(self, grant: Grant) -> _OfKey:
        if len(self._of_keys) >= MOST_KEYS:
            self._of_keys.clear()
        of_key = self._of_keys[grant.key_id] = _OfKey(grant, {})
        return of_key


def conditions_of(view: SnapshotView, grant: Grant, endpoint: Endpoint) -> tuple[Conditions, ...]:
    """Return the conditions the call is under; commonly none."""
    stated = ()
    for terms in (view.terms(grant.organization_id), view.terms(grant.project_id)):
        if terms is not None and is_stated(terms.conditions):
            stated += (terms.conditions,)
    return (*stated, endpoint.conditions) if is_stated(endpoint.conditions) else stated


def _found(of_key: _OfKey, view: SnapshotView, name: str, operation: Operation) -> Lane:
    grant, lanes = of_key.grant, of_key.lanes
    named = endpoint_of(view, grant, name, operation)
    endpoint = named.endpoint
    conditions = conditions_of(view, grant, endpoint)
    plain = None
    if len(endpoint.targets) == 1 and not conditions and named.sort != OWN:
        plain = RouteAsk(operation, sort=named.sort, only=endpoint.targets[0])
    keeping = view.terms(grant.organization_id)
    if keeping is not None and not (keeping.content_days or keeping.cache_ttl_s):
        keeping = None
    lane = Lane(endpoint, named.sort, conditions, keeping, plain)
    if len(lanes) >= MOST_OF_A_KEY:
        lanes.clear()
    lanes[name, operation] = lane
    return lane
