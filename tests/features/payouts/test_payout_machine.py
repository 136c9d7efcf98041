"""Whatever is sold, refunded, held, paid, failed and exchanged, in any order: the sums hold.

A longer run: TRADEWIND_MACHINE_EXAMPLES=5000 pytest tests/features/payouts/test_payout_machine.py.
`make test` has a group of the machines alone, with thousands of examples.
"""

import contextlib
import os
from datetime import timedelta

import psycopg
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

from tests.features.billing.billing_parts import APRIL, MARCH, event
from tests.features.billing.empty_books import OF_PAYOUTS, wipe
from tests.features.payouts.payouts_parts import ADA, BOB, PayingWorld
from tradewind.core.errors import Conflict
from tradewind.core.money import parse_nanos
from tradewind.db.database import Database
from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.metering.repository import store_events
from tradewind.features.payouts.schemas import RunStage, Terms

pytestmark = pytest.mark.postgres
EXAMPLES = int(os.environ.get("TRADEWIND_MACHINE_EXAMPLES", "12"))
STEPS_BETWEEN = 5
COSTS = st.one_of(st.integers(1, 12_000_000), st.sampled_from([5 * 10**9, 10**12 - 1]))
SLUGS = ("acme", "euro")
UNIT = nanos_per_minor("USD")


class PayoutMachine(RuleBasedStateMachine):
    paying: PayingWorld
    prices: dict[str, str]
    connection: psycopg.Connection
    superuser: Database

    @initialize()
    def begin(self):
        world = self.paying.world
        wipe(self.superuser, *OF_PAYOUTS)
        self.paying.clock.turn_to(APRIL + timedelta(hours=48))
        self.buyer = world.add_buyer()
        self.keys = self.steps = 0

    def _use(self, row):
        # Over one connection: a new one has the stage to make as well.
        with self.connection.transaction():
            store_events(self.connection, [row])
        self.paying.world.settle()

    @rule(slug=st.sampled_from(SLUGS), hour=st.integers(0, 3), cost=COSTS)
    def sell(self, slug, hour, cost):
        at = MARCH + timedelta(hours=hour)
        row = event(self.buyer, self.prices[slug], at, cost_nanos=cost)
        self._use(row)

    @rule(slug=st.sampled_from(SLUGS), cost=COSTS)
    def correct(self, slug, cost):
        """What was counted too much is taken back, also of what was paid out."""
        row = event(
            self.buyer,
            self.prices[slug],
            MARCH,
            cost_nanos=-cost,
            input_tokens=-1,
            output_tokens=0,
        )
        self._use(row)

    @rule()
    def invoice(self):
        try:
            for invoice_id in self.paying.world.draft(self.buyer):
                self.paying.world.finalize(invoice_id)
        except Conflict:
            pass

    def _invoices(self):
        rows = self.paying.do(self.paying.world.billing.list_invoices, organization_id=self.buyer)
        return [row for row in rows if row.number is not None]

    @rule(which=st.integers(0, 10), minor=st.integers(1, 500))
    def refund(self, which, minor):
        rows = self._invoices()
        if rows:
            row = rows[which % len(rows)]
            lines = None if minor % 3 == 0 else {1: minor}
            self.keys += 1
            key = f"{self.buyer}:{self.keys}"
            with contextlib.suppress(Conflict):
                self.paying.do(
                    self.paying.world.billing.credit,
                    row.invoice_id,
                    reason="refund",
                    key=key,
                    lines=lines,
                )

    @rule(days=st.sampled_from([1, 8, 31]))
    def wait(self, days):
        self.paying.clock.turn_to(self.paying.clock.now() + timedelta(days=days))

    @rule(slug=st.sampled_from(SLUGS), is_held=st.booleans())
    def review(self, slug, is_held):
        profiles, finance = self.paying.payouts.profiles, self.paying.finance
        if is_held:
            self.paying.do(profiles.hold, finance, slug, "looked at", by=ADA)
        else:
            self.paying.do(profiles.lift, finance, slug, by=ADA)

    @rule(
        slug=st.sampled_from(SLUGS),
        hold=st.sampled_from([0, 7]),
        reserve=st.sampled_from([0, 100_000, 333_333]),
        tax=st.sampled_from([0, 150_000]),
    )
    def agree(self, slug, hold, reserve, tax):
        terms = Terms(hold, reserve, 30, tax, "FR")
        self.paying.do(
            self.paying.payouts.profiles.set_terms, self.paying.finance, slug, terms, by=ADA
        )

    @rule(currency=st.sampled_from(["USD", "EUR"]))
    def prepare(self, currency):
        with contextlib.suppress(Conflict):
            self.paying.prepare(currency)

    def _runs(self, *stages):
        rows = self.paying.do(self.paying.runs.list_runs, self.paying.finance, limit=10)
        return [row for row in rows if row.stage in stages]

    @rule()
    def export(self):
        for run in self._runs(RunStage.PREPARED):
            self.paying.do(self.paying.runs.approve, self.paying.finance, run.run_id, by=BOB)
            self.paying.do(self.paying.runs.export, self.paying.finance, run.run_id, by=ADA)

    @rule()
    def cancel(self):
        for run in self._runs(RunStage.PREPARED):
            self.paying.do(self.paying.runs.cancel, self.paying.finance, run.run_id, by=ADA)

    @rule(which=st.integers(0, 10), is_paid=st.booleans())
    def answer(self, which, is_paid):
        runs, finance = self.paying.runs, self.paying.finance
        payouts = [
            payout
            for run in self._runs(RunStage.EXPORTED, RunStage.DONE)
            for payout in self.paying.detail(run).payouts
        ]
        if payouts:
            payout = payouts[which % len(payouts)]
            try:
                if is_paid:
                    self.paying.do(runs.confirm, finance, [payout.payout_id], note="", by=ADA)
                else:
                    self.paying.do(runs.fail, finance, payout.payout_id, reason="no", by=ADA)
            except Conflict:
                pass

    def _one(self, statement, **sought):
        return int(self.paying.do(lambda tx: tx.execute(text(statement), sought).scalar()))

    @invariant()
    def sums_hold_now_and_then(self):
        """What is wrong stays wrong, as books are never edited, so it is found a few steps on."""
        self.steps += 1
        if self.steps % STEPS_BETWEEN == 0:
            self.everybody_has_their_part()
            self.statements_add_up()

    def everybody_has_their_part(self):
        """buyer charged = fee + publishers + withheld; buyer owes = charged + tax + rounding."""
        paying = self.paying
        charged = self._one(SETTLED) - self._one(CREDITED) * UNIT
        owed = sum(paying.owed(slug) for slug in SLUGS)
        reserve = -sum(paying.balance(AccountKind.RESERVE, slug) for slug in SLUGS)
        withheld = -paying.balance(AccountKind.TAX, "FR")
        fee = -paying.balance(AccountKind.FEE)
        assert charged == fee + owed + reserve + withheld + self._one(PAID)
        tax = -paying.balance(AccountKind.TAX, "DE")
        rounding = -paying.balance(AccountKind.ROUNDING, "invoices")
        assert self._one(BUYERS) == charged + tax + rounding

    def statements_add_up(self):
        for slug in SLUGS:
            fall = self.paying.fall(slug)
            if fall is None:
                continue
            assert fall.balance_nanos == self.paying.owed(slug)
            lines = sum(each.gross_nanos - each.fee_nanos for each in fall.earned.lines)
            assert fall.opening_nanos + lines == fall.balance_nanos
            # Nothing is ever paid of what is not there.
            assert 0 <= fall.payable_nanos <= max(0, fall.free_nanos) + fall.released_nanos
            for told in self.paying.statements(slug, limit=2):
                if told.carried_because:
                    assert (told.payable, told.closing) == ("0", told.balance)
                else:
                    assert parse_nanos(told.closing) >= 0

    def teardown(self):
        self.everybody_has_their_part()
        self.statements_add_up()
        assert self.paying.differences() == []


