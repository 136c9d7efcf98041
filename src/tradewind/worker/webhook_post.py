"""One POST to a URL that somebody typed: to an address that was checked, within a time, without a
redirect, and of the answer nothing is kept but its status.

Whom it connects to is told by the rule of `checked_hosts`.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httptools

from tradewind.core.checked_hosts import (
    Connector,
    NoAddress,
    NotPublic,
    Resolver,
    checked_addresses,
)
from tradewind.core.errors import StartupError
from tradewind.features.webhooks.schemas import EventUrl, Outcome

TIMEOUT_S = 10.0
"""For all of it: the name, the connection, TLS, the request and the answer."""
_MOST_HEAD_BYTES = 64 * 1024
_MOST_BODY_BYTES = 64 * 1024
"""Read, so that a receiver that still writes does not see its connection broken; not kept."""
_LONGEST_RETRY_AFTER_S = 86_400
_NAMES_AT_ONCE = 16


class SystemResolver:
    """Asks the system, in threads of its own: names that hang must not hold up anything else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_NAMES_AT_ONCE, thread_name_prefix="webhook-names")

    async def resolve(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(place[0]) for *_, place in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Poster:
    """Makes requests. One for the whole process: it keeps what is trusted."""

    def __init__(
        self,
        resolver: Resolver,
        connector: Connector,
        ssl_context: ssl.SSLContext,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._resolver = resolver
        self._connector = connector
        self._ssl_context = ssl_context
        self._timeout_s = timeout_s

    async def post(
        self, url: EventUrl, headers: Mapping[str, str], body: bytes, *, must_be_public: bool
    ) -> Outcome:
        """Return what came of it. Never raises for anything that a receiver or a network does."""
        outcome, _ = await self.fetch(url, headers, body, must_be_public=must_be_public)
        return outcome

    async def fetch(
        self,
        url: EventUrl,
        headers: Mapping[str, str],
        body: bytes,
        *,
        must_be_public: bool,
        method: str = "POST",
    ) -> tuple[Outcome, bytes]:
        """Return what came of it with the answer's body, which is empty where it was too long."""
        exchange = _Exchange(_request(url, headers, body, method))
        try:
            async with asyncio.timeout(self._timeout_s):
                refusal = await self._connect(url, exchange, must_be_public=must_be_public)
                if refusal is not None:
                    return Outcome(None, refusal), b""
                await exchange.ended
        except TimeoutError:
            if exchange.status is None:
                return Outcome(None, f"no answer within {self._timeout_s:g} s"), b""
        finally:
            exchange.close()
        return _outcome_of(exchange), bytes(exchange.body) if exchange.is_whole else b""

    async def _connect(
        self, url: EventUrl, exchange: "_Exchange", *, must_be_public: bool
    ) -> str | None:
        """Connect, or return why not."""
        try:
            found = await checked_addresses(
                self._resolver, url.host, url.port, must_be_public=must_be_public
            )
        except NotPublic:
            return "the host is in a private network"
        except NoAddress:
            return "the name of the host has no address"
        except OSError:
            return "the name of the host is not known"
        tls = self._ssl_context if url.scheme == "https" else None
        reason = ""
        for address in found:
            try:
                await self._connector.connect(
                    lambda: exchange, address, url.port, tls, url.host if tls else None
                )
            except ssl.SSLCertVerificationError as error:
                return f"TLS: {error.verify_message.rstrip('.')}"
            except ssl.SSLError as error:
                return f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}"
            except ConnectionRefusedError:
                reason = "the host refuses connections"
            except TimeoutError:
                raise
            except OSError:
                reason = "the host cannot be reached"
            else:
                return None
        return reason


def trusted(ca_bundle: Path | None) -> ssl.SSLContext:
    """Return what certificates of receivers are checked against: the system's store and, if there
    is one, the bundle of the settings. Raises StartupError.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_bundle is not None:
        try:
            context.load_verify_locations(cafile=str(ca_bundle))
        except OSError as error:
            raise StartupError(f"no certificate can be read from '{ca_bundle}'") from error
    return context


class _Exchange(asyncio.Protocol):
    """Sends one request and reads one answer, as far as anybody wants to know it."""

    def __init__(self, request: bytes) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status: int | None = None
        """Of the final answer, once its head is there."""
        self.retry_after = b""
        self.is_garbled = False
        self.is_whole = False
        self.body = bytearray()
        """As far as it is read at all."""
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._left_bytes = _MOST_HEAD_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.ended.done():
            return
        self._left_bytes -= len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.is_garbled = self.status is None
            self._end()
        else:
            if self._left_bytes < 0:
                self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # what it was makes no difference: the answer is there or not
        self._end()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        # 1xx only says that the answer is coming (RFC 9110, section 15.2).
        if status >= 200:
            self.status = status
            self._left_bytes = _MOST_BODY_BYTES

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        if self.status is not None:
            self.is_whole = True
            self._end()

    def close(self) -> None:
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def _request(url: EventUrl, headers: Mapping[str, str], body: bytes, method: str) -> bytes:
    lines = [f"{method} {url.target} HTTP/1.1", f"host: {url.authority}"]
    own = {
        "user-agent": "Tradewind",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "accept": "*/*",
        "connection": "close",
    }
    lines += [f"{name}: {value}" for name, value in (own | dict(headers)).items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _outcome_of(exchange: _Exchange) -> Outcome:
    status = exchange.status
    if status is None:
        what = "is not HTTP" if exchange.is_garbled else "ended before it began"
        return Outcome(None, f"the answer {what}")
    if status < 300:
        return Outcome(status)
    error = f"the answer was {status}"
    if status < 400:
        error += ", a redirect, and none is followed"
    return Outcome(status, error, _seconds(exchange.retry_after))


def _seconds(retry_after: bytes) -> int | None:
    """Return what a `retry-after` in seconds says; a date is not worth heeding here."""
    text = retry_after.strip()
    if not text.isdigit() or len(text) > 6:
        return None
    return min(int(text), _LONGEST_RETRY_AFTER_S)
