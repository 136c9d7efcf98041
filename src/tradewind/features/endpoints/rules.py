"""The rules of endpoints: pure, without clock, database or randomness."""

import re
from collections.abc import Collection, Sequence
from decimal import Decimal

from tradewind.core.errors import InvalidInput
from tradewind.features.endpoints.schemas import ModelPrice, NewTarget
from tradewind.snapshot.contents import Conditions, Cost, Limits, Routing

ALIASES_MAX = 16
TARGETS_MAX = 64
MODELS_AT_ONCE = 500
"""Models of a host that are added by one call."""
MARGIN_MAX = Decimal(10_000)
TIER_MAX = 99
WEIGHT_MAX = 10_000
ATTEMPTS_MAX = 10
NUMBER_MAX = 2**31 - 1  # what the columns hold
PRICE_MAX_NANOS = 10**15
UPSTREAM_MODEL_MAX = 200

_NAME_MAX = 200
_PLACES_MAX = 64
_PARAMETERS_MAX = 200
# No '@' and no ':', which separate a version and a policy from a name in a call, and nothing that
# would have to be escaped in a path.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}")
_PLACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_PARAMETER = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_QUANTIZATION = re.compile(r"[a-z0-9_]{0,16}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_SORTS = frozenset({"load", "price", "latency", "throughput"})


def is_name(text: str) -> bool:
    """Say whether calls can name an endpoint so."""
    return len(text) <= _NAME_MAX and _NAME.fullmatch(text) is not None


def check_name(text: str) -> str:
    """Raises InvalidInput."""
    if not is_name(text):
        raise InvalidInput(
            f"{text[:64]!r} cannot be the name of an endpoint",
            hint="use letters, digits, '.', '_' and '-', with '/' between parts",
        )
    return text


def clean_aliases(name: str, aliases: Sequence[str]) -> list[str]:
    """Return the aliases of an endpoint, each once. Raises InvalidInput."""
    if len(aliases) > ALIASES_MAX:
        raise InvalidInput(f"there are more than {ALIASES_MAX} aliases")
    return [check_name(alias) for alias in dict.fromkeys(aliases) if alias != name]


def check_routing(routing: Routing) -> None:
    """Raises InvalidInput."""
    if routing.sort not in _SORTS:
        raise InvalidInput(f"sort is none of {', '.join(sorted(_SORTS))}")
    _check_number("queue_bound", routing.queue_bound, least=0)
    _check_number("first_token_bound_ms", routing.first_token_bound_ms)
    _check_number("max_attempts", routing.max_attempts, most=ATTEMPTS_MAX)


def check_conditions(conditions: Conditions) -> None:
    """Raises InvalidInput."""
    for what, places in (("regions", conditions.regions), ("zones", conditions.zones)):
        if len(places) > _PLACES_MAX:
            raise InvalidInput(f"there are more than {_PLACES_MAX} {what}")
        for place in places:
            _check_place(what, place)


def check_limits(limits: Limits) -> None:
    """Raises InvalidInput."""
    _check_number("requests_per_minute", limits.requests_per_minute)
    _check_number("tokens_per_minute", limits.tokens_per_minute)
    _check_number("concurrent_requests", limits.concurrent_requests)


def check_targets(targets: Sequence[NewTarget]) -> None:
    """Raises InvalidInput for what cannot be a target, or stands twice."""
    if len(targets) > TARGETS_MAX:
        raise InvalidInput(f"there are more than {TARGETS_MAX} targets")
    seen: set[tuple[str | None, str | None, str | None]] = set()
    for target in targets:
        _check_target(target)
        place = (target.deployment_id, target.connection_id, target.upstream_model)
        if place in seen:
            raise InvalidInput("one place is a target twice", hint="give it a weight instead")
        seen.add(place)


def check_upstream_model(text: str) -> str:
    """Raises InvalidInput."""
    if not 1 <= len(text) <= UPSTREAM_MODEL_MAX or not text.isascii() or not text.isprintable():
        raise InvalidInput(
            f"the upstream model is not 1 to {UPSTREAM_MODEL_MAX} printable ASCII characters"
        )
    return text


def check_price(price: ModelPrice) -> ModelPrice:
    """Raises InvalidInput."""
    if not _CURRENCY.fullmatch(price.currency):
        raise InvalidInput("the currency is not three capital letters")
    for nanos in (
        price.input_nanos,
        price.output_nanos,
        price.cached_input_nanos,
        price.cache_write_nanos or 0,
    ):
        if not 0 <= nanos <= PRICE_MAX_NANOS:
            raise InvalidInput("a price is negative or above 1,000,000 for a million tokens")
    return price


def check_margin(percent: Decimal) -> Decimal:
    """Raises InvalidInput."""
    if not percent.is_finite() or not 0 <= percent <= MARGIN_MAX or percent * 100 % 1:
        raise InvalidInput(
            f"the margin is not between 0 and {MARGIN_MAX} percent with two decimals at most"
        )
    return percent


def with_margin(cost: ModelPrice, percent: Decimal) -> ModelPrice:
    """Return the price that leaves `percent` on top of a cost.

    Exact in integers; a part of a nano is rounded up, so that the margin is never less than said.
    """
    factor = 10_000 + int(percent * 100)

    def marked_up(nanos: int) -> int:
        return -(-nanos * factor // 10_000)

    return check_price(
        ModelPrice(
            cost.currency,
            marked_up(cost.input_nanos),
            marked_up(cost.output_nanos),
            marked_up(cost.cached_input_nanos),
            None if cost.cache_write_nanos is None else marked_up(cost.cache_write_nanos),
        )
    )


def tier_beside(has_own_capacity: bool) -> int:
    """Return the tier of a provider's target: behind own capacity, which is paid for already."""
    return 1 if has_own_capacity else 0


def free_aliases(name: str, wanted: Collection[str], taken: Collection[str]) -> list[str]:
    """Return which of the wanted aliases an endpoint can have."""
    return [
        alias
        for alias in dict.fromkeys(wanted)
        if alias != name and is_name(alias) and alias not in taken
    ]


def _check_target(target: NewTarget) -> None:
    is_own = target.deployment_id is not None
    if is_own == (target.connection_id is not None):
        raise InvalidInput("a target names a deployment or a connection, and not both")
    if is_own != (target.upstream_model is None):
        raise InvalidInput("a target at a connection, and only such, names the upstream model")
    if target.upstream_model is not None:
        check_upstream_model(target.upstream_model)
    _check_number("tier", target.tier, least=0, most=TIER_MAX)
    _check_number("weight", target.weight, most=WEIGHT_MAX)
    _check_number("context_tokens", target.context_tokens)
    for what, place in (("region", target.region), ("zone", target.zone)):
        if place:
            _check_place(what, place)
    if not _QUANTIZATION.fullmatch(target.quantization):
        raise InvalidInput("the quantization is not a short word like fp8 or q4_k_m")
    if target.cost is not None:
        _check_cost(target.cost)
    if target.parameters is not None:
        if len(target.parameters) > _PARAMETERS_MAX:
            raise InvalidInput(f"there are more than {_PARAMETERS_MAX} parameters")
        if not all(map(_PARAMETER.fullmatch, target.parameters)):
            raise InvalidInput("a parameter is not the name of a request field")


def _check_cost(cost: Cost) -> None:
    check_price(ModelPrice(cost.currency, cost.input_nanos, cost.output_nanos, cost.input_nanos))


def _check_place(what: str, text: str) -> None:
    if not _PLACE.fullmatch(text):
        raise InvalidInput(
            f"{what} is not lower-case letters, digits and hyphens",
            hint="write it like eu-west-1",
        )


def _check_number(what: str, value: int | None, *, least: int = 1, most: int = NUMBER_MAX) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidInput(f"{what} is not between {least} and {most}")
