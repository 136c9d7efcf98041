"""One call to a model outside of the gateway: by a provider of the family, to an engine of ours or
to a host, for whoever tries models before anybody else may call them.

Where it may connect is the rule of the gateway (see `Target.address`): a host's addresses are
resolved once, all of them have to be public unless an operator said otherwise, and exactly one of
those is connected to.
"""

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import Any, cast

import httptools
import msgspec

from tradewind.core.checked_hosts import NoAddress, NotPublic, Resolver, checked_addresses
from tradewind.plugins.providers.base import Provider, ProviderRequest, Reader
from tradewind.snapshot.contents import Endpoint, Operation, Price, Target
from tradewind.wire import chat, embeddings
from tradewind.wire.errors import ApiError

TIMEOUT_S = 120.0
"""For all of a call: a large model on a small processor takes its time."""
_MOST_ANSWER_BYTES = 4 * 1024 * 1024
_MOST_MEDIA_BYTES = 32 * 1024 * 1024
"""Of images and sound: a large image in base64 has some 10 MB."""
_MEDIA = frozenset({Operation.IMAGES, Operation.SPEECH})
_LISTS = {
    Operation.CHAT: "choices",
    Operation.COMPLETIONS: "choices",
    Operation.EMBEDDINGS: "data",
    Operation.RERANK: "results",
    Operation.IMAGES: "data",
}
"""The member of a whole answer that lists what was made."""
_READ_BYTES = 64 * 1024
_ANY_TOKENS = 1_000_000
_FREE = Price("price_none", "USD", 0, 0, 0)
_PORTS = {"https": 443, "http": 80}


class CallFailed(Exception):
    """No answer came. The message is one line for a person and repeats no credential."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a call, in the dialect of OpenAI."""

    text: str
    """Of a chat, put together from its events where it was a stream."""
    message: dict[str, Any]
    """Of a whole answer: the first choice's message, or the first entry of what is not text."""
    output_tokens: int | None
    first_token_s: float | None
    """From sending the request to the first event with output."""
    whole_s: float
    entries: tuple[dict[str, Any], ...] = ()
    """Of a whole answer that lists something: embeddings, ranked documents, images."""
    data: bytes = b""
    """Of an answer that is no JSON: sound."""
    content_type: str = ""
    """Of that."""


