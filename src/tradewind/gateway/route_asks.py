"""What one request asks of routing: its own wishes, the conditions it is under, its length."""

from tradewind.gateway.admission.base import Ask
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.lanes import Lane
from tradewind.gateway.routing.affinity import affinity_of
from tradewind.gateway.routing.router import RouteAsk
from tradewind.snapshot.contents import Operation
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import NO_WISH, RoutingWish

BYTES_PER_TOKEN = 4
# No tokenizer makes one token of more bytes than this, so a larger body cannot fit the context and
# the engine need not read it.
_MOST_BYTES_PER_TOKEN = 128
_FEWEST_BYTES_COUNTED = 64 * 1024
# An image or a sound is many bytes and few tokens.
_MARKS_OF_MEDIA = (b"base64", b'"input_audio"', b'"inlineData"', b'"inline_data"', b'"file_data"')
# What engines keep prefixes of.
_WITH_PREFIX = frozenset({Operation.CHAT, Operation.COMPLETIONS})
_NONE: frozenset[str] = frozenset()


def route_ask_of(  # noqa: PLR0917  all of them are needed, and keywords cost on the hot path
    lane: Lane,
    inbound: Inbound,
    wish: RoutingWish,
    body: bytes,
    spilled_from: str,
    connection: str,
) -> RouteAsk:
    length = inbound.body_length
    plain = lane.plain
    if (
        plain is not None
        and wish is NO_WISH
        and length < _FEWEST_BYTES_COUNTED
        and not connection
        and not spilled_from
    ):
        return plain
    operation, parameters = inbound.operation, _NONE
    if len(lane.endpoint.targets) > 1 and operation in _WITH_PREFIX and not wish.affinity:
        wish = RoutingWish(wish.provider, wish.models, wish.spillover, affinity_of(body))
    provider = wish.provider
    if provider is not None and provider.require_parameters:
        parameters = inbound.parameters
    return RouteAsk(
        operation,
        lane.conditions,
        wish,
        lane.sort,
        parameters,
        length // BYTES_PER_TOKEN + (inbound.output_limit or 0),
        0 if length < _FEWEST_BYTES_COUNTED else _sure_tokens(inbound, body),
        spilled_from,
        connection,
    )


def wish_of(wish: RoutingWish, headers: dict[bytes, bytes]) -> RoutingWish:
    """Return what the body says of routing with what the headers add: Azure's spillover."""
    deployment = headers.get(b"x-ms-spillover-deployment")
    if not deployment:
        return wish
    return RoutingWish(
        wish.provider, wish.models, deployment.decode("utf-8", "replace"), wish.affinity
    )


def check_length(ask: Ask, route: RouteAsk, inbound: Inbound) -> None:
    """Raises ApiError 400 for what surely does not fit the model, before anything is taken."""
    context_tokens = ask.endpoint.context_tokens
    if route.sure_tokens > context_tokens:
        raise ApiError(
            400,
            f"This model's maximum context length is {context_tokens} tokens. However, your "
            f"request has {inbound.body_length} bytes.",
            param="messages",
            code="context_length_exceeded",
        )


def _sure_tokens(inbound: Inbound, body: bytes) -> int:
    """Return how many tokens a long input has at least; 0 is not known."""
    if inbound.operation is not Operation.CHAT:
        return 0
    if any(mark in body for mark in _MARKS_OF_MEDIA):
        return 0
    return inbound.body_length // _MOST_BYTES_PER_TOKEN
