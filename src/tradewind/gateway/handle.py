"""The main path of one call, from whole request to dispatched call. Read this first."""

import time

from tradewind.gateway.admit import endpoint_of
from tradewind.gateway.call import Call
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.state import GatewayState
from tradewind.plugins.providers.base import ProviderRequest
from tradewind.snapshot.contents import Endpoint, Grant, Operation
from tradewind.wire import chat, embeddings
from tradewind.wire.errors import ApiError, unavailable

# No tokenizer makes one token of more bytes than this, so a larger body cannot fit the context and
# the engine need not read it.
_MOST_BYTES_PER_TOKEN = 128
_BYTES_PER_TOKEN = 4


def handle(state: GatewayState, exchange: Exchange, grant: Grant, operation: Operation) -> None:
    """Admit the call and send it on its way. Raises ApiError when it is refused."""
    arrived = time.perf_counter()
    body = exchange.request.body
    parsed = (
        chat.decode_request(body)
        if operation is Operation.CHAT
        else embeddings.decode_request(body)
    )
    endpoint = endpoint_of(state.view, grant, parsed.model, operation)
    if not state.recorder.is_healthy:
        raise unavailable(
            "Usage cannot be recorded right now, so no call is accepted.",
            code="journal_unavailable",
        )
    if operation is Operation.CHAT and len(body) > endpoint.context_tokens * _MOST_BYTES_PER_TOKEN:
        raise _too_long(endpoint, len(body))
    request = ProviderRequest(endpoint, chat.decode_fields(body), parsed)
    input_estimate = len(body) // _BYTES_PER_TOKEN
    reserved = input_estimate + _output_reserve(parsed)
    use = state.limiter.admit(grant, reserved, time.monotonic())
    call = Call(
        state,
        exchange,
        grant,
        request,
        use=use,
        reserved=reserved,
        input_estimate=input_estimate,
        arrived=arrived,
    )
    is_sent = False
    try:
        call.dispatch()
        is_sent = True
    finally:
        # A bug must not keep what it took either: a key would run out of concurrent calls for good.
        if not is_sent:
            state.limiter.settle(use, reserved, 0, time.monotonic())


def _output_reserve(parsed: chat.ChatRequest | embeddings.EmbeddingsRequest) -> int:
    """Return the output tokens to reserve: what the client limits itself to, if it does."""
    if isinstance(parsed, chat.ChatRequest):
        return (parsed.output_limit or 0) * (parsed.n or 1)
    return 0


def _too_long(endpoint: Endpoint, size: int) -> ApiError:
    return ApiError(
        400,
        f"This model's maximum context length is {endpoint.context_tokens} tokens. However, your "
        f"request has {size} bytes.",
        param="messages",
        code="context_length_exceeded",
    )
