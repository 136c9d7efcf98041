"""Whatever comes late, twice, corrected, refunded, paid ahead or exchanged, in any order: the sums
hold, plans charge what their terms come to, and the events alone rebuild the books.

A longer run: TRADEWIND_MACHINE_EXAMPLES=5000 pytest tests/features/billing/test_billing_machine.py.
`make test` has a group of the machines alone, with thousands of examples.
"""

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

from tests.features.billing.billing_parts import APRIL, HOUR, MARCH, MAY, World, event
from tests.features.billing.empty_books import wipe
from tradewind.core.errors import Conflict
from tradewind.core.pricing.charges import Graduated, MeterCharge, PerUnit, PlanTerms, Tier
from tradewind.core.pricing.rating import Used, rate
from tradewind.db.database import Database
from tradewind.features.billing.ports import NoSubscriptions, SubscribedTerm, TermCharge
from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.billing.schemas import LineKind
from tradewind.features.ledger.schemas import AccountKind, AccountRef, FxRate
from tradewind.features.metering.repository import store_events

pytestmark = pytest.mark.postgres
EXAMPLES = int(os.environ.get("TRADEWIND_MACHINE_EXAMPLES", "12"))
STEPS_BETWEEN = 5
MONTHS = (MARCH, APRIL)
PLANNED, PLAIN = "acme/planned", "acme/one"
MODELS = (PLANNED, PLAIN)
YEAR = timedelta(days=365)
END_COST = 100_000 * 10**9
TERMS = PlanTerms(
    currency="USD",
    charges=(
        MeterCharge(
            "input_tokens",
            Graduated((Tier(9_000_000_000_000, up_to=2_500), Tier(1_000_000_000_000))),
        ),
        MeterCharge("output_tokens", PerUnit(2_000_000_000_000), included=700),
        MeterCharge("images", PerUnit(40_000_000 * 1_000_000), included=1),
    ),
)
RATE = FxRate("EUR", "USD", 1_081_234_567, "ECB", MARCH)


class Plans(NoSubscriptions):
    """Fees for years that were sold, and a plan for one model of the first buyer."""

    def __init__(self) -> None:
        self.sold = []
        self.planned = ""

    def charges_due(self, tx, organization_ids, until):
        return [each for each in self.sold if each.organization_id in organization_ids]

    def terms_of(self, tx, organization_ids, since, until):
        if self.planned not in organization_ids:
            return []
        return [
            SubscribedTerm("sub_1", self.planned, (PLANNED,), TERMS, MARCH, MAY, "mistral", 30_000)
        ]


def settled_books(world):
    """What settlements entered, by account; a publisher's part and the fee on it together, since
    the fee is rounded line by line and lines depend on when they were settled.
    """
    with world.database.transaction() as tx:
        rows = tx.execute(
            text("""
                SELECT CASE account.kind WHEN 'fee' THEN 'payable' ELSE account.kind END AS kind,
                    CASE account.kind WHEN 'fee' THEN 'mistral' ELSE account.owner END AS owner,
                    account.currency, sum(posting.nanos) AS nanos
                FROM ledger_entry AS entry
                JOIN ledger_posting AS posting ON posting.entry_id = entry.id
                JOIN ledger_account AS account ON account.id = posting.account_id
                WHERE entry.kind IN ('settlement', 'provider_settlement')
                GROUP BY 1, 2, 3 HAVING sum(posting.nanos) <> 0 ORDER BY 1, 2, 3
            """)
        ).all()
    return [(row.kind, row.owner, row.currency, int(row.nanos)) for row in rows]


COSTS = st.one_of(
    st.integers(0, 12_000_000), st.sampled_from([5_000_000, 15_000_000, 999_999_999_999])
)


