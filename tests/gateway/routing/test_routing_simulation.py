"""The router over simulated time: a heap of ends of calls, a seeded chance, no clock."""

import heapq
import itertools
import random
from collections import Counter

import pytest
from routing_parts import a_router, a_target, an_ask, an_endpoint

from tradewind.gateway.routing.router import AttemptResult
from tradewind.snapshot.contents import Routing

DAY_S = 86_400


class Simulation:
    """Calls come at a rate; what a target does with each is the test's."""

    def __init__(self, endpoint, serve, seed=1):
        """`serve(replica, now, in_flight)` returns how long a call takes, or None for no
        connection.
        """
        self.router, self.endpoint, self.serve = a_router(), endpoint, serve
        self.chance = random.Random(seed)
        self.ends = []
        self.numbers = itertools.count()
        self.served = Counter()
        self.sent = Counter()
        self.whys = Counter()
        self.failed = 0

    def run(self, start, end, calls_per_s, affinity=None):
        now = start
        while now < end:
            now += self.chance.expovariate(calls_per_s)
            self.call(now, b"" if affinity is None else affinity())
        return self

    def call(self, now, affinity=b""):
        self._let_end(now)
        plan = self.router.plan(self.endpoint, an_ask(affinity=affinity), now)
        after = ""
        while (choice := plan.next(now, after)) is not None:
            target = choice.target
            replica = target.replica_id
            self.sent[replica] += 1
            busy = self.router._seen.in_flight.get(replica, 0)
            self.router.started(target, now)
            seconds = self.serve(replica, now, busy)
            if seconds is not None:
                self.served[replica] += 1
                self.whys[choice.why] += 1
                heapq.heappush(self.ends, (now + seconds, next(self.numbers), now, target))
                return replica
            self.router.ended(target, AttemptResult.UNREACHABLE, now, started=now)
            after = "upstream_unreachable"
        self.failed += 1
        return None

    def _let_end(self, now):
        while self.ends and self.ends[0][0] <= now:
            at, _, started, target = heapq.heappop(self.ends)
            self.router.answering(target, at, started)
            self.router.ended(target, AttemptResult.OK, at, started=started, output_tokens=20)


def shares(counter):
    total = sum(counter.values())
    return {replica: number / total for replica, number in counter.items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_of_three_dies_and_returns(seed):
    targets = [a_target("a", weight=2), a_target("b"), a_target("c")]
    down = {"b": (100.0, 400.0)}

    def serve(replica, now, _):
        start, end = down.get(replica, (0.0, 0.0))
        return None if start <= now < end else 0.2

    simulation = Simulation(an_endpoint(*targets), serve, seed)

    simulation.run(0.0, 100.0, 20)
    before = shares(simulation.served)
    assert before["a"] == pytest.approx(0.5, abs=0.06)
    assert before["b"] == pytest.approx(0.25, abs=0.06)

    simulation.served.clear()
    simulation.sent.clear()
    simulation.run(100.0, 400.0, 20)
    # Doubling from 2 s to a minute: 2, 4, 8, 16, 32, 60, 60, 60.
    assert simulation.served["b"] == 0
    assert simulation.sent["b"] <= 12
    assert shares(simulation.served)["a"] == pytest.approx(2 / 3, abs=0.06)

    simulation.run(400.0, 465.0, 20)  # at most one rest of a minute later it is found well
    simulation.served.clear()
    simulation.run(465.0, 565.0, 20)
    assert shares(simulation.served)["b"] == pytest.approx(0.25, abs=0.06)
    assert simulation.failed == 0


def test_d23_affinity_does_not_pin_a_dead_target_for_a_day():
    targets = [a_target("a"), a_target("b"), a_target("c")]
    conversation = b"one"
    dead = Simulation(an_endpoint(*targets), lambda *_: 0.1).call(0.0, conversation)

    def serve(replica, now, _):
        return None if replica == dead and now < DAY_S else 0.1

    simulation = Simulation(an_endpoint(*targets), serve)
    for second in range(0, DAY_S, 5):
        simulation.call(float(second), conversation)
    assert simulation.failed == 0
    assert simulation.served[dead] == 0
    # One call a minute finds out whether it is back, and is answered by another.
    assert simulation.sent[dead] <= DAY_S / 60 + 6
    # All others stay together, with one of those that are left.
    assert max(simulation.served.values()) == sum(simulation.served.values())

    back = [simulation.call(float(DAY_S + second), conversation) for second in range(0, 120, 5)]
    assert back[-1] == dead


def test_own_capacity_first_then_a_provider_then_own_again():
    own = [a_target("own1", slots=4), a_target("own2", slots=4)]
    paid = a_target("paid", tier=1, slots=1000, host="openai")
    endpoint = an_endpoint(*own, paid, routing=Routing(queue_bound=1))

    def serve(replica, _, busy):
        # An engine works on four calls at once and the others wait.
        return 1.0 if replica == "paid" else 1.0 * (1 + busy // 4)

    simulation = Simulation(endpoint, serve).run(0.0, 60.0, 3)
    assert simulation.served["paid"] == 0

    simulation.run(60.0, 180.0, 40)
    crowded = simulation.served.copy()
    assert crowded["paid"] > 2000
    # Own capacity is kept at work meanwhile, and no queue grows beyond its bound.
    assert crowded["own1"] + crowded["own2"] > 500
    assert simulation.router.counters.spilled_queue == crowded["paid"]

    simulation.run(180.0, 190.0, 3)
    simulation.served.clear()
    simulation.run(190.0, 250.0, 3)
    assert simulation.served["paid"] == 0
    assert simulation.failed == 0


def test_a_steady_crowd_does_not_flap_between_tiers():
    endpoint = an_endpoint(
        a_target("own", slots=16),
        a_target("paid", tier=1, slots=1000),
        routing=Routing(queue_bound=1),
    )
    simulation = Simulation(endpoint, lambda *_: 1.0)
    tiers = [simulation.call(number / 50) for number in range(6000)]
    changes = sum(one != other for one, other in itertools.pairwise(tiers))
    # 50 calls a second of one second each, 32 at most at the own ones: a change each time they
    # have drained or filled up, not one a call.
    assert 2 <= changes < 300


def test_conversations_stay_where_their_prefix_is_while_load_stays_even():
    targets = [a_target(str(place)) for place in range(4)]
    simulation = Simulation(an_endpoint(*targets), lambda *_: 0.5)
    homes = {}
    moved = 0
    for number in range(8000):
        talk = simulation.chance.randrange(200)
        replica = simulation.call(number / 100, talk.to_bytes(2, "big"))
        moved += homes.setdefault(talk, replica) != replica
        homes[talk] = replica
    assert moved < 0.35 * 8000
    assert max(shares(simulation.served).values()) < 0.33
