"""Gemini's paths: `/v1beta/models/{model}:{method}`, as the `google-genai` client speaks them.

The same are answered under `/v1/models/`. A client may write `models/` twice, and the name with its
slashes as they are or percent-encoded.

Sources, all on ai.google.dev, API reference: "Generating content", "Counting tokens", "Embeddings",
"Models".
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.dialects.gemini import GeminiInbound
from tradewind.gateway.dialects.gemini_embeddings import GeminiEmbeddings
from tradewind.gateway.handle import handle
from tradewind.gateway.http.request import Request
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import endpoint_of, find_endpoint, may_call
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Endpoint, Grant, Operation
from tradewind.wire.chat import encode
from tradewind.wire.gemini import canonical, decode_count

Answer = Callable[[GatewayState, Exchange, Grant, str], None]

_BYTES_PER_TOKEN = 4
_MOST_QUERY_MEMBERS = 64
_JSON = b"content-type: application/json\r\n"
_ESTIMATED = _JSON + b"x-tradewind-estimated: true\r\n"
_METHODS_OF = {
    Operation.CHAT: ["generateContent", "streamGenerateContent", "countTokens"],
    Operation.EMBEDDINGS: ["embedContent", "batchEmbedContents"],
}


def list_gemini_models(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001  every route is called alike
) -> None:
    """All on one page: `pageSize` bounds what a client wants at least, not what it can take."""
    models = [
        _model(endpoint)
        for endpoint in state.view.endpoints_for(grant)
        if may_call(grant, endpoint)
    ]
    exchange.respond(200, _JSON, encode({"models": models}))


def show_gemini_model(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """Raises ApiError 404 for a model that is not there, 403 for one the key may not use."""
    found = find_endpoint(state.view, grant, _plain(name))
    exchange.respond(200, _JSON, encode(_model(found.endpoint)))


def _calling(make: Callable[[Request, str], Inbound]) -> Answer:
    def answer(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
        handle(state, exchange, grant, make(exchange.request, _plain(name)))

    return answer


def _count_tokens(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """Tell the gateway's own estimate, as `count_tokens` of the Messages dialect does.

    Raises ApiError 404 for a model that is not there or that the key may not use.
    """
    body = exchange.request.body
    decode_count(canonical(body))
    endpoint_of(state.view, grant, _plain(name), Operation.CHAT)
    tokens = -(-len(body) // _BYTES_PER_TOKEN)
    exchange.respond(200, _ESTIMATED, encode({"totalTokens": tokens}))


def _stream(request: Request, model: str) -> Inbound:
    return GeminiInbound(
        request.body, model, is_stream=True, is_array=not _wants_events(request.query)
    )


METHODS: dict[bytes, Answer] = {
    b"generateContent": _calling(lambda request, model: GeminiInbound(request.body, model)),
    b"streamGenerateContent": _calling(_stream),
    b"countTokens": _count_tokens,
    b"embedContent": _calling(lambda request, model: GeminiEmbeddings(request.body, model)),
    b"batchEmbedContents": _calling(
        lambda request, model: GeminiEmbeddings(request.body, model, is_batch=True)
    ),
}
"""By what stands behind the last colon of a path."""


def _wants_events(query: bytes) -> bool:
    try:
        members = parse_qsl(query.decode("latin-1"), max_num_fields=_MOST_QUERY_MEMBERS)
    except ValueError:
        return False
    return ("alt", "sse") in members


def _plain(name: str) -> str:
    """Return a name without the collection it is in, which clients add on top of the path's."""
    while name.startswith("models/"):
        name = name[7:]
    return name


def _model(endpoint: Endpoint) -> dict[str, Any]:
    model: dict[str, Any] = {
        "name": f"models/{endpoint.name}",
        "version": str(endpoint.created_at_ms // 1000),
        "displayName": endpoint.name,
        "inputTokenLimit": endpoint.context_tokens,
        "supportedGenerationMethods": _METHODS_OF.get(endpoint.operation, []),
    }
    if endpoint.max_output_tokens:
        model["outputTokenLimit"] = endpoint.max_output_tokens
    return model
