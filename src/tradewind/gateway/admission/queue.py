"""The lines before full limits of concurrent calls.

Whoever comes later does not overtake at the limit it waits for. Lines are bounded, and so is the
time in them: every call in one has said how long it would wait.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

from tradewind.gateway.admission.chain import Limit
from tradewind.gateway.admission.timers import Timers

MOST_WAITING = 10_000
"""Calls that wait in one gateway."""
_POLL_S = 0.02
"""How often a line looks whether another process has made room."""


class StandsInLine(Protocol):
    ticket: int
    """The order of coming, over all lines."""
    stands_before: Limit | None

    def try_again(self) -> bool:
        """Try to get in. False when the same limit is still in the way, or nobody knows yet."""
        ...


class Lines:
    """All lines of one gateway, and how many calls wait at all."""

    def __init__(
        self, timers: Timers, *, is_shared: bool, most_waiting: int = MOST_WAITING
    ) -> None:
        """`is_shared` is that other processes make room too, which nobody tells."""
        self._timers = timers
        self._is_shared = is_shared
        self._most_waiting = most_waiting
        self._lines: dict[Limit, OrderedDict[int, StandsInLine]] = {}
        self._freed: dict[Limit, None] = {}
        self._is_moving_soon = self._is_polling = False
        self._next_ticket = 0
        self.waiting = 0
        """Calls in lines or waiting for their moment; counted by themselves."""

    @property
    def is_full(self) -> bool:
        return self.waiting >= self._most_waiting

    def new_ticket(self) -> int:
        self._next_ticket += 1
        return self._next_ticket

    def first_of(self, limits: Iterable[Limit]) -> Limit | None:
        """Return one of these limits that others stand before already."""
        if self._lines:
            for limit in limits:
                if limit in self._lines:
                    return limit
        return None

    def join(self, limit: Limit, who: StandsInLine) -> None:
        who.stands_before = limit
        line = self._lines.get(limit)
        if line is None:
            line = self._lines[limit] = OrderedDict()
        is_late = bool(line) and next(reversed(line)) > who.ticket
        line[who.ticket] = who
        if is_late:
            # It comes from another line, where it has stood longer than some have here.
            self._lines[limit] = OrderedDict(sorted(line.items()))
        if self._is_shared and not self._is_polling:
            self._is_polling = True
            self._timers.call_later(_POLL_S, self._poll)

    def leave(self, who: StandsInLine) -> None:
        limit, who.stands_before = who.stands_before, None
        if limit is not None:
            line = self._lines[limit]
            del line[who.ticket]
            if not line:
                del self._lines[limit]

    def freed(self, limits: Iterable[Limit]) -> None:
        """A call has ended: let the first in these lines try again, soon.

        Not at once: a call that is admitted may fail at once and so free the next, without an end.
        """
        if self._lines:
            for limit in limits:
                if limit in self._lines:
                    self._freed[limit] = None
            if self._freed and not self._is_moving_soon:
                self._is_moving_soon = True
                self._timers.call_soon(self._move)

    def _move(self) -> None:
        self._is_moving_soon = False
        freed, self._freed = self._freed, {}
        for limit in freed:
            self._move_line(limit)

    def _poll(self) -> None:
        self._is_polling = False
        if self._lines:
            self._is_polling = True
            self._timers.call_later(_POLL_S, self._poll)
            for limit in list(self._lines):
                self._move_line(limit)

    def _move_line(self, limit: Limit) -> None:
        """Let those in front in, until one is stopped by this limit."""
        while limit in self._lines:
            first = next(iter(self._lines[limit].values()))
            if not first.try_again():
                return
