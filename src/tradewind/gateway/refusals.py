"""Answers a call that did not run, in the words of the client's dialect."""

from tradewind.core.ids import request_id
from tradewind.gateway.client_facts import client_facts
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant
from tradewind.wire.errors import ApiError

_JSON = b"content-type: application/json\r\n"


def refuse_call(
    state: GatewayState, exchange: Exchange, grant: Grant, inbound: Inbound, error: ApiError
) -> None:
    """Answer a parsed call with the error, as `refuse`."""
    refuse(
        state,
        exchange,
        inbound.surface,
        error,
        grant,
        operation=inbound.operation,
        requested_model=inbound.model,
    )


def refuse(
    state: GatewayState,
    exchange: Exchange,
    surface: Surface,
    error: ApiError,
    grant: Grant | None = None,
    *,
    operation: str = "",
    requested_model: str = "",
) -> None:
    """Answer with the error, count it, and note it in the request log of a known key.

    The answer names its entry there, so that whoever asks why can be told.
    """
    state.metrics.add_refusal(error.status, error.code, operation)
    name, headers = "", _JSON + error.headers
    if grant is not None:
        event_id = state.recorder.refused(
            grant,
            operation=operation,
            surface=surface.name,
            requested_model=requested_model,
            http_status=error.status,
            error_code=error.code or "",
            user_agent=client_facts(exchange.request.headers).user_agent,
        )
        if event_id is not None:
            name = request_id(event_id)
            headers += b"%b: %b\r\n" % (surface.request_id_header, name.encode())
    exchange.respond(error.status, headers, surface.error(error, name))