class ModelCalls:
    """Makes calls, one at a time, from a thread that may wait."""

    def __init__(
        self, resolver: Resolver, ssl_context: ssl.SSLContext, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._resolver = resolver
        self._ssl_context = ssl_context
        self._timeout_s = timeout_s

    def call(
        self, provider: Provider, target: Target, operation: Operation, body: dict[str, Any]
    ) -> Answered:
        """Raises CallFailed."""
        try:
            return asyncio.run(self._call(provider, target, operation, body))
        except ApiError as error:
            raise CallFailed(_line(error.message)) from error
        except TimeoutError as error:
            raise CallFailed(f"no whole answer within {self._timeout_s:g} s") from error

    async def _call(
        self, provider: Provider, target: Target, operation: Operation, body: dict[str, Any]
    ) -> Answered:
        if operation not in provider.operations:
            raise CallFailed(f"{provider.name} has no calls of the kind {operation} here")
        prepared = provider.prepare(_request(target, operation, body), target)
        exchange = _Exchange(prepared.reader, _most_bytes(operation))
        async with asyncio.timeout(self._timeout_s):
            source, sink = await self._connect(target.address)
            try:
                sink.write(prepared.head + prepared.body)
                await exchange.read(source)
            except OSError as error:
                raise CallFailed(f"the connection broke: {type(error).__name__}") from error
            finally:
                sink.transport.abort()
        if exchange.status // 100 != 2:
            raise provider.error_of(exchange.status, bytes(exchange.refusal))
        whole_s = time.perf_counter() - exchange.began
        written = bytes(exchange.written)
        content_type = (prepared.content_type or exchange.content_type).decode("ascii", "replace")
        text, entries = "", ()
        if prepared.passes_bytes:
            content_type = content_type.partition(";")[0].strip().lower()[:100]
        elif body.get("stream"):
            text = _of_events(written)
        else:
            text, entries = _of_whole(written, operation)
        return Answered(
            text=text,
            message=entries[0] if entries else {},
            output_tokens=prepared.reader.counts.output_tokens,
            first_token_s=exchange.first_output_s,
            whole_s=whole_s,
            entries=entries,
            data=written if prepared.passes_bytes else b"",
            content_type=content_type if prepared.passes_bytes else "",
        )

    async def _connect(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises CallFailed."""
        try:
            if address.startswith("/"):
                return await asyncio.open_unix_connection(address)
            scheme, separator, place = address.rpartition("://")
            kind, _, private = scheme.partition("+")
            host, port = _host_and_port(place, kind)
            if not separator:
                return await asyncio.open_connection(host, port)
            ip = await self._resolved(host, port, must_be_public=not private)
            tls = self._ssl_context if kind == "https" else None
            return await asyncio.open_connection(
                ip, port, ssl=tls, server_hostname=host if tls else None
            )
        except ssl.SSLError as error:
            raise CallFailed("TLS failed: its certificate or its protocol is not right") from error
        except OSError as error:
            raise CallFailed("it cannot be reached") from error

    async def _resolved(self, host: str, port: int, *, must_be_public: bool) -> str:
        try:
            found = await checked_addresses(
                self._resolver, host, port, must_be_public=must_be_public
            )
        except NoAddress:
            raise CallFailed("the name of its host has no address") from None
        except NotPublic:
            raise CallFailed("its host is in a private network") from None
        return found[0]


class _Exchange:
    """Reads one answer through the provider's reader."""

    def __init__(self, reader: Reader, most_bytes: int) -> None:
        self.status = 0
        self.content_type = b""
        self.written = bytearray()
        """What a client would get."""
        self.refusal = bytearray()
        self.began = time.perf_counter()
        self.first_output_s: float | None = None
        self._reader = reader
        self._most_bytes = most_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._is_complete = False
        self._size = 0

    async def read(self, source: asyncio.StreamReader) -> None:
        """Raises CallFailed, ApiError for what breaks the provider's format."""
        while not self._is_complete:
            data = await source.read(_READ_BYTES)
            if not data:
                break
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserCallbackError as error:
                # The parser wraps what its callbacks raise.
                cause = error.__context__
                raise cause if isinstance(cause, ApiError | CallFailed) else error from None
            except httptools.HttpParserError as error:
                raise CallFailed("the answer is not HTTP") from error
        if self.status // 100 == 2:
            self.written += self._reader.finish()
        elif not self.status:
            raise CallFailed("the connection ended before the answer began")

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.content_type = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most_bytes:
            raise CallFailed(f"the answer has more than {self._most_bytes} bytes")
        if self.status // 100 != 2:
            self.refusal += data
            return
        self.written += self._reader.feed(data)
        if self.first_output_s is None and self._reader.output_events:
            self.first_output_s = time.perf_counter() - self.began

    def on_message_complete(self) -> None:
        self._is_complete = self.status > 0


def _request(target: Target, operation: Operation, body: dict[str, Any]) -> ProviderRequest:
    encoded = msgspec.json.encode({"model": "tried", **body})
    parsed = None
    if operation is Operation.CHAT:
        parsed = chat.decode_request(encoded)
    elif operation is Operation.EMBEDDINGS:
        parsed = embeddings.decode_request(encoded)
    endpoint = Endpoint(
        name="tried",
        operation=operation,
        publisher="",
        created_at_ms=0,
        context_tokens=_ANY_TOKENS,
        max_output_tokens=_ANY_TOKENS,
        price=_FREE,
        targets=(target,),
    )
    return ProviderRequest(
        endpoint,
        chat.decode_fields(encoded),
        parsed,
        operation,
        streams=bool(body.get("stream")),
    )


def _of_events(written: bytes) -> str:
    text = ""
    for line in written.split(b"\n"):
        if not line.startswith(b"data: {"):
            continue
        event = _decoded(line[6:])
        if event.get("error"):
            raise CallFailed(_line(str(_object(event["error"]).get("message", "it failed"))))
        for choice in _objects(event.get("choices")):
            content = _object(choice.get("delta")).get("content", choice.get("text"))
            text += content if isinstance(content, str) else ""
    return text


def _of_whole(written: bytes, operation: Operation) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Return the text of an answer, and what it lists; of a chat the messages."""
    entries = _objects(_decoded(written).get(_LISTS[operation]))
    if not entries:
        raise CallFailed("the answer is empty")
    if operation is Operation.CHAT:
        entries = [_object(entry.get("message")) for entry in entries]
    text = entries[0].get("text" if operation is Operation.COMPLETIONS else "content")
    return text if isinstance(text, str) else "", tuple(entries)


def _most_bytes(operation: Operation) -> int:
    return _MOST_MEDIA_BYTES if operation in _MEDIA else _MOST_ANSWER_BYTES


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise CallFailed("the answer cannot be read") from None


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]


def _host_and_port(place: str, kind: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    if not host or not port.isdigit():
        return place.strip("[]"), _PORTS.get(kind, 80)
    return host.strip("[]"), int(port)


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
