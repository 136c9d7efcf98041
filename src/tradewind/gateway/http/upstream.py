"""The keep-alive client for upstreams: a pool of connections per address.

One call, one connection: nothing is pipelined. The most recently used connection is taken first, so
that the rest grow old and are closed. An upstream may close an idle connection at the moment a call
is sent on it; such a call is sent once more on a fresh connection, and only then. An address has a
bounded number of connections; while it has them all, calls wait in the order they came, and there
is no idle one to overtake them with. A redirect is an answer like any other and never followed.
"""

import asyncio
import functools
import logging
import ssl
from dataclasses import dataclass

from tradewind.core.checked_hosts import Connector, LoopConnector, NotPublic, Resolver
from tradewind.core.errors import StartupError
from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.limits import UpstreamLimits, UpstreamTimeouts
from tradewind.gateway.http.sweep import NEVER, Sweep
from tradewind.gateway.http.upstream_address import (
    OwnHost,
    RemoteHost,
    UnixSocket,
    parse_upstream_address,
)
from tradewind.gateway.http.upstream_call import (
    FailureKind,
    Receiver,
    UpstreamCall,
    UpstreamFailure,
)
from tradewind.gateway.http.upstream_connection import UpstreamConnection
from tradewind.gateway.http.upstream_dialer import Dialer, LoopResolver, TlsFailed
from tradewind.gateway.http.upstream_queue import UpstreamQueue
from tradewind.gateway.http.upstream_tls import build_ssl_context

__all__ = [
    "FailureKind",
    "Receiver",
    "UpstreamCall",
    "UpstreamClient",
    "UpstreamCounters",
    "UpstreamFailure",
    "UpstreamLimits",
    "UpstreamTimeouts",
    "build_ssl_context",
]

_log = logging.getLogger(__name__)

_MOST_PARSED_ADDRESSES = 1024


@dataclass(slots=True)
class UpstreamCounters:
    """Plain integers that only grow, for /metrics."""

    calls: int = 0
    connections: int = 0
    stale_retries: int = 0
    waited: int = 0
    """Calls that had to wait for a connection."""
    refused: int = 0
    connect_timeout: int = 0
    forbidden_address: int = 0
    tls: int = 0
    overloaded: int = 0
    first_byte_timeout: int = 0
    idle_timeout: int = 0
    total_timeout: int = 0
    cut: int = 0
    malformed: int = 0
    too_large: int = 0
    """Failures by kind; the names are those of FailureKind."""


