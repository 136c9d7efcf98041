"""What the gateway asks of a provider."""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec

from tradewind.snapshot.contents import Endpoint, Operation, Target
from tradewind.wire.chat import ChatRequest, Fields
from tradewind.wire.embeddings import EmbeddingsRequest
from tradewind.wire.errors import ApiError

PATHS = {
    Operation.CHAT: b"/chat/completions",
    Operation.COMPLETIONS: b"/completions",
    Operation.EMBEDDINGS: b"/embeddings",
    Operation.RERANK: b"/rerank",
    Operation.MODERATIONS: b"/moderations",
    Operation.IMAGES: b"/images/generations",
    Operation.IMAGE_EDITS: b"/images/edits",
    Operation.SPEECH: b"/audio/speech",
    Operation.TRANSCRIPTION: b"/audio/transcriptions",
    Operation.TRANSLATION: b"/audio/translations",
}
"""Of the OpenAI v1 dialect, behind a target's `base_path`."""


class Dialect(StrEnum):
    """The form of a request's body and of its answer."""

    OPENAI = "openai"
    """OpenAI v1: the form that every provider takes and every other dialect is translated to."""
    RESPONSES = "responses"
    MESSAGES = "messages"
    GEMINI = "gemini"


class ProviderRequest(msgspec.Struct, frozen=True):
    """One admitted request. `fields` is the body's members undecoded; copy it before changing
    it.
    """

    endpoint: Endpoint
    fields: Fields
    parsed: ChatRequest | EmbeddingsRequest | None
    """The acted-on part of a body in the OpenAI dialect; None in another or of other
    operations."""
    operation: Operation = Operation.CHAT
    dialect: Dialect = Dialect.OPENAI
    """Other than OPENAI only for a provider that lists it in `dialects`."""
    streams: bool = False
    """Whether the client wants a stream; of chat the parsed body says so."""
    form: bytes | None = None
    """A multipart body as it came (files of speech and images); `fields` holds its text
    parts."""
    form_type: bytes = b""
    """The `content-type` of `form`, with its boundary."""
    headers: bytes = b""
    """Lines to pass on: `traceparent`, beta flags of the dialect."""

    @property
    def is_stream(self) -> bool:
        parsed = self.parsed
        return bool(parsed.stream) if isinstance(parsed, ChatRequest) else self.streams


class TokenCounts(msgspec.Struct, frozen=True):
    """What is known of an answer's tokens. None is unknown, which is not zero."""

    input_tokens: int | None = None
    """All of them, cached ones included."""
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    """All of them, reasoning included."""
    cache_write_tokens: int | None = None
    """Part of input_tokens that the host keeps for later calls and takes its own price for."""
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    meters: dict[str, int] | None = None
    """Quantities of other meters, by the names of `Price.meters`."""


NOTHING_TOLD = TokenCounts()
"""Before an upstream has said anything."""


class Reader(Protocol):
    """Reads one answer. Which methods are called depends on `Prepared.is_stream` and the status."""

    @property
    def counts(self) -> TokenCounts:
        """What the upstream has said of tokens so far; final once `is_complete`."""
        ...

    @property
    def output_events(self) -> int:
        """Stream events with output so far, about a token each; for when counts stay unknown."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take bytes of a 200 answer, return what the client gets of them now.

        Raises ApiError 502 when the upstream breaks its own format.
        """
        ...

    def finish(self) -> bytes:
        """The upstream ended cleanly: return what the client still gets. Raises ApiError 502."""
        ...


class Prepared(msgspec.Struct, frozen=True):
    """Bytes to send, and who reads the answer."""

    head: bytes
    body: bytes
    reader: Reader
    passes_bytes: bool = False
    """The answer is no JSON and no events (speech): it goes to the client as it comes, under the
    upstream's `content-type`."""
    content_type: bytes = b""
    """What bytes that are passed on are, where the reader makes them something else than the
    upstream sent."""


class FilesWire(NamedTuple):
    """Where one host has OpenAI's Files API, and how it is opened."""

    path: bytes = b"/files"
    """Behind the target's base path."""
    query: bytes = b""
    """With its question mark."""
    authorization: bytes | None = None
    """As in `request_bytes`."""
    headers: bytes = b""


class Provider(Protocol):
    """A member of the family. Stateless; one instance serves all requests."""

    name: str
    dialects: frozenset[Dialect]
    """Dialects its host speaks itself, so that such a request goes through untranslated."""
    operations: frozenset[Operation]

    @property
    def files_at(self) -> Callable[[Target], FilesWire] | None:
        """What tells where a target's host has files; None for hosts that have none."""
        ...

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        """Raises ApiError 400 for what this provider cannot carry; nothing is dropped silently."""
        ...

    def error_of(self, status: int, body: bytes) -> ApiError:
        """Return the caller's error for an answer of this upstream that is not a 2xx."""
        ...


def request_bytes(  # noqa: PLR0917  keywords cost on the hot path
    target: Target,
    path: bytes,
    body: bytes,
    authorization: bytes | None = None,
    headers: bytes = b"",
    content_type: bytes = b"application/json",
) -> bytes:
    """Return the request head, with the empty line that ends it.

    `path` follows the target's base path; `authorization` is the line that opens the upstream,
    without its CRLF, None for its credential as a bearer token, if it has one; `headers` are more
    lines, each with its CRLF.
    """
    prefix = _head_prefix(
        target.address, target.base_path, target.credential, path, authorization, content_type
    )
    return b"%b%bcontent-length: %d\r\n\r\n" % (prefix, headers, len(body))


def host_of(address: str) -> str:
    """Return the `host` header for an address in any of the forms of `Target.address`."""
    if address.startswith("/"):
        return "localhost"
    scheme, separator, host = address.rpartition("://")
    if not separator:
        return host
    # The scheme's own port is left out (RFC 9110, section 7.2): hosts compare names, and signatures
    # cover this line.
    return host.removesuffix(":443" if scheme.startswith("https") else ":80")


@lru_cache(maxsize=4096)
def _head_prefix(  # noqa: PLR0917  the parts of a key
    address: str,
    base_path: str,
    credential: str,
    path: bytes,
    authorization: bytes | None,
    content_type: bytes,
) -> bytes:
    line = b"POST %b%b HTTP/1.1\r\nhost: %b\r\n" % (
        base_path.encode(),
        path,
        host_of(address).encode(),
    )
    if authorization is None:
        # A host that takes none may refuse a line that holds none.
        authorization = b"authorization: Bearer " + credential.encode() if credential else b""
    if authorization:
        line += authorization + b"\r\n"
    return line + b"content-type: %b\r\naccept-encoding: identity\r\n" % content_type
