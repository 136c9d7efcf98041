"""Which targets a call may use at all. Pure; nothing here is ever bent.

A rule keeps some targets and drops others. Rules are applied in an order that tells the most: what
no target here can do, what policies forbid, what the request itself rules out. The one after which
nothing is left is named in the refusal.

The members of `provider{}` mean what openrouter.ai, "Provider Routing", says they mean.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from tradewind.gateway.routing.ask import OWN, RouteAsk
from tradewind.plugins.providers.base import Provider
from tradewind.snapshot.contents import (
    ELSEWHERE,
    Conditions,
    Cost,
    Endpoint,
    Operation,
    Price,
    Target,
)
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import MaxPrice, ProviderWish

# Operations whose tokens have to fit into one context; of others (embeddings of many texts, audio)
# the size of the body says nothing of it.
_WITH_CONTEXT = frozenset({Operation.CHAT, Operation.COMPLETIONS})
_MOST_NAMES_TOLD = 6
_MOST_CHARACTERS_TOLD = 64


class Kind(Enum):
    """Whose rule it is, which decides what a refusal looks like."""

    PLACE = auto()
    ABILITY = auto()
    FILES = auto()
    POLICY = auto()
    WISH = auto()
    CONTEXT = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    kind: Kind
    text: str
    """What it asks for, to be read after "fulfils"."""
    keeps: Callable[[Target], bool]


def allowed_targets(
    endpoint: Endpoint, ask: RouteAsk, providers: Mapping[str, Provider]
) -> tuple[Target, ...]:
    """Return the targets that fulfil every rule. Raises ApiError that names the rule which left
    none.
    """
    left = endpoint.targets
    if not left or (
        is_plain(ask) and all(can_take(each, endpoint, ask, providers) for each in left)
    ):
        return fitting(endpoint, ask, left)
    for rule in rules_of(endpoint, ask, providers):
        left = tuple(filter(rule.keeps, left))
        if not left:
            raise _refusal(endpoint, rule, ask.operation)
    return fitting(endpoint, ask, left)


def is_plain(ask: RouteAsk) -> bool:
    """Tell whether nothing is asked of targets but that they can take the call: mostly so."""
    if ask.wish.provider is not None or ask.sort == OWN or ask.connection:
        return False
    for conditions in ask.conditions:  # noqa: SIM110  a generator costs four times as much
        if is_stated(conditions):
            return False
    return True


def can_take(
    target: Target, endpoint: Endpoint, ask: RouteAsk, providers: Mapping[str, Provider]
) -> bool:
    """Tell what the rules of ability and context do, at once."""
    provider = providers.get(target.provider)
    return (
        provider is not None
        and ask.operation in provider.operations
        and (
            not ask.sure_tokens
            or ask.operation not in _WITH_CONTEXT
            or ask.sure_tokens <= context_of(target, endpoint)
        )
    )


def rules_of(
    endpoint: Endpoint, ask: RouteAsk, providers: Mapping[str, Provider]
) -> Iterable[Rule]:
    """Yield the rules this call is under, in the order they are applied."""
    operation = ask.operation
    if any(target.provider == ELSEWHERE for target in endpoint.targets):
        yield Rule(
            Kind.PLACE,
            "'reachable from this host': it is an engine of another one",
            lambda target: target.provider != ELSEWHERE,
        )
    yield Rule(
        Kind.ABILITY,
        f"the operation {operation}",
        lambda target: can_do(target, operation, providers),
    )
    if ask.connection:
        yield Rule(
            Kind.FILES,
            "where the request's files are",
            lambda target: target.deployment_id == ask.connection,
        )
    for conditions in ask.conditions:
        if is_stated(conditions):
            yield from _policy_rules(conditions)
    if ask.sort == OWN:
        yield Rule(Kind.WISH, "':own'", lambda target: target.host in ("", OWN))
    if ask.wish.provider is not None:
        yield from _wish_rules(ask.wish.provider, endpoint, ask.parameters)
    if ask.sure_tokens and operation in _WITH_CONTEXT:
        yield Rule(
            Kind.CONTEXT,
            f"a context of {ask.sure_tokens} tokens",
            lambda target: context_of(target, endpoint) >= ask.sure_tokens,
        )


def fitting(endpoint: Endpoint, ask: RouteAsk, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """Return the targets whose context is long enough by estimate; all when none is.

    The estimate is reckoned from bytes and may be far too high (an image in the body), so it may
    prefer a longer context and never refuse: the upstream has the last word.
    """
    if ask.operation not in _WITH_CONTEXT:
        return targets
    needed = ask.needed_tokens
    for target in targets:
        if context_of(target, endpoint) < needed:
            break
    else:
        return targets
    fit = tuple(target for target in targets if context_of(target, endpoint) >= needed)
    return fit or targets


def is_stated(conditions: Conditions) -> bool:
    return bool(
        conditions.regions or conditions.zones or conditions.no_retention or conditions.no_training
    )


def can_do(target: Target, operation: Operation, providers: Mapping[str, Provider]) -> bool:
    """Tell whether this release knows the target's provider, and the provider the operation."""
    provider = providers.get(target.provider)
    return provider is not None and operation in provider.operations


