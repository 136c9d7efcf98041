"""Opening connections to hosts that somebody typed the URL of: resolve, check, connect.

The addresses that were checked are the ones connected to. A name is never resolved twice on the
way, because the second answer may be another (DNS rebinding); TLS still checks the certificate for
the name.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol

from tradewind.core.public_addresses import is_public
from tradewind.gateway.http.upstream_address import RemoteHost
from tradewind.gateway.http.upstream_connection import UpstreamConnection
from tradewind.gateway.http.upstream_tls import build_ssl_context, reason_of

_MOST_TRIED = 8
"""Addresses of one name that are tried; all are checked."""
_SHUTDOWN_S = 1.0


class ForbiddenAddress(Exception):
    """The host resolves to an address that is not public."""


class TlsFailed(Exception):
    """The text says why, in words fit for the log."""


class Resolver(Protocol):
    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the host's addresses in the order to try them. Raises OSError."""
        ...


class Connector(Protocol):
    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        ip: str,
        port: int,
        tls: ssl.SSLContext | None,
        server_name: str | None,
    ) -> None:
        """Connect to exactly this address. `server_name`, with TLS only, is whose certificate it
        must be. Raises OSError.
        """
        ...


class LoopResolver:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def resolve(self, host: str, port: int) -> list[str]:
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(place[0]) for *_, place in found]


class LoopConnector:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        ip: str,
        port: int,
        tls: ssl.SSLContext | None,
        server_name: str | None,
    ) -> None:
        await self._loop.create_connection(
            factory,
            ip,
            port,
            flags=socket.AI_NUMERICHOST,  # a name is an error here, not a second look-up
            ssl=tls,
            server_hostname=server_name,
            ssl_shutdown_timeout=_SHUTDOWN_S if tls else None,
        )


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

        Raises ForbiddenAddress, TlsFailed, StartupError without certificates to trust, TimeoutError
        and other OSErrors.
        """
        deadline = self._loop.time() + timeout_s
        async with asyncio.timeout(timeout_s):
            addresses = await self._addresses(remote)
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

    async def _addresses(self, remote: RemoteHost) -> list[str]:
        if _is_address(remote.host):
            found = [remote.host]
        else:
            found = list(dict.fromkeys(await self._resolver.resolve(remote.host, remote.port)))
        if remote.must_be_public and not all(map(is_public, found)):
            raise ForbiddenAddress
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name has no address")
        return found[:_MOST_TRIED]

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


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
