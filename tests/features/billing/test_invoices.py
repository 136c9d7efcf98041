"""Invoices: what they take, what they say, what becomes of them."""

from datetime import timedelta
from hashlib import sha256

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.features.billing.billing_parts import APRIL, HOUR, MARCH, MAY, World, buyer, event
from tradewind.core.pricing.charges import MeterCharge, Package, PlanTerms
from tradewind.features.billing.errors import (
    BillingKeyReused,
    CreditTooLarge,
    InvoiceFinal,
    InvoiceNotFinal,
    InvoiceOverpaid,
    NoBillingAccount,
    NothingToInvoice,
    PeriodBilled,
    PeriodOpen,
)
from tradewind.features.billing.ports import NoSubscriptions, SubscribedTerm, TermCharge
from tradewind.features.billing.rules.taxes import NoTaxRule
from tradewind.features.billing.schemas import BuyerKind, InvoiceState, LineKind, Mode
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting

pytestmark = pytest.mark.postgres


def frozen(world, row):
    with world.database.transaction() as tx:
        return world.billing.frozen(tx, row.invoice_id)


@pytest.fixture
def acme(world):
    return world.add_buyer()


@pytest.fixture
def price(world):
    return world.add_price()


def test_an_invoice_has_exact_lines_whole_cents_and_the_tax_of_its_country(world, acme, price):
    world.use(
        event(acme, price, MARCH, cost_nanos=1_004_000_000),
        event(acme, price, MARCH, cost_nanos=2_004_000_000, model="acme/two"),
        event(acme, price, MARCH, cost_nanos=3_004_000_000, model="acme/three"),
    )

    row = world.invoice(acme)

    said = frozen(world, row)
    assert (row.number, row.state) == ("INV-2030-000001", InvoiceState.FINALIZED)
    assert (row.net_minor, row.tax_minor, row.total_minor) == (601, 114, 715)
    assert [(line.model, line.exact, line.amount) for line in said.content.lines] == [
        ("acme/one", "1.004", "1.01"),
        ("acme/three", "3.004", "3.00"),
        ("acme/two", "2.004", "2.00"),
    ]
    assert (said.content.exact, said.content.rounding) == ("6.012", "-0.002")
    assert (said.content.net, said.content.tax.amount, said.content.total) == (
        "6.01",
        "1.14",
        "7.15",
    )
    assert said.content.lines[0].evidence.quantities == {
        "requests": 1,
        "input_tokens": 1_000,
        "output_tokens": 500,
    }
    assert sha256(said.data).digest() == said.sha256
    assert row.due_at == APRIL + timedelta(days=14)
    assert world.balance(AccountKind.UNBILLED, acme) == 0
    assert world.balance(AccountKind.RECEIVABLE, acme) == 7_150_000_000
    assert world.balance(AccountKind.TAX, "DE") == -1_140_000_000
    assert world.balance(AccountKind.ROUNDING, "invoices") == 2_000_000
    assert world.differences() == []


def test_an_invoice_takes_the_hours_before_its_end_and_the_next_one_what_came_late(
    world, acme, price
):
    world.use(
        event(acme, price, MARCH, cost_nanos=1_000_000_000),
        event(acme, price, APRIL - HOUR, cost_nanos=2_000_000_000),
    )
    world.clock.turn_to(APRIL + timedelta(minutes=5))
    first = world.invoice(acme)
    world.clock.turn_to(MAY)
    world.use(
        event(acme, price, MARCH + HOUR, cost_nanos=10_000_000),
        event(acme, price, APRIL, cost_nanos=20_000_000),
    )
    second = world.invoice(acme, MAY)

    assert (first.exact_nanos, second.exact_nanos) == (3_000_000_000, 30_000_000)
    assert (second.period_start, second.period_end) == (APRIL, MAY)
    new, late = frozen(world, second).content.lines
    assert (new.evidence.is_late, new.exact, new.hour_from) == (False, "0.02", APRIL)
    assert (late.evidence.is_late, late.exact, late.hour_from) == (True, "0.01", MARCH + HOUR)
    with world.database.transaction() as tx:
        taken = [row.cost_nanos for row in world.billing.evidence(tx, second.invoice_id)]
    assert sorted(taken) == [10_000_000, 20_000_000]
    assert world.differences() == []


def test_what_is_less_than_can_be_paid_or_owed_to_the_buyer_waits(world, acme, price):
    world.use(event(acme, price, MARCH, cost_nanos=4_000_000))
    world.settle()
    with pytest.raises(NothingToInvoice):
        world.draft(acme)
    world.use(event(acme, price, MARCH, cost_nanos=-9_000_000))
    world.settle()
    with pytest.raises(NothingToInvoice):
        world.draft(acme)
    world.use(event(acme, price, MARCH + HOUR, cost_nanos=15_000_000))

    row = world.invoice(acme)

    assert (row.exact_nanos, row.net_minor) == (10_000_000, 1)
    assert world.differences() == []


