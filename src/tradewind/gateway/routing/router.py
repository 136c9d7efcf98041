"""Which target answers. Pure: a snapshot's targets, what is in flight, who failed of late."""

from enum import StrEnum
from typing import NamedTuple

from tradewind.plugins.providers.base import Dialect
from tradewind.snapshot.contents import Conditions, Endpoint, Operation, Target
from tradewind.wire.routing import NO_WISH, RoutingWish

_EJECTED_S = 2.0


class RouteAsk(NamedTuple):
    """What a call needs of a target."""

    operation: Operation
    dialect: Dialect
    conditions: tuple[Conditions, ...] = ()
    """Of the organization, the project and the endpoint: all must be fulfilled."""
    wish: RoutingWish = NO_WISH
    sort: str | None = None
    """By the policy in the model's name, before the endpoint's own."""
    parameters: frozenset[str] = frozenset()
    needed_tokens: int = 0
    """Estimate of input and wanted output, for targets with a shorter context."""


class Choice(NamedTuple):
    target: Target
    why: str
    """The rule that chose it, for a header and the request log: `only target`, `least load`, …"""


class AttemptResult(StrEnum):
    """How an attempt ended, as far as it tells of the target's health."""

    OK = "ok"
    BUSY = "busy"
    """429 or 503: healthy, but full."""
    FAILED = "failed"
    """No connection, time-out, 5xx, garbage, cut."""
    MISCONFIGURED = "misconfigured"
    """401, 403 or 404: it will not get better by itself soon."""
    CALLER = "caller"
    """The caller's fault, or it went away: tells nothing."""


class Plan:
    """The order of targets of one endpoint for one call."""

    __slots__ = ("_router", "_targets", "_tried")

    def __init__(self, router: "Router", targets: tuple[Target, ...]) -> None:
        self._router = router
        self._targets = targets
        self._tried: frozenset[str] = frozenset()

    def next(self, now: float) -> Choice | None:
        """Return the best target that was not tried yet, by what is known at this moment."""
        choice = self._router.best(self._targets, self._tried, now)
        if choice is not None:
            self._tried |= {choice.target.replica_id}
        return choice


class Router:
    """What this gateway knows of the targets' load and health. By replica, so a restart starts
    anew.
    """

    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self._ejected_until: dict[str, float] = {}

    def plan(self, endpoint: Endpoint, ask: RouteAsk, now: float) -> Plan:  # noqa: ARG002
        """Raises ApiError when the conditions leave no target, naming the one that did."""
        return Plan(self, endpoint.targets)

    def best(self, targets: tuple[Target, ...], tried: frozenset[str], now: float) -> Choice | None:
        """Return the target with the fewest calls for its weight, a healthy one if there is any.

        One that failed to connect rests for two seconds; when all rest, the least loaded is tried.
        """
        best: Target | None = None
        best_rank: tuple[bool, float] | None = None
        for target in targets:
            replica = target.replica_id
            if replica in tried:
                continue
            load = self._in_flight.get(replica, 0) / target.weight
            rank = (self._ejected_until.get(replica, 0.0) > now, load)
            if best_rank is None or rank < best_rank:
                best, best_rank = target, rank
        return None if best is None else Choice(best, "least load")

    def started(self, target: Target) -> None:
        self._in_flight[target.replica_id] = self._in_flight.get(target.replica_id, 0) + 1

    def ended(
        self,
        target: Target,
        result: AttemptResult,
        now: float,
        *,
        first_token_s: float | None = None,  # noqa: ARG002
        output_tokens: int = 0,  # noqa: ARG002
        duration_s: float = 0.0,  # noqa: ARG002
    ) -> None:
        """Count an attempt that `started` as over, and learn from how it went."""
        left = self._in_flight[target.replica_id] - 1
        if left:
            self._in_flight[target.replica_id] = left
        else:
            del self._in_flight[target.replica_id]
        if result is AttemptResult.FAILED:
            self._rest(target, now)

    def _rest(self, target: Target, now: float) -> None:
        self._ejected_until[target.replica_id] = now + _EJECTED_S
        if len(self._ejected_until) > 1024:
            self._ejected_until = {
                replica: until for replica, until in self._ejected_until.items() if until > now
            }

    @property
    def in_flight(self) -> int:
        return sum(self._in_flight.values())
