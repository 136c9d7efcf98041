"""Deadlines by looking now and then."""

import pytest
from http_parts import HandLoop

from tradewind.gateway.http.sweep import NEVER, Sweep


class _Member:
    def __init__(self, deadline, *, fails=False):
        self.deadline = deadline
        self.fails = fails
        self.expiries = 0

    def expired(self):
        self.expiries += 1
        if self.fails:
            raise ValueError("a bug")


@pytest.mark.parametrize("asked_at", [0.0, 0.1, 0.49])
def test_a_deadline_passes_at_most_two_periods_late_and_never_early(asked_at):
    loop = HandLoop()
    sweep = Sweep(loop, 0.5)
    member = _Member(NEVER)
    sweep.add(member)
    loop.advance(asked_at)
    member.deadline = sweep.deadline_after(2.0)
    loop.advance(1.99)
    assert member.expiries == 0
    loop.advance(1.02)
    assert member.expiries == 1
    loop.advance(10.0)
    assert member.expiries == 1, "a deadline passes once"


def test_a_deadline_asked_for_after_a_long_pause_is_not_early():
    loop = HandLoop()
    sweep = Sweep(loop, 0.5)
    loop.advance(1000.0)
    assert sweep.deadline_after(2.0) >= loop.time() + 2.0


def test_a_sweep_without_members_sleeps_and_wakes():
    loop = HandLoop()
    sweep = Sweep(loop, 0.5)
    member = _Member(NEVER)
    sweep.add(member)
    sweep.remove(member)
    loop.advance(1.0)
    assert not loop.has_timers
    sweep.add(member)
    member.deadline = sweep.deadline_after(0.0)
    loop.advance(1.0)
    assert member.expiries == 1
    sweep.stop()
    assert not loop.has_timers


def test_a_member_that_raises_does_not_end_the_sweep():
    loop = HandLoop()
    sweep = Sweep(loop, 0.5)
    bad, good = _Member(0.0, fails=True), _Member(0.0)
    sweep.add(bad)
    with pytest.raises(ValueError, match="a bug"):
        loop.advance(0.5)
    sweep.add(good)
    loop.advance(0.5)
    assert (bad.expiries, good.expiries) == (1, 1)
