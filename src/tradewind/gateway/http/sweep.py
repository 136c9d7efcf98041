"""Deadlines without a timer per request: one timer looks over all connections now and then.

Setting a deadline is one addition and one attribute; `loop.call_later` and its cancelling cost
several microseconds a request. The price is coarseness: a deadline passes up to two periods late
and never early.
"""

import asyncio
from typing import Protocol

NEVER = float("inf")


class Deadlined(Protocol):
    deadline: float
    """On the loop's clock; `NEVER` when nothing is awaited."""

    def expired(self) -> None:
        """The deadline passed. It was reset to NEVER before the call."""
        ...


class Sweep:
    """Looks over its members every `period_s`, and sleeps when there are none."""

    __slots__ = ("_loop", "_members", "_period_s", "_timer", "base", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop, period_s: float) -> None:
        self._loop = loop
        self._period_s = period_s
        self._members: set[Deadlined] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._set_now()

    def _set_now(self) -> None:
        self.now = self._loop.time()
        """The loop's clock at the last look."""
        self.base = self.now + self._period_s
        """A deadline of a member is this plus its seconds: the last look may be a period old, and
        adding one keeps the deadline from being early. Others ask `deadline_after`."""

    def deadline_after(self, seconds: float) -> float:
        if self._timer is None:  # nobody has looked for a while
            self._set_now()
        return self.base + seconds

    def add(self, member: Deadlined) -> None:
        if self._timer is None:
            self._set_now()
            self._timer = self._loop.call_later(self._period_s, self._look)
        self._members.add(member)

    def remove(self, member: Deadlined) -> None:
        self._members.discard(member)

    def stop(self) -> None:
        self._members.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if not self._members:
            self._timer = None
            return
        # Before looking: one member that raises must not end the sweep for all.
        self._timer = self._loop.call_later(self._period_s, self._look)
        self._set_now()
        now = self.now
        for member in tuple(self._members):
            if member.deadline <= now:
                member.deadline = NEVER
                member.expired()
