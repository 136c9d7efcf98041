"""Whatever comes late, twice, corrected, refunded or paid, in any order: the sums hold.

A longer run: TRADEWIND_MACHINE_EXAMPLES=5000 pytest tests/features/billing/test_billing_machine.py
"""

import os
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from tests.features.billing.billing_parts import APRIL, HOUR, MARCH, World, event
from tradewind.core.errors import Conflict
from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.ledger.schemas import AccountKind

pytestmark = pytest.mark.postgres
MONTHS = (MARCH, APRIL)
COSTS = st.one_of(
    st.integers(0, 12_000_000), st.sampled_from([5_000_000, 15_000_000, 999_999_999_999])
)


class BillingMachine(RuleBasedStateMachine):
    world: World
    buyers: tuple[str, ...]
    prices: tuple[str, ...]

    def __init__(self) -> None:
        super().__init__()
        self.sent = []
        self.used = {}
        self.keys = 0

    @initialize()
    def begin(self):
        self.world.clock.turn_to(APRIL + timedelta(hours=48))
        self.buyers = tuple(self.world.add_buyer() for _ in range(2))

    def _key(self):
        self.keys += 1
        return f"{self.buyers[0]}:{self.keys}"

    def _send(self, row):
        new = self.world.use(row)
        owner = row.organization_id
        self.used[owner] = self.used.get(owner, 0) + new * row.cost_nanos
        self.sent.append(row)

    @rule(
        buyer=st.integers(0, 1),
        price=st.integers(0, 1),
        month=st.sampled_from(MONTHS),
        hour=st.integers(0, 3),
        cost=COSTS,
    )
    def use(self, buyer, price, month, hour, cost):
        at = month + hour * HOUR
        self._send(event(self.buyers[buyer], self.prices[price], at, cost_nanos=cost))

    @rule(which=st.integers(0, 100))
    def send_again(self, which):
        if self.sent:
            self._send(self.sent[which % len(self.sent)])

    @rule(which=st.integers(0, 100), part=st.integers(1, 3))
    def correct(self, which, part):
        if self.sent:
            row = self.sent[which % len(self.sent)]
            if row.cost_nanos > 0:
                fix = event(
                    row.organization_id,
                    row.price_id,
                    row.at,
                    cost_nanos=-row.cost_nanos // part,
                    input_tokens=-1,
                    output_tokens=0,
                )
                self._send(fix)

    @rule(most=st.integers(1, 5))
    def settle(self, most):
        with self.world.database.transaction() as tx:
            self.world.billing.settle(tx, most=most)

    @rule()
    def close(self):
        self.world.closing.close_period(self.world.database, APRIL, lambda _: None)

    @rule(buyer=st.integers(0, 1), price=st.integers(0, 1), first=COSTS, second=COSTS)
    def use_and_close(self, buyer, price, first, second):
        """What is late once a month is closed: rare by chance alone."""
        for hour, cost in enumerate((first, second)):
            at = MARCH + hour * HOUR
            self._send(event(self.buyers[buyer], self.prices[price], at, cost_nanos=cost))
        self.close()

    @rule(buyer=st.integers(0, 1), hour=st.integers(0, 4))
    def invoice_in_between(self, buyer, hour):
        try:
            for invoice_id in self.world.draft(self.buyers[buyer], APRIL + hour * HOUR):
                self.world.finalize(invoice_id)
        except Conflict:
            pass

    @rule(buyer=st.integers(0, 1))
    def draft_and_throw_away(self, buyer):
        try:
            for invoice_id in self.world.draft(self.buyers[buyer]):
                with self.world.database.transaction() as tx:
                    self.world.billing.void(tx, invoice_id)
        except Conflict:
            pass

    def _invoices(self):
        with self.world.database.transaction() as tx:
            rows = [
                row
                for each in self.buyers
                for row in self.world.billing.list_invoices(tx, organization_id=each)
            ]
        return [row for row in rows if row.number is not None]

    @rule(which=st.integers(0, 10), minor=st.integers(1, 500), goodwill=st.booleans())
    def refund(self, which, minor, goodwill):
        rows = self._invoices()
        if rows:
            row = rows[which % len(rows)]
            lines = None if minor % 3 == 0 else {1: minor}
            try:
                with self.world.database.transaction() as tx:
                    self.world.billing.credit(
                        tx,
                        row.invoice_id,
                        reason="refund",
                        key=self._key(),
                        lines=lines,
                        is_goodwill=goodwill,
                    )
            except Conflict:
                pass

    @rule(which=st.integers(0, 10), share=st.integers(1, 3))
    def pay(self, which, share):
        rows = [row for row in self._invoices() if row.open_minor > 0]
        if rows:
            row = rows[which % len(rows)]
            with self.world.database.transaction() as tx:
                self.world.billing.record_payment(
                    tx, row.invoice_id, -(-row.open_minor // share), "bank", "", self._key()
                )

    @invariant()
    def sums_hold(self):
        if not self.sent:
            return
        unit = nanos_per_minor("USD")
        rows = self._invoices()
        assert self.world.differences() == []
        with self.world.database.transaction() as tx:
            everything = tx.execute(text("SELECT sum(nanos) FROM ledger_posting")).scalar() or 0
            waiting = tx.execute(text("SELECT count(*) FROM settlement_due")).scalar()
        assert everything == 0
        for each in self.buyers:
            own = [row for row in rows if row.organization_id == each]
            unbilled = self.world.balance(AccountKind.UNBILLED, each)
            if waiting == 0:
                invoiced = sum(row.exact_nanos for row in own)
                assert invoiced + unbilled == self.used.get(each, 0)
            assert self.world.balance(AccountKind.RECEIVABLE, each) == unit * sum(
                row.open_minor for row in own
            )
            for row in own:
                assert row.total_minor == row.net_minor + row.tax_minor
                assert abs(row.net_minor * unit - row.exact_nanos) <= unit // 2


def test_the_sums_hold_in_any_order_of_things(database):
    world = World.begin(database)
    prices = (world.add_price(), world.add_price(seller="mistral"))

    class Machine(BillingMachine):
        pass

    Machine.world, Machine.prices = world, prices
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=int(os.environ.get("TRADEWIND_MACHINE_EXAMPLES", "12")),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
