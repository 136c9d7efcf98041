"""What a call asks of routing, what it is told, and what it tells back."""

from enum import StrEnum

import msgspec

from tradewind.snapshot.contents import Conditions, Operation, Target
from tradewind.wire.routing import NO_WISH, RoutingWish

OWN = "own"
"""The policy `:own`, and the host of targets that run on the platform's own engines."""


class RouteAsk(msgspec.Struct, frozen=True):
    """What a call needs of a target."""

    operation: Operation
    conditions: tuple[Conditions, ...] = ()
    """Of the organization, the project and the endpoint: all must be fulfilled."""
    wish: RoutingWish = NO_WISH
    sort: str | None = None
    """By the policy in the model's name, before the endpoint's own; `own` keeps the call on own
    capacity."""
    parameters: frozenset[str] = frozenset()
    needed_tokens: int = 0
    """Estimate of input and wanted output, for targets with a shorter context."""
    sure_tokens: int = 0
    """Tokens that the input has at least: only they may refuse a call."""
    spilled_from: str = ""
    """The model this one stands in for by Azure's spillover; empty otherwise."""
    connection: str = ""
    """The account at a host that has the request's files: no other target can take it. Empty when
    it refers to none."""
    only: Target | None = None
    """The endpoint's one target, where nothing is asked of it but that it can do the operation."""


class Why(StrEnum):
    """The words of `x-tradewind-route` and of the request log."""

    ONLY = "only target"
    ONLY_ALLOWED = "only allowed target"
    LEAST_LOAD = "least load"
    CHEAPEST = "cheapest"
    FIRST_TOKEN = "fastest first token"  # noqa: S105  a token of text
    THROUGHPUT = "highest throughput"
    UNMEASURED = "not measured yet"
    IN_ORDER = "first in order"
    STICKY = "sticky prefix"
    SPILL_QUEUE = "spill: queue"
    SPILL_SLOW = "spill: slow"
    SPILL_DOWN = "spill: down"
    PROBE = "probe"
    ALL_REST = "all targets rest"
    FALLBACK = "fallback after "
    """Followed by the code of the error."""


class Choice(msgspec.Struct, frozen=True):
    target: Target
    why: str
    """The rule that chose it, for a header and the request log."""


class AttemptResult(StrEnum):
    """How an attempt ended, as far as it tells of the target's health."""

    OK = "ok"
    BUSY = "busy"
    """429 or 503: healthy, but full."""
    FAILED = "failed"
    """Time-out, 5xx, garbage, cut."""
    UNREACHABLE = "unreachable"
    """No connection, or it broke before the first byte: nobody is there."""
    MISCONFIGURED = "misconfigured"
    """401, 403 or 404: it will not get better by itself soon."""
    CALLER = "caller"
    """The caller's fault, or it went away: tells nothing."""