def test_a_draft_is_drawn_up_anew_and_takes_what_came_meanwhile(world, acme, price):
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    world.settle()
    [first] = world.draft(acme)
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000, model="acme/two"))
    world.settle()

    [second] = world.draft(acme)

    assert first == second
    row = world.finalize(second)
    assert row.net_minor == 200
    assert world.finalize(second) == row, "twice is once"
    assert world.differences() == []


def test_a_finalized_invoice_stays_as_it_is(world, acme, price):
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    row = world.invoice(acme)

    for statement in (
        "UPDATE invoice SET total_minor = 1, net_minor = 1, tax_minor = 0",
        "UPDATE invoice SET content = '{}'",
        "UPDATE invoice SET state = 'draft'",
        "DELETE FROM invoice",
        "UPDATE invoice_line SET minor = 1",
        "DELETE FROM invoice_line",
        "TRUNCATE invoice_line CASCADE",
    ):
        with pytest.raises(DBAPIError), world.database.transaction() as tx:
            tx.execute(text(statement))
    with pytest.raises(InvoiceFinal), world.database.transaction() as tx:
        world.billing.void(tx, row.invoice_id)


def test_a_void_draft_gives_back_what_it_took(world, acme, price):
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    world.settle()
    [draft] = world.draft(acme)
    with world.database.transaction() as tx:
        world.billing.void(tx, draft)

    row = world.invoice(acme)

    assert row.invoice_id != draft
    assert (row.number, row.net_minor) == ("INV-2030-000001", 100)
    assert world.differences() == []


def test_an_invoice_is_paid_once_by_each_key_and_never_too_much(world, acme, price):
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    row = world.invoice(acme)

    def pay(amount, key="k1"):
        with world.database.transaction() as tx:
            return world.billing.record_payment(tx, row.invoice_id, amount, "bank", "ref", key)

    assert pay(100).state is InvoiceState.FINALIZED
    assert pay(100).paid_minor == 100
    with pytest.raises(BillingKeyReused):
        pay(19)
    with pytest.raises(InvoiceOverpaid):
        pay(20, "k2")
    assert pay(19, "k2").state is InvoiceState.PAID
    assert world.balance(AccountKind.CASH, "bank") == 1_190_000_000
    assert world.balance(AccountKind.RECEIVABLE, acme) == 0
    assert world.differences() == []


def test_a_credit_note_takes_back_in_part_and_then_all_that_is_left(world, acme):
    price = world.add_price(seller="mistral")
    world.use(event(acme, price, MARCH, cost_nanos=10_004_000_000))
    row = world.invoice(acme)

    def credit(key, lines=None, reason="outage", **more):
        with world.database.transaction() as tx:
            return world.billing.credit(
                tx, row.invoice_id, reason=reason, key=key, lines=lines, **more
            )

    first = credit("c1", {1: 333})
    assert credit("c1", {1: 333}) == first
    assert (first.number, first.net_minor, first.tax_minor) == ("CN-2030-000001", 333, 63)
    with pytest.raises(BillingKeyReused):
        credit("c1", {1: 333}, reason="another")
    with pytest.raises(CreditTooLarge):
        credit("c2", {1: 668})
    rest = credit("c3", is_goodwill=True)

    with world.database.transaction() as tx:
        now = world.billing.invoice(tx, row.invoice_id)
        paper = world.billing.frozen_credit(tx, first.credit_note_id).content
    assert (now.state, now.credited_minor) == (InvoiceState.VOID, row.total_minor)
    assert first.total_minor + rest.total_minor == row.total_minor == 1190
    assert (paper.credits, paper.total, paper.reason) == (row.number, "3.96", "outage")
    assert world.balance(AccountKind.RECEIVABLE, acme) == 0
    assert world.balance(AccountKind.TAX, "DE") == 0
    assert world.balance(AccountKind.CREDIT) == 6_670_000_000
    assert world.differences() == []


def test_a_prepaid_invoice_is_paid_from_the_wallet_as_far_as_it_goes(world, price):
    rich, poor = world.add_buyer(mode=Mode.PREPAID), world.add_buyer(mode=Mode.PREPAID)
    for owner, nanos in ((rich, 5_000_000_000), (poor, 504_000_000)):
        with world.database.transaction() as tx:
            wallet = AccountRef(AccountKind.WALLET, owner, "USD")
            cash = AccountRef(AccountKind.CASH, "bank", "USD")
            postings = (Posting(cash, nanos), Posting(wallet, -nanos))
            world.ledger.post(tx, EntryDraft(f"t:{owner}", "top_up", MARCH, postings))
    world.use(
        event(rich, price, MARCH, cost_nanos=1_000_000_000),
        event(poor, price, MARCH, cost_nanos=1_000_000_000),
    )

    assert world.invoice(rich).state is InvoiceState.PAID
    row = world.invoice(poor)

    assert (row.state, row.paid_minor, row.open_minor) == (InvoiceState.FINALIZED, 50, 69)
    assert world.balance(AccountKind.WALLET, rich) == -3_810_000_000
    assert world.balance(AccountKind.WALLET, poor) == -4_000_000
    assert world.differences() == []


