"""The main path of one call, from parsed request to dispatched call. Read this first."""

import time

from tradewind.gateway.admission.base import Ask
from tradewind.gateway.call import Call
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import Named, endpoint_of
from tradewind.gateway.queueing import queue_s_of
from tradewind.gateway.refusals import refuse
from tradewind.gateway.routing.router import RouteAsk
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Conditions, Endpoint, Grant, Operation
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError, unavailable

# No tokenizer makes one token of more bytes than this, so a larger body cannot fit the context and
# the engine need not read it.
_MOST_BYTES_PER_TOKEN = 128
_BYTES_PER_TOKEN = 4


def handle(state: GatewayState, exchange: Exchange, grant: Grant, inbound: Inbound) -> None:
    """Find what the call may use, and have it admitted and sent. It answers for itself."""
    arrived = time.perf_counter()
    try:
        candidates = _candidates(state, exchange, grant, inbound)
    except ApiError as error:
        refuse(
            state,
            exchange,
            inbound.surface,
            error,
            grant,
            operation=inbound.operation,
            requested_model=inbound.model,
        )
        return
    Call(state, exchange, grant, inbound, arrived=arrived).start(candidates)


def _candidates(
    state: GatewayState, exchange: Exchange, grant: Grant, inbound: Inbound
) -> list[tuple[Ask, RouteAsk]]:
    """Return what to ask of admission and of routing for each endpoint that may answer, in order.

    Raises ApiError.
    """
    if not state.recorder.is_healthy:
        raise unavailable(
            "Usage cannot be recorded right now, so no call is accepted.",
            code="journal_unavailable",
        )
    view = state.view
    named = endpoint_of(view, grant, inbound.model, inbound.operation)
    _check_length(named.endpoint, inbound)
    headers = exchange.request.headers
    queue_s = queue_s_of(headers[b"x-tradewind-queue"]) if b"x-tradewind-queue" in headers else 0.0
    return [
        (ask_of(grant, each.endpoint, inbound, queue_s), _route_of(view, grant, each, inbound))
        for each in (named, *_fallbacks(view, grant, inbound))
    ]


def ask_of(grant: Grant, endpoint: Endpoint, inbound: Inbound, queue_s: float) -> Ask:
    """Return what admission is asked for this request at this endpoint."""
    limit = inbound.output_limit
    return Ask(
        grant,
        endpoint,
        input_estimate=inbound.body_length // _BYTES_PER_TOKEN,
        most_input=inbound.body_length,
        output_limit=None if limit is None else limit * inbound.choices,
        queue_s=queue_s,
    )


def _route_of(view: SnapshotView, grant: Grant, named: Named, inbound: Inbound) -> RouteAsk:
    return RouteAsk(
        inbound.operation,
        inbound.dialect,
        _conditions(view, grant, named.endpoint),
        inbound.wish,
        named.sort,
        inbound.parameters,
        inbound.body_length // _BYTES_PER_TOKEN + (inbound.output_limit or 0),
    )


def _conditions(view: SnapshotView, grant: Grant, endpoint: Endpoint) -> tuple[Conditions, ...]:
    found = [
        terms.conditions
        for terms in (view.terms(grant.organization_id), view.terms(grant.project_id))
        if terms is not None
    ]
    return (*found, endpoint.conditions)


def _fallbacks(view: SnapshotView, grant: Grant, inbound: Inbound) -> list[Named]:
    """Return the further models that the request itself names. One that is not there is refused:
    a fallback nobody noticed to be missing is none.
    """
    wish = inbound.wish
    names = wish.models if wish.spillover is None else (*wish.models, wish.spillover)
    return [
        endpoint_of(view, grant, name, inbound.operation) for name in names if name != inbound.model
    ]


def _check_length(endpoint: Endpoint, inbound: Inbound) -> None:
    size = inbound.body_length
    if (
        inbound.operation is Operation.CHAT
        and size > endpoint.context_tokens * _MOST_BYTES_PER_TOKEN
        and not inbound.wish.models
        and not inbound.wish.spillover
    ):
        raise ApiError(
            400,
            f"This model's maximum context length is {endpoint.context_tokens} tokens. However, "
            f"your request has {size} bytes.",
            param="messages",
            code="context_length_exceeded",
        )
