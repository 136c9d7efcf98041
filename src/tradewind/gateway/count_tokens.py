"""`POST /v1/messages/count_tokens`: how long a prompt is, estimated.

The count must not cost a call to a provider, and most engines have no such route; so the gateway's
own rule for admission is told, and that it is one.
"""

from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import endpoint_of
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant, Operation
from tradewind.wire.chat import encode
from tradewind.wire.messages import decode_count

_BYTES_PER_TOKEN = 4
_HEADERS = b"content-type: application/json\r\nx-tradewind-estimated: true\r\n"


def count_tokens(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001  every route is called alike
) -> None:
    """Raises ApiError 404 for a model that is not there or that the key may not use."""
    body = exchange.request.body
    request = decode_count(body)
    endpoint_of(state.view, grant, request.model, Operation.CHAT)
    tokens = -(-len(body) // _BYTES_PER_TOKEN)
    exchange.respond(200, _HEADERS, encode({"input_tokens": tokens}))
