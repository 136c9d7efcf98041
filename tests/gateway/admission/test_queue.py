"""Calls that would rather wait than be refused."""

import pytest
from admission_parts import PROJECT, Gateway, terms_of

from tradewind.snapshot.contents import Grant, Limits


def test_for_a_rate_a_call_runs_when_its_place_has_come():
    gateway = Gateway(limits=Limits(60))
    for _ in range(60):
        gateway.ask()
    waiting = [gateway.ask(queue_s=10) for _ in range(3)]
    assert all(each.is_waiting for each in waiting)
    assert gateway.admissions.waiting == 3
    for number in range(3):
        gateway.loop.turn(0.9)
        assert [each.is_admitted for each in waiting].count(True) == number
        gateway.loop.turn(0.1)
        assert [each.is_admitted for each in waiting] == [place <= number for place in range(3)]
    assert gateway.admissions.waiting == 0


def test_who_would_have_to_wait_longer_than_it_would_is_refused_at_once():
    gateway = Gateway(limits=Limits(60))
    for _ in range(60):
        gateway.ask()
    assert gateway.ask(queue_s=0.5).error.status == 429
    assert gateway.ask(queue_s=1.5).is_waiting


def test_who_does_not_wait_is_told_of_those_who_do():
    gateway = Gateway(limits=Limits(60))
    for _ in range(60):
        gateway.ask()
    for _ in range(5):
        assert gateway.ask(queue_s=30).is_waiting
    error = gateway.ask().error
    assert b"retry-after-ms: 6000\r\n" in error.headers
    gateway.loop.turn(6.0)
    assert gateway.ask().is_admitted


def test_a_cancelled_wait_for_a_rate_gives_its_place_back():
    gateway = Gateway(limits=Limits(60, 6000))
    for _ in range(60):
        gateway.ask()
    told = gateway.ask(queue_s=30, read=600)
    told.waiting.cancel()
    gateway.loop.turn(1.0)
    assert told.is_waiting, "it is told nothing any more"
    assert gateway.ask(read=6000).is_admitted
    assert gateway.admissions.waiting == 0


def test_before_a_full_limit_calls_stand_in_line_and_nobody_overtakes():
    gateway = Gateway(limits=Limits(concurrent_requests=1))
    running = gateway.ask()
    line = [gateway.ask(queue_s=60) for _ in range(5)]
    assert not gateway.ask().is_admitted
    for place in range(5):
        assert [each.is_admitted for each in line] == [n < place for n in range(5)]
        gateway.settle(running)
        running = line[place]
    assert running.is_admitted
    assert not gateway.ask().is_admitted
    gateway.settle(running)
    assert gateway.ask().is_admitted


def test_between_a_release_and_the_next_turn_a_newcomer_does_not_slip_in():
    gateway = Gateway(limits=Limits(concurrent_requests=1))
    running = gateway.ask()
    first = gateway.ask(queue_s=60)
    running.admission.settle(0, 0, gateway.loop.time)
    assert not gateway.ask().is_admitted
    later = gateway.ask(queue_s=60)
    gateway.loop.settle()
    assert first.is_admitted
    assert later.is_waiting


def test_one_keys_line_does_not_stop_its_projects_other_keys():
    gateway = Gateway(
        limits=Limits(concurrent_requests=1),
        terms=[terms_of(PROJECT, limits=Limits(concurrent_requests=2))],
    )
    other = Grant("key_2", b"", gateway.grant.organization_id, PROJECT)
    first = gateway.ask()
    behind = gateway.ask(queue_s=60)
    assert gateway.ask(grant=other).is_admitted
    gateway.settle(first)
    assert behind.is_admitted


def test_who_is_let_in_by_one_limit_keeps_its_age_at_the_next():
    gateway = Gateway(
        limits=Limits(concurrent_requests=1),
        terms=[terms_of(PROJECT, limits=Limits(concurrent_requests=2))],
    )
    other = Grant("key_2", b"", gateway.grant.organization_id, PROJECT)
    mine, theirs = gateway.ask(), gateway.ask(grant=other)
    oldest = gateway.ask(queue_s=60)
    younger = gateway.ask(grant=other, queue_s=60)
    gateway.settle(mine)
    assert oldest.is_admitted
    assert younger.is_waiting
    gateway.settle(theirs)
    assert younger.is_admitted


def test_when_its_time_is_over_a_call_in_line_is_refused():
    gateway = Gateway(limits=Limits(concurrent_requests=1))
    gateway.ask()
    told = gateway.ask(queue_s=5)
    gateway.loop.turn(4.9)
    assert told.is_waiting
    gateway.loop.turn(0.2)
    assert told.error.status == 429
    assert gateway.admissions.waiting == 0


def test_a_call_that_left_the_line_does_not_hold_it_up():
    gateway = Gateway(limits=Limits(concurrent_requests=1))
    running = gateway.ask()
    gone, stays = gateway.ask(queue_s=60), gateway.ask(queue_s=60)
    gone.waiting.cancel()
    gateway.settle(running)
    assert stays.is_admitted
    assert gone.is_waiting


def test_a_call_waits_for_its_rate_and_then_in_line():
    gateway = Gateway(limits=Limits(60, None, 60))
    running = [gateway.ask() for _ in range(60)]
    told = gateway.ask(queue_s=30)
    gateway.loop.turn(1.1)
    assert told.is_waiting
    gateway.settle(running[0])
    gateway.loop.turn(0.1)
    assert told.is_waiting or told.is_admitted
    gateway.loop.turn(2.0)
    assert told.is_admitted


def test_a_chain_of_calls_that_fail_at_once_does_not_exhaust_the_stack():
    """An admitted call may settle within its callback, and so let the next one in."""
    gateway = Gateway(limits=Limits(concurrent_requests=1))
    running = gateway.ask()
    done = []

    def fail(admission):
        done.append(admission)
        admission.settle(0, 0, gateway.loop.time)

    for _ in range(5000):
        gateway.ask(queue_s=60, admitted=fail)
    gateway.settle(running)
    assert len(done) == 5000


def test_the_number_of_those_who_wait_is_bounded():
    gateway = Gateway(limits=Limits(concurrent_requests=1), most_waiting=3)
    running = gateway.ask()
    line = [gateway.ask(queue_s=60) for _ in range(3)]
    assert gateway.ask(queue_s=60).error.status == 429
    gateway.settle(running)
    assert line[0].is_admitted
    assert gateway.ask(queue_s=60).is_waiting


@pytest.mark.parametrize("limits", [Limits(60), Limits(concurrent_requests=3)])
def test_everyone_in_line_gets_in_in_order(limits):
    gateway = Gateway(limits=limits)
    order = []
    told = [gateway.ask(queue_s=300) for _ in range(200)]
    for _ in range(200 * 20):
        for number, each in enumerate(told):
            if each.is_admitted and number not in order:
                order.append(number)
                each.admission.settle(0, 0, gateway.loop.time)
        gateway.loop.turn(0.5)
        if len(order) == 200:
            break
    assert order == list(range(200))
