"""Answers a call that did not run, in the words of the client's dialect."""

from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.state import GatewayState
from tradewind.wire.errors import ApiError

_JSON = b"content-type: application/json\r\n"


def refuse(state: GatewayState, exchange: Exchange, surface: Surface, error: ApiError) -> None:
    """Answer with the error and count it."""
    state.metrics.add_refusal(error.status)
    exchange.respond(error.status, _JSON + error.headers, surface.error(error, ""))