def context_of(target: Target, endpoint: Endpoint) -> int:
    return endpoint.context_tokens if target.context_tokens is None else target.context_tokens


def names_of(target: Target) -> tuple[str, ...]:
    """Return what a request may call this target by, in lower case.

    Its host, a variant of the host (`host/region`, `host/fp8`), its deployment or the member of the
    provider family.
    """
    host = (target.host or OWN).lower()
    return (
        host,
        f"{host}/{target.region.lower()}",
        f"{host}/{target.quantization.lower()}",
        target.deployment_id.lower(),
        target.provider.lower(),
    )


def _policy_rules(conditions: Conditions) -> Iterable[Rule]:
    if conditions.regions:
        yield Rule(
            Kind.POLICY,
            f"the policy 'region: {_list(conditions.regions)}'",
            lambda target: target.region in conditions.regions,
        )
    if conditions.zones:
        yield Rule(
            Kind.POLICY,
            f"the policy 'zone: {_list(conditions.zones)}'",
            lambda target: target.zone in conditions.zones,
        )
    if conditions.no_retention:
        yield Rule(Kind.POLICY, "the policy 'no retention'", lambda target: not target.retains_data)
    if conditions.no_training:
        yield Rule(
            Kind.POLICY, "the policy 'no training'", lambda target: not target.trains_on_data
        )


def _wish_rules(
    wish: ProviderWish, endpoint: Endpoint, parameters: frozenset[str]
) -> Iterable[Rule]:
    yield from _name_rules(wish)
    yield from _place_rules(wish)
    if wish.data_collection == "deny":
        yield Rule(
            Kind.WISH,
            "'provider.data_collection: deny'",
            lambda target: not (target.trains_on_data or target.retains_data),
        )
    if wish.zdr:
        yield Rule(Kind.WISH, "'provider.zdr'", lambda target: not target.retains_data)
    if wish.enforce_distillable_text:
        # Nothing is known of it, and what is not known is not fulfilled.
        yield Rule(Kind.WISH, "'provider.enforce_distillable_text'", lambda _: False)
    if wish.quantizations is not None:
        wanted = _folded(wish.quantizations)
        yield Rule(
            Kind.WISH,
            f"'provider.quantizations: {_list(wish.quantizations)}'",
            lambda target: (target.quantization.lower() or "unknown") in wanted,
        )
    if wish.require_parameters and parameters:
        yield Rule(
            Kind.WISH,
            f"'provider.require_parameters' for {_list(parameters)}",
            lambda target: target.parameters is None or parameters <= target.parameters,
        )
    if wish.max_price is not None:
        yield from _price_rules(wish.max_price, endpoint)


def _name_rules(wish: ProviderWish) -> Iterable[Rule]:
    if wish.only is not None:
        only = _folded(wish.only)
        yield Rule(
            Kind.WISH,
            f"'provider.only: {_list(wish.only)}'",
            lambda target: not only.isdisjoint(names_of(target)),
        )
    if wish.ignore:
        ignored = _folded(wish.ignore)
        yield Rule(
            Kind.WISH,
            f"'provider.ignore: {_list(wish.ignore)}'",
            lambda target: ignored.isdisjoint(names_of(target)),
        )
    if wish.order and wish.allow_fallbacks is False:
        ordered = _folded(wish.order)
        yield Rule(
            Kind.WISH,
            f"'provider.order: {_list(wish.order)}' without fallbacks",
            lambda target: not ordered.isdisjoint(names_of(target)),
        )


