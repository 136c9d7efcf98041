"""Writes of one loop turn, flushed together at its end.

Writing at once wakes the sleeping peer for every answer: 36.5 us of CPU a request against 24.6 with
the writes of a turn collected. The same point in time is where the usage journal writes its frames,
so one flush is also one file write for all requests of the turn.
"""

import asyncio
import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)

MAX_JOINED_BYTES = 256 * 1024
"""Beyond this a turn is flushed before its end. uvloop reads up to 2 MB in one turn, and a slow
client can only hold its upstream back once it was written to."""


class WriteBatch:
    """One per event loop. Order: `before_flush`, then the bytes, then what waits for them."""

    __slots__ = (
        "_after",
        "_before_flush",
        "_is_flushing",
        "_is_scheduled",
        "_joined_bytes",
        "_loop",
        "_pending",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, before_flush: Callable[[], None] | None = None
    ) -> None:
        self._loop = loop
        self._before_flush = before_flush
        self._pending: dict[asyncio.WriteTransport, bytes | list[bytes]] = {}
        self._after: list[Callable[[], None]] = []
        self._is_scheduled = False
        self._is_flushing = False
        self._joined_bytes = 0

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        if not self._is_scheduled:
            self.schedule()
        pending = self._pending
        held = pending.get(transport)
        if held is None:
            pending[transport] = data
            return
        if isinstance(held, list):
            held.append(data)
        else:
            pending[transport] = [held, data]
        self._joined_bytes += len(data)
        if self._joined_bytes > MAX_JOINED_BYTES and not self._is_flushing:
            self.flush_now()

    def after_flush(self, callback: Callable[[], None]) -> None:
        """Call once the bytes written so far are with their transports: to close one, say."""
        if not self._is_scheduled:
            self.schedule()
        self._after.append(callback)

    def schedule(self) -> None:
        """Have a flush at the end of this turn, even if nothing is written in it."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self.flush_now)

    def flush_now(self) -> None:
        # Writing may call back (pause_writing), and the callee may write again: that goes into
        # the next flush, so everything is taken out first.
        pending, self._pending = self._pending, {}
        after = self._after
        if after:
            self._after = []
        self._is_scheduled = False
        self._joined_bytes = 0
        self._is_flushing = True
        try:
            self._flush(pending, after)
        finally:
            self._is_flushing = False

    def _flush(
        self,
        pending: dict[asyncio.WriteTransport, bytes | list[bytes]],
        after: list[Callable[[], None]],
    ) -> None:
        if self._before_flush is not None:
            try:
                self._before_flush()
            except BaseException:
                # The frames these bytes stand for are not in the journal: a client must rather
                # see a cut than an answer nobody can bill.
                for transport in pending:
                    transport.abort()
                _run(after)
                raise
        for transport, data in pending.items():
            if transport.is_closing():
                continue
            try:
                if isinstance(data, list):
                    transport.writelines(data)
                else:
                    transport.write(data)
            except RuntimeError:
                # A transport that refuses (its write side is shut) must not take the bytes of
                # all the others with it.
                _log.exception("a transport refused its bytes and was cut")
                transport.abort()
        if after:
            _run(after)


def _run(callbacks: list[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()