class BillingMachine(RuleBasedStateMachine):
    world: World
    buyers: tuple[str, ...]
    prices: tuple[str, ...]
    plans: Plans
    connection: psycopg.Connection
    superuser: Database

    def __init__(self) -> None:
        super().__init__()
        self.sent = []
        self.used = {}
        self.rated = []
        self.listed = 0
        self.keys = 0
        self.steps = 0

    @initialize()
    def begin(self):
        wipe(self.superuser)
        self.world.clock.turn_to(APRIL + timedelta(hours=48))
        self.buyers = tuple(self.world.add_buyer() for _ in range(2))
        self.plans.sold, self.plans.planned = [], self.buyers[0]
        with self.world.database.transaction() as tx:
            self.world.ledger.set_rate(tx, RATE)
        first = event(self.buyers[0], self.prices[1], MARCH, model=PLANNED, meters={"images": 2})
        self._send(first)

    def _key(self):
        self.keys += 1
        return f"{self.buyers[0]}:{self.keys}"

    def _ship(self, *rows):
        # Over one connection: a new one has the stage to make as well.
        with self.connection.transaction():
            return store_events(self.connection, rows)

    def _send(self, row):
        new = self._ship(row)
        owner = row.organization_id
        self.used[owner] = self.used.get(owner, 0) + new * row.cost_nanos
        if new and owner == self.plans.planned and row.model == PLANNED:
            self.listed += row.cost_nanos
            self.rated += [
                Used("input_tokens", row.at, row.input_tokens),
                Used("output_tokens", row.at, row.output_tokens),
                Used("images", row.at, (row.meters or {}).get("images", 0)),
            ]
        self.sent.append(row)

    @rule(
        buyer=st.integers(0, 1),
        price=st.integers(0, 1),
        month=st.sampled_from(MONTHS),
        hour=st.integers(0, 3),
        cost=COSTS,
        model=st.sampled_from(MODELS),
        images=st.integers(0, 3),
        taken=st.integers(0, 1_000_000),
    )
    def use(self, *, buyer, price, month, hour, cost, model, images, taken):
        at = month + hour * HOUR
        hosted = {"provider_cost_nanos": taken, "provider_currency": "EUR", "host": "openai"}
        self._send(
            event(
                self.buyers[buyer],
                self.prices[price],
                at,
                cost_nanos=cost,
                model=model,
                meters={"images": images} if images else None,
                **(hosted if taken else {}),
            )
        )

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
                    model=row.model,
                    input_tokens=-1,
                    output_tokens=0,
                    meters={"images": -1} if part == 2 else None,
                    provider_cost_nanos=None if part == 3 else -1,
                    provider_currency=None if part == 3 else "EUR",
                    host="openai",
                )
                self._send(fix)

    @rule(most=st.integers(1, 5))
    def settle(self, most):
        with self.world.database.transaction() as tx:
            self.world.billing.settle(tx, most=most)

    @rule()
    def close(self):
        self.world.closing.close_period(self.world.database, APRIL, lambda _: None)

    @rule(
        buyer=st.integers(0, 1),
        price=st.integers(0, 1),
        first=COSTS,
        second=COSTS,
        model=st.sampled_from(MODELS),
    )
    def use_and_close(self, buyer, price, first, second, model):
        """What is late once a month is closed: rare by chance alone."""
        for hour, cost in enumerate((first, second)):
            at = MARCH + hour * HOUR
            self._send(
                event(self.buyers[buyer], self.prices[price], at, cost_nanos=cost, model=model)
            )
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

    @rule(
        buyer=st.integers(0, 1),
        dollars=st.integers(-50, 2_000),
        days=st.integers(0, 45),
        seller=st.sampled_from(["", "mistral"]),
    )
    def sell_a_year(self, buyer, dollars, days, seller):
        since, owner = MARCH + timedelta(days=days), self.buyers[buyer]
        self.plans.sold.append(
            TermCharge(
                self._key(),
                owner,
                "sub_2",
                "USD",
                "A year",
                dollars * 10**9 + 1,
                since,
                since + YEAR,
                seller,
                30_000 if seller else 0,
            )
        )

    @rule()
    def earn(self):
        with self.world.database.transaction() as tx:
            self.world.billing.earn(tx)

    @rule(nanos=st.integers(1_000_000_000, 10**15))
    def exchange(self, nanos):
        dollars, euros = (AccountRef(AccountKind.CASH, "bank", each) for each in ("USD", "EUR"))
        with self.world.database.transaction() as tx:
            now = self.world.clock.now()
            self.world.ledger.exchange(tx, dollars, euros, nanos, key=self._key(), at=now)

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
    def sums_hold_now_and_then(self):
        """What is wrong stays wrong, as books are never edited, so it is found a few steps on."""
        self.steps += 1
        if self.steps % STEPS_BETWEEN == 0:
            self.sums_hold()

    def sums_hold(self):
        if not self.sent:
            return
        unit = nanos_per_minor("USD")
        rows = self._invoices()
        assert self.world.differences() == []
        with self.world.database.transaction() as tx:
            kinds = {
                (row.kind, row.currency): int(row.nanos)
                for row in tx.execute(
                    text("""
                        SELECT kind, account.currency, sum(nanos) AS nanos FROM ledger_posting
                        JOIN ledger_account AS account ON account.id = account_id GROUP BY 1, 2
                    """)
                )
            }
            waiting = tx.execute(text("SELECT count(*) FROM settlement_due")).scalar()
        for currency in ("USD", "EUR"):
            assert sum(nanos for (_, its), nanos in kinds.items() if its == currency) == 0
        # What buyers owe and paid is what the platform, publishers and the state have of it.
        asked = sum(row.total_minor - row.credited_minor for row in rows) * unit
        parts = ("payable", "fee", "revenue", "tax", "rounding", "deferred", "credit")
        theirs = sum(kinds.get((kind, "USD"), 0) for kind in parts)
        assert asked + kinds.get(("unbilled", "USD"), 0) == -theirs
        for each in self.buyers:
            own = [row for row in rows if row.organization_id == each]
            unbilled = self.world.balance(AccountKind.UNBILLED, each)
            if waiting == 0:
                usage = sum(
                    line.exact_nanos for row in own for line in self._lines(row, LineKind.USAGE)
                )
                assert usage + unbilled == self.used.get(each, 0)
            assert self.world.balance(AccountKind.RECEIVABLE, each) == unit * sum(
                row.open_minor for row in own
            )
            for row in own:
                assert row.total_minor == row.net_minor + row.tax_minor
                assert abs(row.net_minor * unit - row.exact_nanos) <= unit // 2

    def _lines(self, row, kind):
        with self.world.database.transaction() as tx:
            lines = self.world.billing.lines(tx, row.invoice_id)
        return [line for line, _ in lines if line.kind is kind]

    def teardown(self):
        """At last everything is invoiced, earned, and rebuilt from the events alone."""
        if not self.sent:
            return
        world = self.world
        for each in self.buyers:
            # So much that what is owed to a buyer does not wait for more.
            self._send(event(each, self.prices[0], APRIL + 9 * HOUR, cost_nanos=END_COST))
        world.settle()
        world.clock.turn_to(MAY + timedelta(hours=48))
        for each in self.buyers:
            [last] = world.draft(each, MAY)
            world.finalize(last)
            assert world.balance(AccountKind.UNBILLED, each) == 0
        world.clock.turn_to(MAY + 2 * YEAR)
        self.earn()
        self.sums_hold()
        for each in self.buyers:
            assert world.balance(AccountKind.DEFERRED, each) == 0
        own = [row for row in self._invoices() if row.organization_id == self.buyers[0]]
        adjusted = sum(
            line.exact_nanos for row in own for line in self._lines(row, LineKind.ADJUSTMENT)
        )
        wanted = sum(line.nanos for line in rate(TERMS, self.rated))
        assert self.listed + adjusted == wanted
        books = settled_books(world)
        wipe(self.superuser)
        self._ship(
            *{row.event_id: row for row in sorted(self.sent, key=lambda row: row.at)}.values()
        )
        world.settle()
        assert settled_books(world) == books
        assert world.differences() == []


@pytest.mark.machine
@pytest.mark.timeout(300 + 20 * EXAMPLES)
def test_the_sums_hold_in_any_order_of_things(database, superuser_database):
    plans = Plans()
    world = World.begin(database, plans)
    prices = (world.add_price(), world.add_price(seller="mistral"))

    class Machine(BillingMachine):
        superuser = superuser_database

    Machine.world, Machine.prices, Machine.plans = world, prices, plans
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
