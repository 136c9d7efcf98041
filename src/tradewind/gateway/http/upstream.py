"""The keep-alive client for upstreams: a pool of connections per address.

One call, one connection: nothing is pipelined. The most recently used connection is taken first, so
that the rest grow old and are closed. An upstream may close an idle connection at the moment a call
is sent on it; such a call is sent once more on a fresh connection, and only then.
"""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.limits import UpstreamLimits, UpstreamTimeouts
from tradewind.gateway.http.sweep import Sweep
from tradewind.gateway.http.upstream_call import (
    FailureKind,
    Receiver,
    UpstreamCall,
    UpstreamFailure,
)
from tradewind.gateway.http.upstream_connection import UpstreamConnection

__all__ = [
    "FailureKind",
    "Receiver",
    "UpstreamCall",
    "UpstreamClient",
    "UpstreamCounters",
    "UpstreamFailure",
    "UpstreamLimits",
    "UpstreamTimeouts",
]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class UpstreamCounters:
    """Plain integers that only grow, for /metrics."""

    calls: int = 0
    connections: int = 0
    stale_retries: int = 0
    refused: int = 0
    connect_timeout: int = 0
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
    ) -> None:
        self._loop = loop
        self.batch = batch
        self.limits = limits
        self.sweep = Sweep(loop, sweep_period_s)
        self.counters = UpstreamCounters()
        self._idle: dict[str, list[UpstreamConnection]] = {}
        self._idle_count = 0
        self._open: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
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

        `address` is `host:port`, `[ipv6]:port` or the absolute path of a unix socket; ValueError
        when it is none of them. `head` is complete, with the blank line: nothing is added here.
        """
        assert not self._is_closed, "the client was closed"
        self.counters.calls += 1
        call = UpstreamCall(address, head, body, receiver, timeouts)
        call.total_deadline = self.sweep.deadline_after(timeouts.total_s)
        idle = self._idle.get(address)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.is_usable():
                connection.send(call)
                return call
        self._connect(call)
        return call

    async def close(self) -> None:
        """Cut what is under way (its receivers are told) and close every connection."""
        self._is_closed = True
        for task in tuple(self._connecting):
            task.cancel()
        if self._connecting:
            await asyncio.gather(*self._connecting, return_exceptions=True)
        for connection in tuple(self._open):
            connection.fail(FailureKind.CUT, "the client was closed")
        self.sweep.stop()
        await asyncio.sleep(0)  # the transports close in the next turn

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        return self._idle_count

    # What a connection tells (see `Pool`).

    def take_back(self, connection: UpstreamConnection) -> None:
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
        if connection not in self._open:
            return
        self._open.discard(connection)
        self.sweep.remove(connection)
        idle = self._idle.get(connection.address)
        if idle is not None:
            if connection in idle:
                idle.remove(connection)
                self._idle_count -= 1
            if not idle:
                del self._idle[connection.address]

    def send_again(self, call: UpstreamCall) -> None:
        self.counters.stale_retries += 1
        call.carrier = None
        if self._is_closed:
            detail = f"{call.address}: the client was closed"
            self.failed(call, UpstreamFailure(FailureKind.CUT, detail, nothing_received=True))
        else:
            self._connect(call)

    def failed(self, call: UpstreamCall, failure: UpstreamFailure) -> None:
        counters = self.counters
        setattr(counters, failure.kind, getattr(counters, failure.kind) + 1)
        call.is_over = True
        call.carrier = None
        try:
            call.receiver.response_failed(failure)
        except Exception:  # noqa: BLE001 - the edge of the process, as in UpstreamConnection
            _log.exception("the receiver failed on the failure of a call")

    # Connecting: rare enough for a task.

    def _connect(self, call: UpstreamCall) -> None:
        _parse(call.address)  # a malformed address is the caller's bug, told where it happened
        task = call.connecting = self._loop.create_task(self._open_and_send(call))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _open_and_send(self, call: UpstreamCall) -> None:
        host, port = _parse(call.address)
        factory = partial(UpstreamConnection, self, call.address)
        try:
            async with asyncio.timeout(call.timeouts.connect_s):
                if host:
                    _, connection = await self._loop.create_connection(factory, host, port)
                else:
                    _, connection = await self._loop.create_unix_connection(factory, call.address)
        except TimeoutError:
            detail = f"{call.address}: no connection in {call.timeouts.connect_s:g} s"
            kind = FailureKind.CONNECT_TIMEOUT
            self.failed(call, UpstreamFailure(kind, detail, nothing_received=True))
        except asyncio.CancelledError:
            if not call.is_over:  # the client closes; a call that was cancelled hears nothing
                detail = f"{call.address}: the client was closed"
                self.failed(call, UpstreamFailure(FailureKind.CUT, detail, nothing_received=True))
            raise
        except OSError as error:
            detail = f"{call.address}: {error.strerror or type(error).__name__}"
            failure = UpstreamFailure(FailureKind.REFUSED, detail, nothing_received=True)
            self.failed(call, failure)
        else:
            self.counters.connections += 1
            self._open.add(connection)
            self.sweep.add(connection)
            call.connecting = None
            connection.send(call)


def _parse(address: str) -> tuple[str, int]:
    """Return host and port, or ("", 0) for the path of a unix socket."""
    if address.startswith("/"):
        return "", 0
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{address!r} is not host:port, [ipv6]:port or an absolute path")
    return host.removeprefix("[").removesuffix("]"), int(port)
