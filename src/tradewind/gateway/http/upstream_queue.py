"""Calls that wait for a connection because their address has as many as it may have."""

from collections import deque
from typing import Protocol

from tradewind.gateway.http.sweep import Sweep
from tradewind.gateway.http.upstream_call import UpstreamCall


class QueueOwner(Protocol):
    """The client, as the queue needs it."""

    sweep: Sweep

    def waited_too_long(self, call: UpstreamCall) -> None:
        """The call's whole time passed in the queue, which it has left."""
        ...


class _Waiting:
    """What carries a call while it waits: it can be cancelled, and its time can pass."""

    __slots__ = ("_queue", "call", "deadline")

    def __init__(self, queue: "UpstreamQueue", call: UpstreamCall) -> None:
        self._queue = queue
        self.call = call
        self.deadline = call.total_deadline

    def cancel(self) -> None:
        self._queue.remove(self)

    def pause(self) -> None:
        """Nothing is read yet; the connection asks the call when it gets it."""

    def resume(self) -> None:
        """As pause."""

    def expired(self) -> None:
        if self.call.carrier is self:  # else it left in this very look of the sweep
            self._queue.remove(self)
            self._queue.owner.waited_too_long(self.call)


class UpstreamQueue:
    """First come, first served, for each address on its own."""

    def __init__(self, owner: QueueOwner) -> None:
        self.owner = owner
        self.count = 0
        """Of all addresses together. While it is 0 nothing else here need be asked."""
        self._lines: dict[str, deque[_Waiting]] = {}

    def length(self, address: str) -> int:
        return len(self._lines.get(address, ()))

    def append(self, call: UpstreamCall) -> None:
        self._line(call.address).append(self._enter(call))

    def append_first(self, call: UpstreamCall) -> None:
        """For a call that had its turn once and lost it through no fault of its own."""
        self._line(call.address).appendleft(self._enter(call))

    def take(self, address: str) -> UpstreamCall | None:
        """Take out whose turn it is."""
        line = self._lines.get(address)
        if line is None:
            return None
        waiting = line[0]
        self.remove(waiting)
        return waiting.call

    def remove(self, waiting: _Waiting) -> None:
        """Costs as much as there are calls in front of it."""
        call = waiting.call
        line = self._lines[call.address]
        line.remove(waiting)
        if not line:
            del self._lines[call.address]
        self.count -= 1
        call.carrier = None
        self.owner.sweep.remove(waiting)

    def take_all(self) -> list[UpstreamCall]:
        calls: list[UpstreamCall] = []
        for address in tuple(self._lines):
            while (call := self.take(address)) is not None:
                calls.append(call)
        return calls

    def _enter(self, call: UpstreamCall) -> _Waiting:
        waiting = _Waiting(self, call)
        call.carrier = waiting
        self.count += 1
        self.owner.sweep.add(waiting)
        return waiting

    def _line(self, address: str) -> deque[_Waiting]:
        return self._lines.setdefault(address, deque())
