"""The main path of one call, from parsed request to dispatched call. Read this first."""

import logging
import time
from collections.abc import Sequence

import msgspec

from tradewind.gateway.admission.base import Ask
from tradewind.gateway.call import Call, Candidate
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.files_references import may_name_files, resolve_files
from tradewind.gateway.guard.policies import OFF, Guard
from tradewind.gateway.guard.prompt_rewriting import RewrittenInbound
from tradewind.gateway.guarding import Guarding
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.queueing import queue_s_of
from tradewind.gateway.refusals import refuse_call
from tradewind.gateway.route_asks import BYTES_PER_TOKEN, check_length, route_ask_of, wish_of
from tradewind.gateway.safe_ends import BeforeEnd
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Endpoint, Grant, Limits, Terms
from tradewind.wire.errors import ApiError, unavailable
from tradewind.wire.routing import NO_WISH

_log = logging.getLogger(__name__)


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
    arrived = time.monotonic()
    if earlier or may_name_files(exchange.request.body):
        _resolve_first(state, exchange, grant, inbound, before_end, arrived, earlier)
    else:
        _start(state, exchange, grant, inbound, before_end, arrived)


def _resolve_first(  # noqa: PLR0917  what it is given it passes on
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    inbound: Inbound,
    before_end: BeforeEnd | None,
    arrived: float,
    earlier: Sequence[bytes],
) -> None:
    """Find the files that the request names, then start."""

    def resolved(found: Inbound, connection: str) -> None:
        _start(state, exchange, grant, found, before_end, arrived, connection)

    bodies = (exchange.request.body, *earlier)
    try:
        resolve_files(state, exchange, grant, inbound, bodies=bodies, resolved=resolved)
    except ApiError as error:
        refuse_call(state, exchange, grant, inbound, error)


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
        first, others, keeping, guard = _candidates(state, exchange, grant, inbound, connection)
        guarding = None
        if guard is not None:
            guard = _unless_switched_off(guard, exchange, grant)
            inbound = RewrittenInbound(inbound)
            guarding = Guarding(state.examiner, guard, grant, inbound)
    except ApiError as error:
        refuse_call(state, exchange, grant, inbound, error)
        return
    call = Call(
        state, exchange, grant, inbound, first, others, arrived, before_end, keeping, guarding
    )
    call.start()


def handle_unguarded(
    state: GatewayState, exchange: Exchange, grant: Grant, inbound: Inbound
) -> None:
    """As `handle`, for a call that is a check itself: no policy holds for it, and what the key may
    call, and how often, does not count. It is on the key's record all the same.
    """
    arrived = time.monotonic()
    try:
        if not state.recorder.is_healthy:
            raise _not_recorded()
        # Admission knows keys by their ids, and this is none.
        of_check = msgspec.structs.replace(
            grant, key_id=f"{grant.key_id} checks", models=None, limits=Limits()
        )
        lane = state.lanes.find_unguarded(state.view, of_check, inbound.model, inbound.operation)
        ask = ask_of(of_check, lane.endpoint, inbound, 0.0)
        route = route_ask_of(lane, inbound, inbound.wish, exchange.request.body, "", "")
    except ApiError as error:
        refuse_call(state, exchange, grant, inbound, error)
        return
    Call(
        state, exchange, grant, inbound, (ask, route), (), arrived, None, lane.keeping, None
    ).start()


def _unless_switched_off(guard: Guard, exchange: Exchange, grant: Grant) -> Guard:
    """Return what holds, or nothing where a key made for attacks on models says so.

    Raises ApiError 403 for any other key that says so.
    """
    wanted = exchange.request.headers.get(b"x-tradewind-safety")
    if wanted is None:
        return guard
    if wanted != b"off":
        raise ApiError(
            400,
            "The header 'x-tradewind-safety' takes 'off' and nothing else.",
            param="x-tradewind-safety",
            code="invalid_value",
        )
    if not grant.is_red_team:
        raise ApiError(
            403,
            "Policies are switched off by keys that were made for red teaming, and this is none.",
            type="permission_error",
            code="safety_off_not_allowed",
        )
    _log.info("policies are off for a call of the key %s", grant.key_id)
    return OFF


def _candidates(
    state: GatewayState, exchange: Exchange, grant: Grant, inbound: Inbound, connection: str
) -> tuple[Candidate, Sequence[Candidate], Terms | None, Guard | None]:
    """Return what to ask of admission and of routing for the endpoint that is called, and for those
    that may answer after it, in order; the terms of an organization that wants something kept; and
    the policies of all these endpoints, if any hold.

    Raises ApiError.
    """
    if not state.recorder.is_healthy:
        raise _not_recorded()
    request = exchange.request
    headers = request.headers
    queue_s = queue_s_of(headers[b"x-tradewind-queue"]) if b"x-tradewind-queue" in headers else 0.0
    wish = inbound.wish
    if b"x-ms-spillover-deployment" in headers:
        wish = wish_of(wish, headers)
    view, lanes = state.view, state.lanes
    called, operation = inbound.model, inbound.operation
    lane = lanes.find(view, grant, called, operation)
    ask = ask_of(grant, lane.endpoint, inbound, queue_s)
    route = route_ask_of(lane, inbound, wish, request.body, "", connection)
    if wish is NO_WISH or not (wish.models or wish.spillover):
        if route.sure_tokens:
            check_length(ask, route, inbound)
        return (ask, route), (), lane.keeping, lane.guard
    first, keeping, policies = (ask, route), lane.keeping, lane.policies
    candidates: list[Candidate] = []
    # One that is not there is refused: a fallback nobody noticed to be missing is none.
    others = [(name, "") for name in wish.models if name != called]
    if wish.spillover and wish.spillover != called:
        others.append((wish.spillover, called))
    for name, spilled_from in others:
        lane = lanes.find(view, grant, name, operation)
        ask = ask_of(grant, lane.endpoint, inbound, queue_s)
        route = route_ask_of(lane, inbound, wish, request.body, spilled_from, connection)
        candidates.append((ask, route))
        policies += lane.policies
    # Whichever answers, the prompt is examined once: for all of them.
    return first, candidates, keeping, lanes.guard_of(view, policies)


def _not_recorded() -> ApiError:
    return unavailable(
        "Usage cannot be recorded right now, so no call is accepted.", code="journal_unavailable"
    )


def ask_of(grant: Grant, endpoint: Endpoint, inbound: Inbound, queue_s: float) -> Ask:
    """Return what admission is asked for this request at this endpoint."""
    limit, choices, length = inbound.output_limit, inbound.choices, inbound.body_length
    return Ask(
        grant,
        endpoint,
        length // BYTES_PER_TOKEN,
        length,
        None if limit is None else limit * choices,
        queue_s,
        choices,
    )
