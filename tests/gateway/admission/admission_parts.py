"""Admission on a clock and a loop that tests turn by hand."""

import heapq
import itertools
from collections.abc import Callable
from typing import Any

import msgspec

from tradewind.features.budgets.rules import Balance, LeaseTotals, renew
from tradewind.gateway.admission.admissions import Admissions
from tradewind.gateway.admission.base import Ask
from tradewind.gateway.admission.budgets import Budgets
from tradewind.gateway.admission.local_store import LocalStore
from tradewind.gateway.backstage import BackstageAnswer
from tradewind.snapshot.contents import (
    Budget,
    Endpoint,
    Grant,
    Limits,
    Operation,
    Price,
    Snapshot,
    Terms,
)
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.leases import LeaseAnswer, LeaseGrant, LeaseRequest

# A running machine's monotonic clock: large enough for sums of floats to be rough.
START = 5_000_000.123
ORGANIZATION, PROJECT, MODEL = "org_a", "proj_a", "tw/small"
# A nano for each token of input, two for each of output.
PRICE = Price("price_1", "USD", 1_000_000, 2_000_000, 500_000)


class HandTurnedLoop:
    """Runs what is due when it is turned, in the order of an event loop."""

    def __init__(self):
        self.time = START
        self._timers = []
        self._soon = []
        self._numbers = itertools.count()

    def clock(self):
        return self.time

    def unix_ms(self):
        return 1_900_000_000_000 + int((self.time - START) * 1000)

    def call_soon(self, callback):
        handle = _Handle(callback)
        self._soon.append(handle)
        return handle

    def call_later(self, delay, callback):
        handle = _Handle(callback)
        heapq.heappush(self._timers, (self.time + delay, next(self._numbers), handle))
        return handle

    def settle(self):
        """Run what is due now, and what that makes due."""
        while True:
            soon, self._soon = self._soon, []
            while self._timers and self._timers[0][0] <= self.time:
                soon.append(heapq.heappop(self._timers)[2])
            if not soon:
                return
            for handle in soon:
                handle.run()

    def turn(self, seconds):
        """Let time pass."""
        until = self.time + seconds
        self.settle()
        while self._timers and self._timers[0][0] <= until:
            self.time = self._timers[0][0]
            self.settle()
        self.time = until
        self.settle()


class _Handle:
    def __init__(self, callback):
        self._callback = callback

    def cancel(self):
        self._callback = None

    def run(self):
        if self._callback is not None:
            self._callback()


class Bank:
    """A control plane that leases by the real rules, for any number of gateways."""

    def __init__(self, loop, **amounts):
        self._loop = loop
        self.balances = {budget: Balance(amount, 0, 0) for budget, amount in amounts.items()}
        self.leases = {}
        self.requests = []
        self.is_away = False
        self.held_back: list[Callable[[], None]] | None = None
        """A list here keeps the answers back until the test gives them."""

    def ask(self, method, path, body, answered):
        assert (method, path) == ("POST", "/leases")
        request = msgspec.json.decode(body, type=LeaseRequest)
        self.requests.append(request)
        if self.is_away:
            answer = BackstageAnswer(0, b"")
        else:
            grants = tuple(self._renew(request, ask) for ask in request.leases)
            answer = BackstageAnswer(200, msgspec.json.encode(LeaseAnswer(grants)))
        if self.held_back is not None:
            self.held_back.append(lambda: answered(answer))
        else:
            self._loop.call_soon(lambda: answered(answer))

    def release(self):
        """Give the answers that were kept back, and those that follow at once."""
        held, self.held_back = self.held_back, None
        for answer in held or ():
            answer()

    def _renew(self, request, ask):
        if ask.budget not in self.balances:
            return LeaseGrant(ask.budget, 0, None, 0, 0, 0, is_gone=True)
        key = (ask.budget, request.node)
        renewal = renew(
            self.balances[ask.budget],
            self.leases.get(key, LeaseTotals()),
            used=ask.used_nanos,
            needed=ask.needed_nanos,
            wanted=ask.wanted_nanos,
        )
        self.balances[ask.budget], self.leases[key] = renewal
        balance = renewal.balance
        assert balance.spent + balance.leased <= balance.amount
        return LeaseGrant(
            ask.budget,
            1_899_000_000_000,
            None,
            renewal.lease.granted,
            balance.left,
            balance.leased - renewal.lease.outstanding,
        )


class Gateway:
    """Admissions of one gateway, and what it told whom."""

    def __init__(self, *, loop=None, bank=None, node="gateway", most_waiting=10_000, **snapshot):
        self.loop = loop or HandTurnedLoop()
        self.bank = bank or Bank(self.loop)
        self.budgets = Budgets(
            self.bank,
            self.loop,
            node=node,
            boot=1,
            clock=self.loop.clock,
            unix_ms=self.loop.unix_ms,
        )
        self.publish(**snapshot)
        self.admissions = Admissions(
            lambda: self.view,
            self.loop,
            LocalStore(),
            budgets=self.budgets,
            most_waiting=most_waiting,
            clock=self.loop.clock,
        )

    def publish(self, *, limits=None, terms=(), budgets=(), endpoint=None, key_budgets=()):
        self.grant = Grant(
            "key_1", b"", ORGANIZATION, PROJECT, limits=limits or Limits(), budgets=key_budgets
        )
        self.endpoint = endpoint or endpoint_of()
        self.view = SnapshotView(
            Snapshot(1, 1, (self.grant,), (self.endpoint,), tuple(terms), tuple(budgets))
        )

    def ask(
        self, *, grant=None, endpoint=None, read=0, write: int | None = 0, admitted=None, **more
    ):
        """Ask for a call; the result says what became of it as time goes on. `admitted` is called
        with the admission, when it comes.
        """
        told = Told(admitted)
        ask = Ask(
            grant or self.grant,
            endpoint or self.endpoint,
            input_estimate=read,
            most_input=more.pop("most_input", read),
            output_limit=write,
            **more,
        )
        told.waiting = self.admissions.ask(ask, told.take_admission, told.take_error)
        return told

    def settle(self, told, used=0, cost=0):
        told.admission.settle(used, cost, self.loop.time)
        self.loop.settle()


class Told:
    """What one call was told, exactly once."""

    def __init__(self, admitted=None):
        self.admission: Any = None
        self.error: Any = None
        self.waiting: Any = None
        self._admitted = admitted

    def take_admission(self, admission):
        assert self.admission is self.error is None
        self.admission = admission
        if self._admitted is not None:
            self._admitted(admission)

    def take_error(self, error):
        assert self.admission is self.error is None
        self.error = error

    @property
    def is_admitted(self):
        return self.admission is not None

    @property
    def is_waiting(self):
        return self.admission is None and self.error is None


def endpoint_of(**changes):
    return Endpoint(
        **{
            "name": MODEL,
            "operation": Operation.CHAT,
            "publisher": "tw",
            "created_at_ms": 1,
            "context_tokens": 100_000,
            "max_output_tokens": 1000,
            "price": PRICE,
            "targets": (),
        }
        | changes
    )


def budget_of(budget_id, **changes):
    return Budget(
        budget_id, changes.pop("name", budget_id), changes.pop("currency", "USD"), **changes
    )


def terms_of(subject, **changes):
    return Terms(subject, **changes)


def headers_of(lines):
    """Return the header lines as numbers."""
    return {
        name: int(value.removesuffix("ms"))
        for name, value in (line.split(": ") for line in lines.decode().splitlines())
    }