def _place_rules(wish: ProviderWish) -> Iterable[Rule]:
    if wish.region is not None:
        region = wish.region.lower()
        yield Rule(
            Kind.WISH,
            f"'provider.region: {_list([wish.region])}'",
            lambda target: target.region.lower() == region != "",
        )
    if wish.zone is not None:
        zone = wish.zone.lower()
        yield Rule(
            Kind.WISH,
            f"'provider.zone: {_list([wish.zone])}'",
            lambda target: target.zone.lower() == zone != "",
        )


def _price_rules(most: MaxPrice, endpoint: Endpoint) -> Iterable[Rule]:
    """Compare what the caller pays. A target's own cost counts too where it is in that currency:
    nothing that costs more than the caller would pay is used for it.
    """
    price = endpoint.price
    if most.prompt is not None:
        yield Rule(
            Kind.WISH,
            f"'provider.max_price.prompt: {_number(most.prompt)}'",
            _within(most.prompt, price, price.input_nanos, lambda cost: cost.input_nanos),
        )
    if most.completion is not None:
        yield Rule(
            Kind.WISH,
            f"'provider.max_price.completion: {_number(most.completion)}'",
            _within(most.completion, price, price.output_nanos, lambda cost: cost.output_nanos),
        )
    if most.request is not None:
        yield _unit_rule("request", most.request, price.meters.get("requests", 0))
    if most.image is not None:
        yield _unit_rule("image", most.image, price.meters.get("images", 0))


def _within(
    limit: Decimal, price: Price, nanos: int, nanos_of: Callable[[Cost], int]
) -> Callable[[Target], bool]:
    if _per_million(nanos) > limit:
        return lambda _: False

    def keeps(target: Target) -> bool:
        cost = target.cost
        return (
            cost is None or cost.currency != price.currency or _per_million(nanos_of(cost)) <= limit
        )

    return keeps


def _unit_rule(name: str, limit: Decimal, nanos: int) -> Rule:
    is_fulfilled = _per_unit(nanos) <= limit
    text = f"'provider.max_price.{name}: {_number(limit)}'"
    return Rule(Kind.WISH, text, lambda _: is_fulfilled)


def _per_million(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(-9)


def _per_unit(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(-15)


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _number(number: Decimal) -> str:
    return str(number)[:_MOST_CHARACTERS_TOLD]


def _list(names: Iterable[str]) -> str:
    """Return a few of the names, short enough for a message."""
    told = sorted(names)
    text = ", ".join(name[:_MOST_CHARACTERS_TOLD] for name in told[:_MOST_NAMES_TOLD])
    return text + ", …" if len(told) > _MOST_NAMES_TOLD else text


def _refusal(endpoint: Endpoint, rule: Rule, operation: Operation) -> ApiError:
    match rule.kind:
        case Kind.PLACE:
            return ApiError(
                503,
                f"'{endpoint.name}' runs on engines of another host only, which this gateway does "
                "not reach. Ask a gateway of that host.",
                param="model",
                code="target_elsewhere",
            )
        case Kind.ABILITY:
            return ApiError(
                400,
                f"No host of '{endpoint.name}' does {operation}.",
                param="model",
                code="unsupported_operation",
            )
        case Kind.FILES:
            return ApiError(
                400,
                f"No host of '{endpoint.name}' has the files that the request refers to: they were "
                "uploaded to another. Upload them for this model.",
                param="file_id",
                code="file_at_other_host",
            )
        case Kind.POLICY:
            return ApiError(
                403,
                f"No host of '{endpoint.name}' fulfils {rule.text}, which the organization, the "
                "project or the model asks for.",
                param="model",
                code="not_allowed_by_policy",
            )
        case Kind.WISH:
            return ApiError(
                404,
                f"No host of '{endpoint.name}' that may be used fulfils {rule.text}.",
                param="provider",
                code="no_allowed_target",
            )
        case Kind.CONTEXT:
            return ApiError(
                400,
                f"No host of '{endpoint.name}' that may be used has {rule.text}, which the request "
                "needs at least.",
                param="messages",
                code="context_length_exceeded",
            )
