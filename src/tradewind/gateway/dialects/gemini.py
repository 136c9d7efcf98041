"""Gemini: `generateContent` and `streamGenerateContent`, to targets of any dialect.

A target that speaks the dialect gets the members as they came, so that what we do not know of
(tools that Google's hosts run, signatures of thoughts) works. For another one the request is
translated (gemini_request.py) and the answer written back (gemini_writer.py). The path names the
model and the method; the query tells whether a stream is one of events (`alt=sse`) or a JSON array.

Source: ai.google.dev, API reference, "Generating content".
"""

from tradewind.gateway.dialects.base import TranslatedAnswer
from tradewind.gateway.dialects.gemini_request import AsChat, parameters_of, to_chat
from tradewind.gateway.dialects.gemini_writer import GeminiWriter
from tradewind.gateway.dialects.surfaces import GEMINI, GEMINI_ARRAY
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader, TokenCounts
from tradewind.snapshot.contents import Endpoint, Operation
from tradewind.wire.chat import Fields, decode_fields
from tradewind.wire.gemini import canonical, decode_request
from tradewind.wire.routing import NO_WISH, RoutingWish
from tradewind.wire.sse import data_of, split_events

# What is said to the gateway and not to the model, as in the OpenAI dialect; the model is in the
# path, and its name there is ours.
_OURS = ("provider", "models", "model")
_BYTES_PER_TOKEN = 4


class GeminiInbound:
    """One request of a Gemini client."""

    __slots__ = (
        "_body",
        "_chat",
        "_fields",
        "_is_array",
        "body_length",
        "choices",
        "is_stream",
        "model",
        "output_limit",
        "parsed",
        "surface",
        "wish",
    )

    operation = Operation.CHAT
    dialect = Dialect.GEMINI

    def __init__(
        self, body: bytes, model: str, *, is_stream: bool = False, is_array: bool = False
    ) -> None:
        """`model` is the path's; `is_array` makes a stream a JSON array.

        Raises ApiError 400 that names the member.
        """
        body = canonical(body)
        parsed = self.parsed = decode_request(body)
        fields = decode_fields(body)
        if parsed.provider is None and parsed.models is None:
            self.wish = NO_WISH
        else:
            self.wish = RoutingWish(parsed.provider, tuple(parsed.models or ()))
        self._fields: Fields = {name: value for name, value in fields.items() if name not in _OURS}
        self._body = body
        self._chat: AsChat | None = None
        self._is_array = is_stream and is_array
        self.surface = GEMINI_ARRAY if self._is_array else GEMINI
        self.model = model
        self.is_stream = is_stream
        self.body_length = len(body)
        config = parsed.generation_config
        self.output_limit: int | None = None if config is None else config.max_output_tokens or None
        self.choices = 1 if config is None else config.candidate_count or 1

    @property
    def parameters(self) -> frozenset[str]:
        return parameters_of(self._fields)

    def request_for(
        self, endpoint: Endpoint, dialects: frozenset[Dialect], headers: bytes
    ) -> ProviderRequest:
        if Dialect.GEMINI in dialects:
            return ProviderRequest(
                endpoint,
                self._fields,
                None,
                dialect=Dialect.GEMINI,
                streams=self.is_stream,
                headers=headers,
            )
        chat = self._chat
        if chat is None:  # once for all targets that are tried
            chat = self._chat = to_chat(self._body, self.model, is_stream=self.is_stream)
        return ProviderRequest(endpoint, chat.fields, chat.parsed, headers=headers)

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:
        chat = self._chat
        if request.dialect is not Dialect.GEMINI and chat is not None:
            writer = GeminiWriter(
                request.endpoint.name,
                reader,
                input_estimate=self.body_length // _BYTES_PER_TOKEN,
                shows_thoughts=chat.shows_thoughts,
            )
            reader = TranslatedAnswer(reader, writer, is_stream=self.is_stream)
        return ArrayAnswer(reader) if self._is_array else reader


class ArrayAnswer:
    """A reader that makes one JSON array of the events another one reads, entry by entry."""

    __slots__ = ("_has_begun", "_reader")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._has_begun = False

    @property
    def counts(self) -> TokenCounts:
        return self._reader.counts

    @property
    def output_events(self) -> int:
        return self._reader.output_events

    def feed(self, data: bytes) -> bytes:
        return self._entries(self._reader.feed(data))

    def finish(self) -> bytes:
        rest = self._entries(self._reader.finish())
        return rest + (b"]" if self._has_begun else b"[]")

    def _entries(self, events: bytes) -> bytes:
        entries = [data for event in split_events(events) if (data := data_of(event))]
        if not entries:
            return b""
        start = b",\r\n" if self._has_begun else b"["
        self._has_begun = True
        return start + b",\r\n".join(entries)