SETTLED = "SELECT coalesce(sum(cost_nanos), 0) FROM settlement_line"
CREDITED = "SELECT coalesce(sum(net_minor), 0) FROM credit_note"
PAID = """
    SELECT coalesce(sum(payable_nanos), 0)
    FROM payout JOIN payout_statement AS statement ON statement.id = payout.statement_id
    WHERE state IN ('ready', 'exported', 'confirmed')
"""
BUYERS = """
    SELECT coalesce(sum(nanos), 0)
    FROM ledger_balance JOIN ledger_account ON ledger_account.id = ledger_balance.account_id
    WHERE kind IN ('unbilled', 'receivable')
"""


@pytest.mark.machine
@pytest.mark.timeout(300 + 20 * EXAMPLES)
def test_the_sums_hold_in_any_order_of_things(database, superuser_database):
    paying = PayingWorld.begin(database)
    paying.set_rate("EUR", "USD", 1_083_700_000)
    paying.add_publisher("acme")
    paying.add_publisher("euro", currency="EUR", minimum=10**9)
    source = paying.source("EUR")
    paying.do(paying.payouts.profiles.set_source, paying.finance, source, by=ADA)
    prices = {slug: paying.world.add_price(seller=slug) for slug in SLUGS}

    class Machine(PayoutMachine):
        superuser = superuser_database

    Machine.paying, Machine.prices = paying, prices
    with database.connect_raw(autocommit=True) as Machine.connection:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