class UpstreamClient:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: WriteBatch,
        limits: UpstreamLimits,
        *,
        sweep_period_s: float = 0.5,
        ssl_context: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
        connector: Connector | None = None,
    ) -> None:
        """`ssl_context` is from `build_ssl_context`; without it one that trusts the system's store
        is built at the first TLS connection. `resolver` and `connector` are the loop's own unless
        others are given; both are used for URLs only.
        """
        self._loop = loop
        self.batch = batch
        self.limits = limits
        self.sweep = Sweep(loop, sweep_period_s)
        self.counters = UpstreamCounters()
        self._idle: dict[str, list[UpstreamConnection]] = {}
        self._idle_count = 0
        self._open_connections: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[bool]] = set()
        self._used: dict[str, int] = {}
        """Connections open and opening; an address that has none is not in it."""
        self._queue = UpstreamQueue(self)
        self._parse = functools.lru_cache(_MOST_PARSED_ADDRESSES)(parse_upstream_address)
        self._dialer = Dialer(
            loop, resolver or LoopResolver(loop), connector or LoopConnector(), ssl_context
        )
        self._is_closed = False

    def send(
        self,
        address: str,
        head: bytes,
        body: bytes,
        receiver: Receiver,
        timeouts: UpstreamTimeouts,
    ) -> UpstreamCall:
        """Send a request and tell the receiver of the response; never before this returned.

        `address` is one of ours (`host:port`, `[ipv6]:port` or the absolute path of a unix socket)
        or a URL without a path: `https://host:443`, which is connected to at public addresses only,
        or `https+private://host:443`, which may be anywhere; both with `http` too. ValueError when
        it is none of them. `head` is complete, with the blank line: nothing is added here.
        """
        assert not self._is_closed, "the client was closed"
        self.counters.calls += 1
        total_deadline = self.sweep.deadline_after(timeouts.total_s)
        call = UpstreamCall(address, head, body, receiver, timeouts, total_deadline)
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.is_usable():
                connection.send(call)
                return call
        self._connect_or_wait(call)
        return call

    async def close(self) -> None:
        """Cut what is under way (its receivers are told) and close every connection."""
        self._is_closed = True
        for call in self._queue.take_all():
            self._fail(call, FailureKind.CUT, "the client was closed")
        for task in tuple(self._connecting):
            task.cancel()
        if self._connecting:
            await asyncio.gather(*self._connecting, return_exceptions=True)
        for connection in tuple(self._open_connections):
            connection.fail(FailureKind.CUT, "the client was closed")
        self.sweep.stop()
        await asyncio.sleep(0)  # the transports close in the next turn

    @property
    def open_connections(self) -> int:
        return len(self._open_connections)

    @property
    def idle_connections(self) -> int:
        return self._idle_count

    @property
    def waiting_calls(self) -> int:
        return self._queue.count

    # What a connection tells (see `Pool`).

    def take_back(self, connection: UpstreamConnection) -> None:
        if self._queue.count and (call := self._queue.take(connection.address)) is not None:
            connection.idle_until(NEVER)  # it is a used one: the upstream may be closing it
            connection.send(call)
            return
        if self._is_closed or self._idle_count >= self.limits.max_idle_connections:
            connection.close()
            return
        connection.idle_until(self.sweep.base + self.limits.idle_keepalive_s)
        idle = self._idle.get(connection.address)
        if idle is None:
            self._idle[connection.address] = [connection]
        else:
            idle.append(connection)
        self._idle_count += 1

    def forget(self, connection: UpstreamConnection) -> None:
        if connection not in self._open_connections:
            return
        self._open_connections.discard(connection)
        self.sweep.remove(connection)
        idle = self._idle.get(connection.address)
        if idle is not None:
            if connection in idle:
                idle.remove(connection)
                self._idle_count -= 1
            if not idle:
                del self._idle[connection.address]
        self._give_up_place(connection.address)

    def send_again(self, call: UpstreamCall) -> None:
        self.counters.stale_retries += 1
        call.carrier = None
        if self._is_closed:
            self._fail(call, FailureKind.CUT, "the client was closed")
        else:
            self._connect_or_wait(call, is_first=True)

    def failed(self, call: UpstreamCall, failure: UpstreamFailure) -> None:
        counters = self.counters
        setattr(counters, failure.kind, getattr(counters, failure.kind) + 1)
        call.is_over = True
        call.carrier = None
        try:
            call.receiver.response_failed(failure)
        except Exception:  # noqa: BLE001 - the edge of the process, as in UpstreamConnection
            _log.exception("the receiver failed on the failure of a call")

    # What the queue tells.

    def waited_too_long(self, call: UpstreamCall) -> None:
        self._fail(call, FailureKind.TOTAL_TIMEOUT, "no connection was free in all its time")

    # Connecting: rare enough for a task.

    def _connect_or_wait(self, call: UpstreamCall, *, is_first: bool = False) -> None:
        address = call.address
        self._parse(address)  # a malformed address is the caller's bug, told where it happened
        used = self._used.get(address, 0)
        if used < self.limits.max_connections_per_address:
            self._used[address] = used + 1
            self._connect(call)
        elif is_first:
            self._queue.append_first(call)
        elif self._queue.length(address) < self.limits.max_waiting_per_address:
            self.counters.waited += 1
            self._queue.append(call)
        else:
            self._loop.call_soon(self._overload, call)

    def _overload(self, call: UpstreamCall) -> None:
        if not call.is_over:
            self._fail(call, FailureKind.OVERLOADED, "too many calls wait for a connection")

    def _give_up_place(self, address: str) -> None:
        """A connection is gone or was never made; whoever waits first may make one."""
        call = self._queue.take(address)
        if call is not None:
            self._connect(call)
            return
        used = self._used[address] - 1
        if used:
            self._used[address] = used
        else:
            del self._used[address]

    def _connect(self, call: UpstreamCall) -> None:
        """Make a connection; its place is taken already."""
        task = call.connecting = self._loop.create_task(self._open_and_send(call))
        self._connecting.add(task)
        task.add_done_callback(functools.partial(self._connecting_ended, call))

    def _connecting_ended(self, call: UpstreamCall, task: "asyncio.Task[bool]") -> None:
        self._connecting.discard(task)
        if task.cancelled():
            if not call.is_over:  # the client closes; a call that was cancelled hears nothing
                self._fail(call, FailureKind.CUT, "the client was closed")
            self._give_up_place(call.address)
        elif not task.result():
            self._give_up_place(call.address)

    async def _open_and_send(self, call: UpstreamCall) -> bool:
        """Return whether there is a connection now."""
        try:
            connection = await self._open(call)
        except TimeoutError:
            seconds = f"{call.timeouts.connect_s:g}"
            self._fail(call, FailureKind.CONNECT_TIMEOUT, f"no connection in {seconds} s")
        except NotPublic:
            detail = "the host is not on the public internet"
            self._fail(call, FailureKind.FORBIDDEN_ADDRESS, detail)
        except (TlsFailed, StartupError) as error:
            self._fail(call, FailureKind.TLS, str(error))
        except OSError as error:
            self._fail(call, FailureKind.REFUSED, error.strerror or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the edge of a task: its call must hear of it
            _log.exception("connecting to %s failed", call.address)
            self._fail(call, FailureKind.REFUSED, type(error).__name__)
        else:
            self.counters.connections += 1
            self._open_connections.add(connection)
            self.sweep.add(connection)
            call.connecting = None
            connection.send(call)
            return True
        return False

    async def _open(self, call: UpstreamCall) -> UpstreamConnection:
        factory = functools.partial(UpstreamConnection, self, call.address)
        connect_s = call.timeouts.connect_s
        match self._parse(call.address):
            case UnixSocket(path):
                async with asyncio.timeout(connect_s):
                    _, connection = await self._loop.create_unix_connection(factory, path)
            case OwnHost(host, port):
                async with asyncio.timeout(connect_s):
                    _, connection = await self._loop.create_connection(factory, host, port)
            case RemoteHost() as remote:
                connection = await self._dialer.dial(remote, factory, connect_s)
        return connection

    def _fail(self, call: UpstreamCall, kind: FailureKind, detail: str) -> None:
        """Fail a call that was never sent, or is sent to nobody."""
        call.connecting = None
        self.failed(call, UpstreamFailure(kind, f"{call.address}: {detail}", nothing_received=True))
