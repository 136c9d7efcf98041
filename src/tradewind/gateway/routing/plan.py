"""The order of targets of one endpoint for one call, found one target at a time.

Each rule narrows what is left to its best, in this order: health, the request's own order, tier and
spill, the speeds it prefers, the sort, affinity, load, whose turn it is. What is known changes
between two attempts, so nothing is ordered in advance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tradewind.gateway.routing import ranking
from tradewind.gateway.routing.affinity import sticky_target
from tradewind.gateway.routing.ask import OWN, Choice, RouteAsk, Why
from tradewind.gateway.routing.health import Health, Level
from tradewind.gateway.routing.rotation import Rotation
from tradewind.gateway.routing.speeds import Speeds
from tradewind.gateway.routing.spill import TierLoad
from tradewind.snapshot.contents import Endpoint, Target

_MOST_CODE_CHARACTERS = 40
_ONLY = Why.ONLY  # looked up in its Enum, a member costs as much as ten comparisons


@dataclass(slots=True)
class RoutingCounters:
    """Since the gateway started."""

    spilled_queue: int = 0
    spilled_slow: int = 0
    spilled_down: int = 0
    fallbacks: int = 0
    probes: int = 0
    sticky: int = 0


class Standing:
    """What is kept of one endpoint from call to call."""

    __slots__ = ("endpoint", "loads", "rotation", "tiers")

    def __init__(self, endpoint: Endpoint, former: "Standing | None" = None) -> None:
        """`former` is that of the same endpoint in an older snapshot."""
        self.endpoint = endpoint
        self.rotation = Rotation() if former is None else former.rotation
        self.rotation.keep_only([target.replica_id for target in endpoint.targets])
        tiers: dict[int, list[Target]] = {}
        for target in endpoint.targets:
            tiers.setdefault(target.tier, []).append(target)
        self.tiers = tiers
        loads: dict[int, TierLoad] = {} if former is None else former.loads
        self.loads = {tier: loads.get(tier, TierLoad()) for tier in tiers}


@dataclass(slots=True)
class Seen:
    """What this gateway has seen of targets, by replica."""

    health: Health = field(default_factory=Health)
    speeds: Speeds = field(default_factory=Speeds)
    in_flight: dict[str, int] = field(default_factory=dict[str, int])
    """Calls at each target; one without calls is not in it."""
    counters: RoutingCounters = field(default_factory=RoutingCounters)


class OnlyTarget(msgspec.Struct, eq=False):
    """The plan of a call that has one target and nothing to choose: yields it once."""

    seen: Seen
    target: Target | None

    def next(self, now: float, after: str = "") -> Choice | None:
        """As `Plan.next`."""
        target = self.target
        if target is None:
            return None
        self.target = None
        choice, seen = Choice(target, _ONLY), self.seen
        return _told(seen, choice, now, after) if after or seen.health.unwell else choice


class Plan:
    """Yields each allowed target at most once."""

    __slots__ = ("_ask", "_attempts", "_left", "_most", "_order", "_seen", "_standing")

    def __init__(
        self, seen: Seen, ask: RouteAsk, targets: tuple[Target, ...], standing: Standing
    ) -> None:
        self._seen = seen
        self._ask = ask
        self._left = targets
        self._standing = standing
        self._attempts = 0
        self._most = max(1, standing.endpoint.routing.max_attempts)
        self._order: Sequence[str] = ()
        wish = ask.wish.provider
        if wish is not None:
            if wish.order:
                self._order = [name.lower() for name in wish.order]
            elif wish.allow_fallbacks is False:
                self._most = 1

    def next(self, now: float, after: str = "") -> Choice | None:
        """Return the best target that was not tried yet, by what is known at this moment.

        `after` is the code of the error that the attempt before ended with.
        """
        left = self._left
        if not left or self._attempts >= self._most:
            return None
        self._attempts += 1
        standing = self._standing
        if len(left) == 1:
            self._left = ()
            only = Why.ONLY if len(standing.endpoint.targets) == 1 else Why.ONLY_ALLOWED
            choice = Choice(left[0], only)
        else:
            choice = self._choose(left, standing, now)
            replica = choice.target.replica_id
            self._left = tuple(target for target in left if target.replica_id != replica)
        return _told(self._seen, choice, now, after)

    def _choose(self, left: Sequence[Target], standing: Standing, now: float) -> Choice:
        health = self._seen.health
        fit = left
        if health.unwell:
            levels = [health.level(target.replica_id, now) for target in left]
            best = min(levels)
            if best is Level.RESTING:
                return Choice(
                    min(left, key=lambda target: health.rests_until(target.replica_id)),
                    Why.ALL_REST,
                )
            fit = [target for target, level in zip(left, levels, strict=True) if level is best]
        why = ""
        order = self._order
        if order:
            fit = ranking.best_by(fit, lambda target: ranking.place_in_order(target, order))
            if ranking.place_in_order(fit[0], order) < len(order):
                why, left = Why.IN_ORDER, fit  # the request itself chose the tier
        if len(standing.tiers) > 1:
            fit, spilled = self._tier(fit, left, standing, now)
            why = spilled or why
        wish = self._ask.wish.provider
        if wish is not None and len(fit) > 1:
            fit = ranking.preferred(fit, wish, self._seen.speeds, now)
        fit, sorted_by = self._sorted(fit, standing, now)
        why = why or sorted_by
        if len(fit) == 1:
            return Choice(fit[0], why or Why.LEAST_LOAD)
        affinity = self._ask.wish.affinity
        if affinity:
            self._seen.counters.sticky += 1
            return Choice(sticky_target(affinity, fit, self._seen.in_flight), why or Why.STICKY)
        return Choice(self._least_loaded(fit, standing), why or Why.LEAST_LOAD)

    def _tier(
        self, fit: Sequence[Target], left: Sequence[Target], standing: Standing, now: float
    ) -> tuple[Sequence[Target], str]:
        """Narrow to the lowest tier that can take the call; say why it is not the lowest of all."""
        lowest = min(target.tier for target in left)
        reasons: dict[int, str | None] = {}
        for target in fit:
            tier = target.tier
            if tier not in reasons:
                reasons[tier] = self._spills(tier, standing, now)
        # When all are full or slow, own capacity still comes first.
        chosen = min(reasons, key=lambda tier: (reasons[tier] is not None, tier))
        if chosen > lowest:
            load = standing.loads[lowest]
            if lowest in reasons and load.takes_probe(now):
                return [target for target in fit if target.tier == lowest], Why.PROBE
            why = reasons.get(lowest) or Why.SPILL_DOWN
            self._count_spill(why)
        else:
            why = ""
        return [target for target in fit if target.tier == chosen], why

    def _spills(self, tier: int, standing: Standing, now: float) -> str | None:
        routing = standing.endpoint.routing
        if routing.queue_bound is None and routing.first_token_bound_ms is None:
            return None
        seen = self._seen
        health, speeds = seen.health, seen.speeds
        in_flight = slots = 0
        measured: list[float] = []
        for target in standing.tiers[tier]:
            replica = target.replica_id
            if health.unwell and health.level(replica, now) is Level.RESTING:
                continue
            in_flight += seen.in_flight.get(replica, 0)
            slots += target.slots
            first_token_s = speeds.first_token_s(replica, now)
            if first_token_s is not None:
                measured.append(first_token_s)
        return standing.loads[tier].look(
            routing,
            in_flight=in_flight,
            slots=slots,
            first_token_s=sum(measured) / len(measured) if measured else None,
            now=now,
        )

    def _count_spill(self, why: str) -> None:
        counters = self._seen.counters
        if why is Why.SPILL_QUEUE:
            counters.spilled_queue += 1
        elif why is Why.SPILL_SLOW:
            counters.spilled_slow += 1
        else:
            counters.spilled_down += 1

    def _sorted(
        self, fit: Sequence[Target], standing: Standing, now: float
    ) -> tuple[Sequence[Target], str]:
        ask, endpoint = self._ask, standing.endpoint
        wish = ask.wish.provider
        sort = wish.sort_by if wish is not None else None
        if sort is None:
            sort = endpoint.routing.sort if ask.sort in (None, OWN) else ask.sort
        why = ranking.SORTS.get(sort, "")
        if not why or len(fit) == 1:
            return fit, why
        if sort == "price":
            return ranking.cheapest(fit, endpoint), why
        speeds = self._seen.speeds
        is_latency = sort == "latency"

        def measure(replica: str) -> float | None:
            if is_latency:
                return speeds.first_token_s(replica, now)
            return speeds.tokens_per_s(replica, now)

        unknown = ranking.unmeasured(fit, measure, self._seen.in_flight)
        if unknown:
            return unknown, Why.UNMEASURED
        return ranking.fastest(fit, measure, lowest=is_latency), why

    def _least_loaded(self, fit: Sequence[Target], standing: Standing) -> Target:
        in_flight = self._seen.in_flight
        if in_flight:
            loads = [in_flight.get(target.replica_id, 0) / target.weight for target in fit]
            least = min(loads)
            fit = [target for target, load in zip(fit, loads, strict=True) if load == least]
        return standing.rotation.take(fit)


def _told(seen: Seen, choice: Choice, now: float, after: str) -> Choice:
    """Count a choice, and say of it what matters more than the rule that made it."""
    if after:
        seen.counters.fallbacks += 1
        return Choice(choice.target, Why.FALLBACK + _harmless(after))
    health = seen.health
    if health.unwell and health.is_due(choice.target.replica_id, now):
        seen.counters.probes += 1
        return Choice(choice.target, Why.PROBE)
    return choice


def _harmless(code: str) -> str:
    """Return the code, which may come from an upstream, or something to put in its place."""
    if len(code) <= _MOST_CODE_CHARACTERS and code.isascii() and code.isidentifier():
        return code
    return "error"