def test_each_currency_has_its_invoice_in_its_own_smallest_unit(world, acme, price):
    yen, dinar = world.add_price(currency="JPY"), world.add_price(currency="KWD")
    world.use(
        event(acme, price, MARCH, cost_nanos=1_004_000_000),
        event(acme, yen, MARCH, cost_nanos=1_500_000_000, currency="JPY"),
        event(acme, yen, MARCH, cost_nanos=1_200_000_000, currency="JPY", model="acme/two"),
        event(acme, dinar, MARCH, cost_nanos=1_000_600_000, currency="KWD"),
    )
    world.settle()

    rows = {row.currency: row for row in map(world.finalize, world.draft(acme))}

    assert {currency: row.net_minor for currency, row in rows.items()} == {
        "USD": 100,
        "JPY": 3,
        "KWD": 1_001,
    }
    assert frozen(world, rows["KWD"]).content.total == "1.191"
    assert world.differences() == []


def test_what_stands_in_the_way_is_said(world, acme, price):
    stranger = world.add_buyer(mode=None)
    nowhere = world.add_buyer(party=buyer(country="BR"), buyer_kind=BuyerKind.CONSUMER)
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000), event(nowhere, price, MARCH))
    world.settle()

    for organization_id, until, error in (
        (stranger, APRIL, NoBillingAccount),
        (nowhere, APRIL, NoTaxRule),
        (acme, MAY, PeriodOpen),
        (acme, MARCH, NothingToInvoice),
    ):
        with pytest.raises(error):
            world.draft(organization_id, until)
    row = world.finalize(world.draft(acme)[0])
    world.use(event(acme, price, MARCH, cost_nanos=1_000_000_000))
    world.settle()
    with pytest.raises(PeriodBilled):
        world.draft(acme, APRIL - HOUR)
    [again] = world.draft(acme)
    with pytest.raises(InvoiceNotFinal), world.database.transaction() as tx:
        world.billing.credit(tx, again, reason="x", key="k")
    assert world.finalize(again).number != row.number


class Emails(NoSubscriptions):
    """10,000 requests a month included, then 1 dollar for each 100; 50 dollars in advance."""

    TERMS = PlanTerms(
        "USD",
        charges=(
            MeterCharge("requests", Package(100, 1_000_000_000, is_started_whole=True), 10_000),
        ),
        fee_nanos=50_000_000_000,
        minimum_nanos=2_000_000_000,
    )

    def __init__(self):
        self.organization_id = ""

    def terms_of(self, tx, organization_ids, since, until):
        spans = [(MARCH, APRIL), (APRIL, MAY)]
        return [
            SubscribedTerm(
                "sub_1", self.organization_id, ("acme/one",), self.TERMS, start, end, "acme", 30_000
            )
            for start, end in spans
            if start < until and self.organization_id in organization_ids
        ]

    def charges_due(self, tx, organization_ids, until):
        return [
            TermCharge(
                f"sub_1:fee:{start:%Y%m}",
                self.organization_id,
                "sub_1",
                "USD",
                "E-mails, in advance",
                50_000_000_000,
                start,
                end,
            )
            for start, end in [(MARCH, APRIL), (APRIL, MAY)]
            if start < until and self.organization_id in organization_ids
        ]


def test_a_plan_charges_what_its_term_comes_to_whatever_the_list_price_was(database):
    plans = Emails()
    world = World.begin(database, plans)
    acme, price = world.add_buyer(), world.add_price(seller="acme")
    plans.organization_id = acme
    many = [event(acme, price, MARCH + at % 700 * HOUR, cost_nanos=1_000) for at in range(10_101)]
    world.use(*many)

    march = world.invoice(acme)

    lines = {line.kind: line for line in frozen(world, march).content.lines}
    assert lines[LineKind.FEE].amount == "50.00"
    assert lines[LineKind.USAGE].exact == "0.010101"
    assert lines[LineKind.ADJUSTMENT].exact == "1.989899", "two started hundreds, less the list"
    assert LineKind.MINIMUM not in lines
    assert march.exact_nanos == 52_000_000_000
    world.clock.turn_to(MAY)
    world.use(
        *(event(acme, price, MARCH + HOUR, cost_nanos=1_000) for _ in range(100)),
        event(acme, price, APRIL, cost_nanos=1_000),
    )

    april = world.invoice(acme, MAY)

    assert april.exact_nanos == 50_000_000_000 + 1_000_000_000 + 2_000_000_000, (
        "the fee, a third hundred of March that came late, and the least that April costs"
    )
    assert world.balance(AccountKind.UNBILLED, acme) == 0
    assert world.differences() == []
