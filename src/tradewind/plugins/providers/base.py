"""What the gateway asks of a provider."""

from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec

from tradewind.snapshot.contents import Endpoint, Operation, Target
from tradewind.wire.chat import ChatRequest, Fields
from tradewind.wire.embeddings import EmbeddingsRequest
from tradewind.wire.errors import ApiError

PATHS = {
    Operation.CHAT: b"/v1/chat/completions",
    Operation.EMBEDDINGS: b"/v1/embeddings",
}


class ProviderRequest(msgspec.Struct, frozen=True):
    """One admitted request. `fields` is the body's members undecoded; copy it before changing
    it.
    """

    endpoint: Endpoint
    fields: Fields
    parsed: ChatRequest | EmbeddingsRequest

    @property
    def is_stream(self) -> bool:
        return isinstance(self.parsed, ChatRequest) and bool(self.parsed.stream)


class TokenCounts(NamedTuple):
    """What is known of an answer's tokens. None is unknown, which is not zero."""

    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None


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


class Prepared(NamedTuple):
    """Bytes to send, and who reads the answer."""

    head: bytes
    body: bytes
    reader: Reader


class Provider(Protocol):
    """A member of the family. Stateless; one instance serves all requests."""

    name: str

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        """Raises ApiError 400 for what this provider cannot carry; nothing is dropped silently."""
        ...

    def error_of(self, status: int, body: bytes) -> ApiError:
        """Return the caller's error for an answer of this upstream that is not a 2xx."""
        ...


def request_bytes(target: Target, operation: Operation, body: bytes) -> bytes:
    """Return the request head, with the empty line that ends it."""
    prefix = _head_prefix(target.address, target.credential, PATHS[operation])
    return b"%bcontent-length: %d\r\n\r\n" % (prefix, len(body))


@lru_cache(maxsize=4096)
def _head_prefix(address: str, credential: str, path: bytes) -> bytes:
    host = "localhost" if address.startswith("/") else address
    return (
        b"POST %b HTTP/1.1\r\nhost: %b\r\nauthorization: Bearer %b\r\n"
        b"content-type: application/json\r\naccept-encoding: identity\r\n"
    ) % (path, host.encode(), credential.encode())
