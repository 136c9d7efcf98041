"""Opening connections to hosts that somebody typed the URL of, by the rule of `checked_hosts`."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from tradewind.core.checked_hosts import Connector, Resolver, checked_addresses
from tradewind.gateway.http.upstream_address import RemoteHost
from tradewind.gateway.http.upstream_connection import UpstreamConnection
from tradewind.gateway.http.upstream_tls import build_ssl_context, reason_of


class TlsFailed(Exception):
    """The text says why, in words fit for the log."""


class LoopResolver:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def resolve(self, host: str, port: int) -> list[str]:
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(place[0]) for *_, place in found]


class Dialer:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resolver: Resolver,
        connector: Connector,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        """Without `ssl_context` one is built when the first TLS connection is asked for."""
        self._loop = loop
        self._resolver = resolver
        self._connector = connector
        self._ssl_context = ssl_context

    async def dial(
        self, remote: RemoteHost, factory: Callable[[], UpstreamConnection], timeout_s: float
    ) -> UpstreamConnection:
        """Try the host's addresses one after another; each has its share of the time that is left.

        Raises NotPublic, TlsFailed, StartupError without certificates to trust, TimeoutError
        and other OSErrors.
        """
        deadline = self._loop.time() + timeout_s
        async with asyncio.timeout(timeout_s):
            addresses = await checked_addresses(
                self._resolver, remote.host, remote.port, must_be_public=remote.must_be_public
            )
        tls = self._trusted() if remote.is_tls else None
        left = len(addresses)
        while True:
            try:
                async with asyncio.timeout((deadline - self._loop.time()) / left):
                    return await self._connect(remote, addresses[-left], factory, tls)
            except OSError:
                left -= 1
                if not left:
                    raise

    async def _connect(
        self,
        remote: RemoteHost,
        ip: str,
        factory: Callable[[], UpstreamConnection],
        tls: ssl.SSLContext | None,
    ) -> UpstreamConnection:
        connection = factory()
        is_open = False
        try:
            await self._connector.connect(
                lambda: connection, ip, remote.port, tls, remote.host if tls else None
            )
            is_open = True
        except (
            ssl.SSLError,
            ConnectionResetError,
            ConnectionAbortedError,
            BrokenPipeError,
        ) as error:
            if tls is None:
                raise
            # Somebody answered there, so no other address is tried: the name is served wrongly.
            raise TlsFailed(reason_of(error)) from error
        finally:
            if not is_open:
                connection.abandon()
        return connection

    def _trusted(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = build_ssl_context()
        return self._ssl_context
