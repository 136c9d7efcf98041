"""What the main path asks of a request in any dialect."""

from typing import Protocol

from tradewind.gateway.dialects.surfaces import Surface
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader, TokenCounts
from tradewind.plugins.providers.dialects.openai import WholeBody
from tradewind.snapshot.contents import Endpoint, Operation
from tradewind.wire.routing import RoutingWish
from tradewind.wire.sse import cut_done


class Inbound(Protocol):
    """One request of a client, parsed and checked as far as the gateway acts on it."""

    surface: Surface
    operation: Operation
    dialect: Dialect
    model: str
    """The name the client called."""
    is_stream: bool
    body_length: int
    """Bytes of the request, for the estimate of its tokens."""
    output_limit: int | None
    """Most tokens the client wants of each choice."""
    choices: int
    wish: RoutingWish
    """What the request itself says of where it may go."""

    @property
    def parameters(self) -> frozenset[str]:
        """Members of the body besides the conversation, for targets that obey only some."""
        ...

    def request_for(
        self, endpoint: Endpoint, dialects: frozenset[Dialect], headers: bytes
    ) -> ProviderRequest:
        """Return the request for a provider that speaks these dialects besides the common form.

        `headers` are lines to pass on. Raises ApiError 400 for what the common form cannot say.
        """
        ...

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:
        """Return who reads the answer to `request` and writes it in the client's dialect."""
        ...


class Writer(Protocol):
    """Turns an answer in the common form into one dialect. One per answer."""

    def events(self, events: bytes) -> bytes:
        """Take whole events of the common form, return the client's. Raises ApiError 502."""
        ...

    def end(self, counts: TokenCounts) -> bytes:
        """The stream has ended well: return its last events."""
        ...

    def whole(self, answer: bytes, counts: TokenCounts) -> bytes:
        """Return a whole answer in the client's dialect. Raises ApiError 502."""
        ...


class TranslatedAnswer:
    """A reader that hands what another one reads through a writer."""

    __slots__ = ("_body", "_is_stream", "_reader", "_writer")

    def __init__(self, reader: Reader, writer: Writer, *, is_stream: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._is_stream = is_stream
        self._body = WholeBody()

    @property
    def counts(self) -> TokenCounts:
        return self._reader.counts

    @property
    def output_events(self) -> int:
        return self._reader.output_events

    def feed(self, data: bytes) -> bytes:
        answer = self._reader.feed(data)
        if not answer:
            return b""
        if self._is_stream:
            return self._writer.events(answer)
        self._body.add(answer)
        return b""

    def finish(self) -> bytes:
        rest = self._reader.finish()
        if self._is_stream:
            # The common form's end (`[DONE]`) is in `rest`, behind what a provider held back.
            written = self._writer.events(cut_done(rest)[0])
            return written + self._writer.end(self._reader.counts)
        self._body.add(rest)
        return self._writer.whole(self._body.content(), self._reader.counts)
