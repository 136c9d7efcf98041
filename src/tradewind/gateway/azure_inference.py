"""Azure AI Model Inference: `/models/…`, as the `azure-ai-inference` client speaks it.

The bodies are those of OpenAI's chat and embeddings, with two differences: `model` may be left out
where only one can be meant, and members beyond the documented ones are refused unless the header
`extra-parameters` says `drop` or `pass-through`. Source: learn.microsoft.com, "Azure AI Model
Inference REST API reference".
"""

import msgspec
from msgspec import Raw

from tradewind.gateway.dialects.openai import OpenAIChat, OpenAIEmbeddings
from tradewind.gateway.dialects.surfaces import AZURE_INFERENCE
from tradewind.gateway.handle import handle
from tradewind.gateway.http.request import Request
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import endpoint_of, may_call
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import OPERATIONS_OF, Grant, Operation
from tradewind.wire import chat
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError

_CHAT_MEMBERS = frozenset(
    {
        "frequency_penalty",
        "max_tokens",
        "messages",
        "modalities",
        "model",
        "presence_penalty",
        "response_format",
        "seed",
        "stop",
        "stream",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
    }
)
_EMBEDDINGS_MEMBERS = frozenset({"dimensions", "encoding_format", "input", "input_type", "model"})
_MODEL_HEADER = b"x-ms-model-mesh-model-name"
_KINDS = {
    Operation.CHAT: "chat-completion",
    Operation.EMBEDDINGS: "embeddings",
    Operation.IMAGES: "image-generation",
}


def inference_chat(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001  no path here names a model
) -> None:
    request = exchange.request
    fields = _checked(request, _CHAT_MEMBERS)
    model = _model_of(state, grant, request, fields, Operation.CHAT)
    handle(state, exchange, grant, OpenAIChat(_body(fields, model), AZURE_INFERENCE, model))


def inference_embeddings(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001
) -> None:
    request = exchange.request
    fields = _checked(request, _EMBEDDINGS_MEMBERS)
    model = _model_of(state, grant, request, fields, Operation.EMBEDDINGS)
    # Said of images and queries; models that make no difference know nothing of it.
    fields.pop("input_type", None)
    handle(state, exchange, grant, OpenAIEmbeddings(_body(fields, model), AZURE_INFERENCE, model))


def inference_info(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001
) -> None:
    """`GET /models/info`: of the model that a header names, or of the only chat model there is."""
    wanted = _named_by_header(exchange.request)
    if wanted is None:
        wanted = _only_model(state, grant, Operation.CHAT)
    endpoint = state.view.endpoint(wanted)
    if endpoint is None or not may_call(grant, endpoint):
        endpoint = endpoint_of(state.view, grant, wanted, Operation.CHAT).endpoint
    body = msgspec.json.encode(
        {
            "model_name": endpoint.name,
            "model_type": _KINDS.get(endpoint.operation, str(endpoint.operation)),
            "model_provider_name": endpoint.publisher,
        }
    )
    exchange.respond(200, b"content-type: application/json\r\n", body)


def _checked(request: Request, known: frozenset[str]) -> dict[str, Raw]:
    """Return the body's members after `extra-parameters` was obeyed. Raises ApiError."""
    fields = chat.decode_fields(request.body)
    extra = [member for member in fields if member not in known]
    if not extra:
        return fields
    match request.headers.get(b"extra-parameters", b"error").strip().lower():
        case b"pass-through":
            return fields
        case b"drop":
            return {member: value for member, value in fields.items() if member in known}
        case b"error":
            raise ApiError(
                422,
                f"The parameter {extra[0][:100]!r} is not supported; send the header "
                "'extra-parameters: pass-through' to have it passed to the model, or 'drop'.",
                param=extra[0][:100],
                code="parameter_not_supported",
            )
        case _:
            raise ApiError(
                400,
                "The header extra-parameters is 'error', 'drop' or 'pass-through'.",
                code="invalid_header",
            )


def _model_of(
    state: GatewayState,
    grant: Grant,
    request: Request,
    fields: dict[str, Raw],
    operation: Operation,
) -> str:
    said = fields.get("model")
    if said is not None and bytes(said) != b"null":
        try:
            return msgspec.json.decode(said, type=str)
        except UNREADABLE:
            raise ApiError(
                400, "Invalid 'model': Expected `str`.", param="model", code="invalid_value"
            ) from None
    return _named_by_header(request) or _only_model(state, grant, operation)


def _named_by_header(request: Request) -> str | None:
    name = request.headers.get(_MODEL_HEADER)
    return None if name is None else name.decode("latin-1")


def _only_model(state: GatewayState, grant: Grant, operation: Operation) -> str:
    """Return the one model this key can mean. Raises ApiError 400 that lists them otherwise."""
    names = [
        endpoint.name
        for endpoint in state.view.endpoints_for(grant)
        if may_call(grant, endpoint) and operation in OPERATIONS_OF[endpoint.operation]
    ]
    if len(names) == 1:
        return names[0]
    listed = ", ".join(names[:10]) or "none"
    raise ApiError(
        400,
        f"Name a model in the body's `model`; this key may use: {listed}.",
        param="model",
        code="missing_model",
    )


def _body(fields: dict[str, Raw], model: str) -> bytes:
    fields["model"] = Raw(chat.encode(model))
    return chat.encode(fields)
