"""OpenAI v1: the common form itself, so that nothing is translated."""

from msgspec import Raw

from tradewind.gateway.dialects.surfaces import OPENAI, Surface
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader
from tradewind.snapshot.contents import Endpoint, Operation
from tradewind.wire import chat, embeddings
from tradewind.wire.routing import NO_WISH, RoutingWish

_CHAT = Operation.CHAT
# What is said to the gateway and not to the model.
_OURS = ("provider", "models")
# Members every target takes: a target that obeys only some parameters is not left out for them.
_NO_PARAMETERS = frozenset(
    {"model", "messages", "input", "stream", "stream_options", "user", "metadata", "store"}
) | frozenset(_OURS)


class OpenAIChat:
    """`POST /v1/chat/completions`, on whichever surface."""

    __slots__ = (
        "_fields",
        "body_length",
        "choices",
        "is_stream",
        "model",
        "operation",
        "output_limit",
        "parsed",
        "surface",
        "wish",
    )

    dialect = Dialect.OPENAI

    def __init__(self, body: bytes, surface: Surface = OPENAI, model: str | None = None) -> None:
        """`model` is one that the path names; it wins over the body's. Raises ApiError 400."""
        parsed = self.parsed = chat.decode_request(body)
        self._fields = chat.decode_fields(body)
        self.operation: Operation = _CHAT  # of the object, as it is asked for four times a call
        self.surface = surface
        self.model = parsed.model if model is None else model
        self.is_stream = bool(parsed.stream)
        self.body_length = len(body)
        self.choices = parsed.n or 1
        self.output_limit = parsed.output_limit
        self.wish = _wish_of(parsed)

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(self._fields) - _NO_PARAMETERS

    def request_for(
        self,
        endpoint: Endpoint,
        dialects: frozenset[Dialect],  # noqa: ARG002  the common form is spoken by all
        headers: bytes,
    ) -> ProviderRequest:
        fields = self._fields
        if self.wish is not NO_WISH:
            fields = {name: value for name, value in fields.items() if name not in _OURS}
        if not headers:  # a keyword costs as much as all else of the struct
            return ProviderRequest(endpoint, fields, self.parsed)
        return ProviderRequest(endpoint, fields, self.parsed, headers=headers)

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:  # noqa: ARG002
        return reader


class OpenAIEmbeddings:
    """`POST /v1/embeddings`, on whichever surface."""

    __slots__ = ("_fields", "body_length", "model", "parsed", "surface")

    operation = Operation.EMBEDDINGS
    dialect = Dialect.OPENAI
    is_stream = False
    choices = 1
    output_limit: int | None = 0
    wish = NO_WISH

    def __init__(self, body: bytes, surface: Surface = OPENAI, model: str | None = None) -> None:
        """As OpenAIChat."""
        parsed = self.parsed = embeddings.decode_request(body)
        self._fields: dict[str, Raw] = chat.decode_fields(body)
        self.surface = surface
        self.model = parsed.model if model is None else model
        self.body_length = len(body)

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(self._fields) - _NO_PARAMETERS

    def request_for(
        self,
        endpoint: Endpoint,
        dialects: frozenset[Dialect],  # noqa: ARG002  the common form is spoken by all
        headers: bytes,
    ) -> ProviderRequest:
        return ProviderRequest(
            endpoint, self._fields, self.parsed, Operation.EMBEDDINGS, headers=headers
        )

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:  # noqa: ARG002
        return reader


def _wish_of(parsed: chat.ChatRequest) -> RoutingWish:
    if parsed.provider is None and parsed.models is None:
        return NO_WISH
    return RoutingWish(parsed.provider, tuple(parsed.models or ()))
