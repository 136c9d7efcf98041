"""One call on its way in, when that is not decided at once: limits first, then budgets.

For a rate it takes its place in the future and goes on when that has come. Before a full limit of
concurrent calls it stands in line. For its budgets it waits as long as `budgets` says. Whatever it
took on the way is given back when it is refused or its caller goes.
"""

from collections.abc import Callable
from typing import NamedTuple

from tradewind.gateway.admission.base import Waiting
from tradewind.gateway.admission.budgets import Holding
from tradewind.gateway.admission.chain import Limit
from tradewind.gateway.admission.queue import Lines
from tradewind.gateway.admission.store import (
    Counted,
    CountedElsewhere,
    Refusal,
    StopAsking,
)
from tradewind.gateway.admission.timers import Timer, Timers
from tradewind.wire.errors import ApiError

# Nobody knows how long a line takes; told to those who would not stand in it.
_LINE_S = 1.0

Seek = Callable[[Callable[[Holding | None], None], Callable[[ApiError], None]], Waiting | None]
"""Asks the budgets, as `Budgets.seek` does."""


class Way(NamedTuple):
    """What a call has to pass."""

    chain: CountedElsewhere
    limits: tuple[Limit, ...]
    """Those of concurrent calls."""
    tokens: int
    queue_s: float
    seek: Seek | None
    """None is no budget."""


class Applicant:
    """Tells exactly one of its callbacks, unless it is cancelled."""

    __slots__ = (
        "_admitted",
        "_clock",
        "_counted",
        "_deadline",
        "_deadline_timer",
        "_has_entered",
        "_has_taken",
        "_is_asking",
        "_is_counted",
        "_lines",
        "_refused",
        "_stop_asking",
        "_timers",
        "_turn_timer",
        "_waiting",
        "_way",
        "is_ended",
        "stands_before",
        "ticket",
    )

    def __init__(
        self,
        way: Way,
        lines: Lines,
        timers: Timers,
        *,
        clock: Callable[[], float],
        admitted: Callable[[Counted, Holding | None], None],
        refused: Callable[[Refusal | ApiError, Counted | None], None],
    ) -> None:
        self.ticket = lines.new_ticket()
        self.is_ended = False
        self.stands_before: Limit | None = None
        self._way = way
        self._lines = lines
        self._timers = timers
        self._clock = clock
        self._admitted = admitted
        self._refused = refused
        self._deadline = clock() + way.queue_s
        self._counted: Counted | None = None
        self._has_taken = self._has_entered = self._is_counted = self._is_asking = False
        self._stop_asking: StopAsking | None = None
        self._turn_timer: Timer | None = None
        self._deadline_timer: Timer | None = None
        self._waiting: Waiting | None = None

    def start(self) -> None:
        """Try to get in, behind those who came before."""
        full = self._lines.first_of(self._way.limits)
        if full is None:
            self._take()
        else:
            self._stand_in_line(Refusal(full, _LINE_S, full))

    def try_again(self) -> bool:
        """There may be room at the limit it stands before; see StandsInLine."""
        if self._is_asking:
            return False
        limit = self.stands_before
        if self._has_taken:
            self._enter()
        else:
            self._take()
        return not self._is_asking and self.stands_before != limit

    def cancel(self) -> None:
        """The caller has gone."""
        if not self.is_ended:
            self._end()
            self._give_back()

    def _take(self) -> None:
        most_wait_s = 0.0 if self._has_no_room() else max(0.0, self._deadline - self._clock())
        self._is_asking = True
        stop = self._way.chain.take_later(self._way.tokens, most_wait_s, self._taken)
        if self._is_asking:
            self._stop_asking = stop

    def _taken(self, counted: Counted, verdict: float | Refusal) -> None:
        self._is_asking, self._stop_asking = False, None
        self._counted = counted
        if isinstance(verdict, Refusal):
            if verdict.full is None:
                self._refuse(verdict)
            else:
                self._stand_in_line(verdict)
            return
        self._has_taken = True
        if verdict:
            self._leave_line()
            self._count()
            self._turn_timer = self._timers.call_later(verdict, self._enter)
        else:
            self._entered(None)

    def _enter(self) -> None:
        """Its moment has come, as far as the rates go."""
        self._turn_timer = None
        if not self._way.limits:
            self._entered(None)
            return
        assert self._counted is not None
        self._is_asking = True
        stop = self._way.chain.enter_later(self._counted, self._entered)
        if self._is_asking:
            self._stop_asking = stop

    def _entered(self, full: Limit | None) -> None:
        self._is_asking, self._stop_asking = False, None
        if full is not None:
            self._stand_in_line(Refusal(full, _LINE_S, full))
            return
        self._leave_line()
        self._has_entered = True
        if self._way.seek is None:
            self._admit(None)
            return
        waiting = self._way.seek(self._admit, self._refuse)
        if not self.is_ended:
            self._waiting = waiting

    def _stand_in_line(self, refusal: Refusal) -> None:
        full = refusal.full
        assert full is not None
        if self.stands_before == full:
            return
        self._leave_line()
        left_s = self._deadline - self._clock()
        if left_s <= 0 or self._has_no_room():
            self._refuse(refusal)
            return
        self._count()
        self._lines.join(full, self)
        if self._deadline_timer is None:
            self._deadline_timer = self._timers.call_later(left_s, self._time_is_over)

    def _time_is_over(self) -> None:
        limit = self.stands_before
        if limit is not None:
            self._refuse(Refusal(limit, _LINE_S, limit))

    def _has_no_room(self) -> bool:
        return not self._is_counted and self._lines.is_full

    def _count(self) -> None:
        if not self._is_counted:
            self._is_counted = True
            self._lines.waiting += 1

    def _leave_line(self) -> None:
        if self.stands_before is not None:
            self._lines.leave(self)

    def _admit(self, holding: Holding | None) -> None:
        counted = self._counted
        assert counted is not None
        self._end()
        self._admitted(counted, holding)

    def _refuse(self, why: Refusal | ApiError) -> None:
        self._end()
        self._give_back()
        self._refused(why, self._counted)

    def _end(self) -> None:
        assert not self.is_ended
        self.is_ended = True
        self._leave_line()
        if self._is_counted:
            self._lines.waiting -= 1
        for timer in (self._turn_timer, self._deadline_timer):
            if timer is not None:
                timer.cancel()
        stop, self._stop_asking = self._stop_asking, None
        if stop is not None:
            stop()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()

    def _give_back(self) -> None:
        if self._has_taken and self._counted is not None:
            self._counted.give_back(self._way.tokens, self._clock(), has_entered=self._has_entered)
            if self._has_entered:
                self._lines.freed(self._way.limits)
