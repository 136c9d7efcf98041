"""One GET of a list that is known in public, from an address that was checked.

Whom it connects to is told by the rule of `checked_hosts`. No redirect is followed, no proxy of the
environment is used, and time and bytes have an end. What a source names is not ours to trust,
although an operator chose the source.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tradewind.core.base_urls import BaseUrl, parse_base_url
from tradewind.core.checked_hosts import NoAddress, NotPublic, checked
from tradewind.core.errors import InvalidInput, TradewindError
from tradewind.core.public_addresses import is_public

MAX_BYTES = 64 * 1024 * 1024
TIMEOUT_S = 60.0
"""For all of it."""
_CONNECT_S = 10.0
_READ_BYTES = 256 * 1024


class FetchFailed(TradewindError):
    """A list cannot be had now. Names its host and why."""

    code = "fetch_failed"
    status = 502


class Resolve(Protocol):
    def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the host's addresses in the order to try them. Raises OSError."""
        ...


def resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


class Fetcher:
    """Fetches. One for the whole process: it keeps what is trusted."""

    def __init__(
        self,
        ssl_context: ssl.SSLContext,
        *,
        resolve: Resolve = resolve,
        allows: Callable[[str], bool] = is_public,
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """`allows` tells of an address whether it may be connected to."""
        self._ssl_context = ssl_context
        self._resolve = resolve
        self._allows = allows
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    def __call__(self, url: str) -> bytes:
        """Return the body of a 200. Raises FetchFailed, InvalidInput for what is no URL."""
        base, target = _parse(url)
        deadline = time.monotonic() + self._timeout_s
        try:
            connection = _Connection(base, self._addresses(base), self._ssl_context)
        except OSError as error:
            raise FetchFailed(f"{base.host}: the name of the host is not known") from error
        try:
            return self._get(connection, base, target, deadline)
        except (OSError, http.client.HTTPException) as error:
            raise FetchFailed(f"{base.host} does not answer: {_reason(error)}") from error
        finally:
            connection.close()

    def _addresses(self, base: BaseUrl) -> Sequence[str]:
        if base.is_address:
            found: Sequence[str] = [base.host]
        else:
            found = self._resolve(base.host, base.port)
        try:
            return checked(found, allows=self._allows)
        except (NotPublic, NoAddress):
            raise FetchFailed(f"{base.host} is not in the public internet") from None

    def _get(self, connection: "_Connection", base: BaseUrl, target: str, deadline: float) -> bytes:
        connection.request(
            "GET",
            target,
            headers={
                "user-agent": "Tradewind",
                "accept": "application/json",
                "accept-encoding": "identity",
                "connection": "close",
            },
        )
        connection.leave(deadline)
        answer = connection.getresponse()
        if 300 <= answer.status < 400:
            raise FetchFailed(f"{base.host} answers with a redirect, and none is followed")
        if answer.status != http.client.OK:
            raise FetchFailed(f"{base.host} answers {answer.status}")
        body = bytearray()
        while True:
            connection.leave(deadline)
            piece = answer.read1(_READ_BYTES)
            if not piece:
                break
            body += piece
            if len(body) > self._max_bytes:
                raise FetchFailed(f"{base.host} sends more than {self._max_bytes} bytes")
        if answer.length:
            raise FetchFailed(f"{base.host} ended in the middle of its answer")
        return bytes(body)


class _Connection(http.client.HTTPConnection):
    """Connects to one of the addresses that were checked, and to nothing else."""

    def __init__(
        self, base: BaseUrl, addresses: Sequence[str], ssl_context: ssl.SSLContext
    ) -> None:
        super().__init__(base.host, base.port, timeout=_CONNECT_S)
        self._base = base
        self._addresses = addresses
        self._ssl_context = ssl_context

    def connect(self) -> None:
        self.sock = self._open()

    def leave(self, deadline: float) -> None:
        """Let the next wait end at the deadline. Raises TimeoutError behind it."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("it takes too long")
        if self.sock is not None:
            self.sock.settimeout(left_s)

    def _open(self) -> socket.socket:
        for last, address in enumerate(self._addresses, 1 - len(self._addresses)):
            try:
                # An address is not looked up again.
                plain = socket.create_connection((address, self._base.port), _CONNECT_S)
            except OSError:
                if last == 0:
                    raise
                continue
            if self._base.scheme == "http":
                return plain
            try:
                return self._ssl_context.wrap_socket(plain, server_hostname=self._base.host)
            except OSError:
                plain.close()
                raise
        raise AssertionError("there is at least one address")


def _parse(url: str) -> tuple[BaseUrl, str]:
    plain, mark, query = url.partition("?")
    try:
        base = parse_base_url(plain)
    except ValueError as error:
        raise InvalidInput(f"the address of a source {error}") from None
    if not all("!" <= letter <= "~" and letter != "#" for letter in query):
        raise InvalidInput("the query of a source's address has characters that no query has")
    path = "/" + plain.split("/", 3)[3] if plain.count("/") > 2 else "/"
    return base, path + mark + query


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
