"""Anthropic Messages: `POST /v1/messages`, to targets of any dialect.

A target that speaks the dialect gets the members as they came, so that what we do not know of
(beta members, cache marks, signatures of thinking) works. For another one the request is translated
(messages_request.py) and the answer written back (messages_writer.py).
"""

from tradewind.gateway.dialects.base import TranslatedAnswer
from tradewind.gateway.dialects.messages_request import AsChat, parameters_of, to_chat
from tradewind.gateway.dialects.messages_writer import MessagesWriter
from tradewind.gateway.dialects.surfaces import MESSAGES
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader
from tradewind.snapshot.contents import Endpoint, Operation
from tradewind.wire.chat import Fields, decode_fields
from tradewind.wire.messages import decode_request
from tradewind.wire.routing import NO_WISH, RoutingWish

# What is said to the gateway and not to the model, as in the OpenAI dialect.
_OURS = ("provider", "models")
_BYTES_PER_TOKEN = 4


class MessagesInbound:
    """One request of a Messages client."""

    __slots__ = (
        "_body",
        "_chat",
        "_fields",
        "body_length",
        "is_stream",
        "model",
        "output_limit",
        "parsed",
        "wish",
    )

    surface = MESSAGES
    operation = Operation.CHAT
    dialect = Dialect.MESSAGES
    choices = 1

    def __init__(self, body: bytes) -> None:
        """Raises ApiError 400 that names the member."""
        parsed = self.parsed = decode_request(body)
        fields = decode_fields(body)
        if parsed.provider is None and parsed.models is None:
            self.wish = NO_WISH
        else:
            self.wish = RoutingWish(parsed.provider, tuple(parsed.models or ()))
        self._fields: Fields = {name: value for name, value in fields.items() if name not in _OURS}
        self._body = body
        self._chat: AsChat | None = None
        self.model = parsed.model
        self.is_stream = bool(parsed.stream)
        self.body_length = len(body)
        self.output_limit: int | None = parsed.max_tokens

    @property
    def parameters(self) -> frozenset[str]:
        return parameters_of(self._fields)

    def request_for(
        self, endpoint: Endpoint, dialects: frozenset[Dialect], headers: bytes
    ) -> ProviderRequest:
        if Dialect.MESSAGES in dialects:
            return ProviderRequest(
                endpoint,
                self._fields,
                None,
                dialect=Dialect.MESSAGES,
                streams=self.is_stream,
                headers=headers,
            )
        chat = self._chat
        if chat is None:  # once for all targets that are tried
            chat = self._chat = to_chat(self._body, self._fields, self.parsed)
        return ProviderRequest(endpoint, chat.fields, chat.parsed, headers=headers)

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:
        chat = self._chat
        if request.dialect is Dialect.MESSAGES or chat is None:
            return reader
        writer = MessagesWriter(
            request.endpoint.name,
            reader,
            input_estimate=self.body_length // _BYTES_PER_TOKEN,
            stops=chat.stops,
        )
        return TranslatedAnswer(reader, writer, is_stream=self.is_stream)
