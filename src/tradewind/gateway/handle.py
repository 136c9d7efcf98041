"""The main path of one call, from parsed request to dispatched call. Read this first."""

import time
from collections.abc import Sequence

from msgspec.structs import replace

from tradewind.gateway.admission.base import Ask
from tradewind.gateway.call import BeforeEnd, Call
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.files_references import may_name_files, resolve_files
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import endpoint_of
from tradewind.gateway.queueing import queue_s_of
from tradewind.gateway.refusals import refuse
from tradewind.gateway.route_asks import BYTES_PER_TOKEN, check_length, route_ask_of, wish_of
from tradewind.gateway.routing.router import RouteAsk
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Endpoint, Grant
from tradewind.wire.errors import ApiError, unavailable


def handle(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    inbound: Inbound,
    before_end: BeforeEnd | None = None,
    *,
    earlier: Sequence[bytes] = (),
) -> None:
    """Find what the call may use, and have it admitted and sent. It answers for itself.

    `earlier` are bodies of JSON that the request goes on from.
    """
    arrived = time.perf_counter()
    body = exchange.request.body
    if not (may_name_files(body) or earlier):
        _start(state, exchange, grant, inbound, before_end, arrived)
        return

    def resolved(found: Inbound, connection: str) -> None:
        _start(state, exchange, grant, found, before_end, arrived, connection)

    try:
        resolve_files(state, exchange, grant, inbound, bodies=(body, *earlier), resolved=resolved)
    except ApiError as error:
        _refuse(state, exchange, grant, inbound, error)


def _start(  # noqa: PLR0917  called above alone, and keywords cost on the hot path
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    inbound: Inbound,
    before_end: BeforeEnd | None,
    arrived: float,
    connection: str = "",
) -> None:
    """`connection` is the only one whose targets may answer, if any is named."""
    try:
        candidates = _candidates(state, exchange, grant, inbound)
    except ApiError as error:
        _refuse(state, exchange, grant, inbound, error)
        return
    if connection:
        candidates = [(ask, replace(route, connection=connection)) for ask, route in candidates]
    call = Call(state, exchange, grant, inbound, arrived=arrived, before_end=before_end)
    call.start(candidates)


def _refuse(
    state: GatewayState, exchange: Exchange, grant: Grant, inbound: Inbound, error: ApiError
) -> None:
    refuse(
        state,
        exchange,
        inbound.surface,
        error,
        grant,
        operation=inbound.operation,
        requested_model=inbound.model,
    )


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
    request = exchange.request
    headers, body = request.headers, request.body
    wish = wish_of(inbound.wish, headers)
    queue_s = queue_s_of(headers[b"x-tradewind-queue"]) if b"x-tradewind-queue" in headers else 0.0

    def candidate(name: str, spilled_from: str = "") -> tuple[Ask, RouteAsk]:
        named = endpoint_of(view, grant, name, inbound.operation)
        route = route_ask_of(view, grant, named, inbound, wish, body)
        if spilled_from:
            route = replace(route, spilled_from=spilled_from)
        return ask_of(grant, named.endpoint, inbound, queue_s), route

    called = inbound.model
    if not wish.models and not wish.spillover:
        ask, route = candidate(called)
        check_length(ask, route, inbound)
        return [(ask, route)]
    # One that is not there is refused: a fallback nobody noticed to be missing is none.
    candidates = [candidate(called)]
    candidates += [candidate(name) for name in wish.models if name != called]
    if wish.spillover and wish.spillover != called:
        candidates.append(candidate(wish.spillover, called))
    return candidates


def ask_of(grant: Grant, endpoint: Endpoint, inbound: Inbound, queue_s: float) -> Ask:
    """Return what admission is asked for this request at this endpoint."""
    limit = inbound.output_limit
    return Ask(
        grant,
        endpoint,
        input_estimate=inbound.body_length // BYTES_PER_TOKEN,
        most_input=inbound.body_length,
        output_limit=None if limit is None else limit * inbound.choices,
        queue_s=queue_s,
        choices=inbound.choices,
    )
