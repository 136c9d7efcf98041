"""What one request asks of routing: its own wishes, the conditions it is under, its length."""

from tradewind.gateway.admission.base import Ask
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.names import Named
from tradewind.gateway.routing.affinity import affinity_of
from tradewind.gateway.routing.conditions import is_stated
from tradewind.gateway.routing.router import RouteAsk
from tradewind.snapshot.contents import Conditions, Endpoint, Grant, Operation
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import RoutingWish

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


def route_ask_of(  # noqa: PLR0917  all of them are needed, and it is called once
    view: SnapshotView,
    grant: Grant,
    named: Named,
    inbound: Inbound,
    wish: RoutingWish,
    body: bytes,
) -> RouteAsk:
    endpoint, operation = named.endpoint, inbound.operation
    if len(endpoint.targets) > 1 and operation in _WITH_PREFIX and not wish.affinity:
        wish = RoutingWish(wish.provider, wish.models, wish.spillover, affinity_of(body))
    provider = wish.provider
    return RouteAsk(
        operation,
        inbound.dialect,
        conditions_of(view, grant, endpoint),
        wish,
        named.sort,
        inbound.parameters if provider is not None and provider.require_parameters else _NONE,
        inbound.body_length // BYTES_PER_TOKEN + (inbound.output_limit or 0),
        _sure_tokens(inbound, body),
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


def conditions_of(view: SnapshotView, grant: Grant, endpoint: Endpoint) -> tuple[Conditions, ...]:
    """Return the conditions the call is under; commonly none."""
    stated = ()
    for terms in (view.terms(grant.organization_id), view.terms(grant.project_id)):
        if terms is not None and is_stated(terms.conditions):
            stated += (terms.conditions,)
    return (*stated, endpoint.conditions) if is_stated(endpoint.conditions) else stated


def _sure_tokens(inbound: Inbound, body: bytes) -> int:
    """Return how many tokens the input has at least; 0 is not known."""
    if inbound.body_length < _FEWEST_BYTES_COUNTED or inbound.operation is not Operation.CHAT:
        return 0
    if any(mark in body for mark in _MARKS_OF_MEDIA):
        return 0
    return inbound.body_length // _MOST_BYTES_PER_TOKEN
