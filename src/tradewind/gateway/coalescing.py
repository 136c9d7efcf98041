"""Events of streams that are ready within a few milliseconds leave as one write.

Most of what a stream costs is not its events but their reads and writes: each is a system call, a
packet, a process that wakes. So after a piece was passed on, its upstream is not read for as long
as a setting says; what comes meanwhile waits in the socket, and is one read and one write. Nothing
is held here, nothing is encoded again, and the first piece of an answer never waits.
"""

import asyncio
from typing import Protocol


class Streaming(Protocol):
    """An answer whose upstream is not read at the moment."""

    def read_on(self) -> None: ...


class Coalescer:
    """One for a gateway process. One timer serves all answers: waiting costs them an append."""

    __slots__ = ("_loop", "_wait_s", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, wait_s: float) -> None:
        """`wait_s` is the longest that a piece waits, more than 0."""
        self._loop = loop
        self._wait_s = wait_s
        self._waiting: list[Streaming] = []

    def wait(self, answer: Streaming) -> None:
        """Have an answer read on in time. Called once for each time its upstream is paused."""
        if not self._waiting:
            self._loop.call_later(self._wait_s, self._read_on)
        self._waiting.append(answer)

    def _read_on(self) -> None:
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.read_on()
