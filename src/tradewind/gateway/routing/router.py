"""What this gateway knows of targets, and the plans it makes of it."""

from collections.abc import Mapping

from tradewind.gateway.routing.ask import AttemptResult, Choice, RouteAsk, Why
from tradewind.gateway.routing.conditions import allowed_targets
from tradewind.gateway.routing.plan import OnlyTarget, Plan, RoutingCounters, Seen, Standing
from tradewind.plugins.providers.base import Provider
from tradewind.snapshot.contents import Endpoint, Target

__all__ = [
    "AttemptResult",
    "Choice",
    "OnlyTarget",
    "Plan",
    "RouteAsk",
    "Router",
    "RoutingCounters",
    "Why",
]

MOST_STANDINGS = 4096
_OK = AttemptResult.OK  # looked up in its Enum, a member costs as much as ten comparisons


class Router:
    """One for a gateway process. `now` is one steady clock's, in seconds."""

    __slots__ = ("_providers", "_seen", "_standings")

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = providers
        self._seen = Seen()
        self._standings: dict[str, Standing] = {}

    def plan(
        self,
        endpoint: Endpoint,
        ask: RouteAsk,
        now: float,  # noqa: ARG002
    ) -> Plan | OnlyTarget:
        """Return the plan of one call.

        Raises ApiError when the conditions leave no target, naming the one that did.
        """
        only = ask.only
        if only is not None:
            provider = self._providers.get(only.provider)
            if provider is not None and ask.operation in provider.operations:
                return OnlyTarget(self._seen, only)
        allowed = allowed_targets(endpoint, ask, self._providers)
        return Plan(self._seen, ask, allowed, self._standing(endpoint))

    def allows(self, endpoint: Endpoint, ask: RouteAsk, target: Target) -> bool:
        """Say whether the conditions of a call leave this target, as the endpoint has it now.

        A target is known by its deployment and model: replicas come and go, and what is known of
        its host may have changed. Raises ApiError when the conditions leave none.
        """
        return any(
            each.deployment_id == target.deployment_id
            and each.upstream_model == target.upstream_model
            for each in allowed_targets(endpoint, ask, self._providers)
        )

    def started(self, target: Target, now: float) -> None:
        """A call is sent to the target."""
        replica = target.replica_id
        in_flight = self._seen.in_flight
        in_flight[replica] = in_flight.get(replica, 0) + 1
        health = self._seen.health
        if health.unwell:
            health.started(replica, now)

    def answering(self, target: Target, now: float, started: float) -> None:
        """The first byte came of the streamed answer to a call that `started` then."""
        seen, replica = self._seen, target.replica_id
        seen.speeds.add_first_token(replica, now - started, now)
        if seen.health.unwell:
            seen.health.answered(replica, started)

    def ended(  # noqa: PLR0917  keywords cost on the hot path
        self,
        target: Target,
        result: AttemptResult,
        now: float,
        started: float,
        output_tokens: int = 0,
        output_s: float | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Count an attempt that `started` then, by the same number, as over, and learn from how it
        went.

        `output_s` is how long the output took to come, None for the whole time; `retry_after_s` is
        what a busy target asked for.
        """
        seen, replica = self._seen, target.replica_id
        left = seen.in_flight[replica] - 1
        if left:
            seen.in_flight[replica] = left
        else:
            del seen.in_flight[replica]
        if result is _OK:
            seconds = now - started if output_s is None else output_s
            seen.speeds.add_output(replica, output_tokens, seconds, now)
            if not seen.health.unwell:
                return
        seen.health.ended(replica, result, started=started, now=now, retry_after_s=retry_after_s)

    @property
    def in_flight(self) -> int:
        return sum(self._seen.in_flight.values())

    @property
    def rests(self) -> int:
        """How often a target was sent to rest."""
        return self._seen.health.rests

    @property
    def unwell(self) -> int:
        """How many targets are not simply well."""
        return len(self._seen.health.unwell)

    @property
    def counters(self) -> RoutingCounters:
        return self._seen.counters

    def _standing(self, endpoint: Endpoint) -> Standing:
        standings = self._standings
        standing = standings.get(endpoint.name)
        if standing is None or standing.endpoint is not endpoint:
            if standing is None and len(standings) >= MOST_STANDINGS:
                del standings[next(iter(standings))]
            standing = standings[endpoint.name] = Standing(endpoint, standing)
        return standing
