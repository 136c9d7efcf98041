"""The HTTP/1.1 server: listens, counts, drains. The work is in `connection`."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import NamedTuple

from tradewind.gateway.http.answer_head import DateLine
from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.connection import ServerConnection
from tradewind.gateway.http.exchange import Application, Exchange
from tradewind.gateway.http.limits import ServerLimits
from tradewind.gateway.http.server_state import ServerCounters, ServerState
from tradewind.gateway.http.sweep import Sweep

__all__ = ["Application", "BoundAddress", "Exchange", "HttpServer", "ServerCounters"]

_KEEPALIVE = (  # a client whose machine vanished is noticed within about a minute
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class BoundAddress(NamedTuple):
    """Where a server listens; `str()` of it is what `UpstreamClient.send` takes."""

    host: str
    """IP address, or the path of a unix socket."""
    port: int
    """0 for a unix socket."""

    def __str__(self) -> str:
        if not self.port:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class HttpServer:
    """Serves one application on any number of addresses."""

    def __init__(
        self,
        application: Application,
        batch: WriteBatch,
        limits: ServerLimits,
        loop: asyncio.AbstractEventLoop,
        *,
        sweep_period_s: float = 0.5,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._state = ServerState(
            application=application,
            batch=batch,
            limits=limits,
            loop=loop,
            sweep=Sweep(loop, sweep_period_s),
            date=DateLine(unix_time),
        )
        self._listeners: list[asyncio.Server] = []

    async def listen(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        sock: socket.socket | None = None,
        backlog: int = 4096,
        reuse_port: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> BoundAddress:
        """Listen on host and port (0 takes a free one), a unix path, or a bound socket. May be
        called again for another address. Raises OSError when the address cannot be had.
        """
        if path is not None:
            listener = await self._loop.create_unix_server(self.protocol, path, backlog=backlog)
            self._listeners.append(listener)
            return BoundAddress(path, 0)
        if sock is not None:
            listener = await self._loop.create_server(
                self.protocol, sock=sock, backlog=backlog, ssl=tls
            )
        elif port is not None:
            listener = await self._loop.create_server(
                self.protocol,
                host,
                port,
                backlog=backlog,
                reuse_port=reuse_port or None,
                ssl=tls,
            )
        else:
            raise ValueError("listen() takes a port, a path or a socket")
        self._listeners.append(listener)
        for listening in listener.sockets:
            _keep_alive(listening)
        name = listener.sockets[0].getsockname()
        return BoundAddress(name[0], name[1]) if isinstance(name, tuple) else BoundAddress(name, 0)

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol for one more connection; what a listener calls."""
        return ServerConnection(self._state)

    async def drain(self, timeout_s: float | None = None) -> None:
        """Stop accepting, close what is idle, wait for running answers (which tell their clients
        that the connection closes), then cut. Ends when no connection is left.
        """
        state = self._state
        state.is_draining = True
        for listener in self._listeners:
            listener.close()
        for connection in tuple(state.connections):
            connection.drain()
        if state.connections:
            state.on_last_closed = self._loop.create_future()
            seconds = self._limits.drain_timeout_s if timeout_s is None else timeout_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(state.on_last_closed), seconds)
        for connection in tuple(state.connections):
            connection.kill()
        if state.connections and state.on_last_closed is not None:
            await state.on_last_closed
        state.sweep.stop()

    @property
    def counters(self) -> ServerCounters:
        return self._state.counters

    @property
    def open_connections(self) -> int:
        return len(self._state.connections)

    @property
    def is_draining(self) -> bool:
        return self._state.is_draining


def _keep_alive(listening: socket.socket) -> None:
    """Set TCP keep-alive on the listener: accepted sockets inherit it, which saves four system
    calls a connection.
    """
    if listening.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in _KEEPALIVE:
            listening.setsockopt(level, option, value)
