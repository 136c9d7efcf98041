"""Runs: what is prepared, by whom it is approved, what is exported, and what becomes of it."""

from datetime import timedelta
from hashlib import sha256

import pytest

from tests.features.billing.billing_parts import APRIL
from tests.features.payments.payments_parts import ONE
from tests.features.payouts.payouts_parts import (
    ADA,
    BIC,
    BOB,
    IBAN,
    OTHER_IBAN,
    PayingWorld,
)
from tradewind.core.errors import Forbidden, InvalidInput, PreconditionFailed
from tradewind.core.permissions import Role
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.payouts.entries import ON_ITS_WAY
from tradewind.features.payouts.errors import (
    NoPayoutSource,
    PayoutKeyReused,
    RunOpen,
    RunState,
    SamePerson,
)
from tradewind.features.payouts.schemas import PayoutState, RunStage, Terms

pytestmark = pytest.mark.postgres


@pytest.fixture
def owner(paying):
    return paying.add_publisher()


@pytest.fixture
def price(paying, owner):
    return paying.world.add_price(seller="acme")


@pytest.fixture
def buyer(paying):
    return paying.world.add_buyer()


def test_what_was_earned_arrives_once(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    assert paying.owed() == 97 * ONE
    run, payouts, _ = paying.exported()
    [payout] = payouts
    assert (payout.nanos, payout.state) == (97 * ONE, PayoutState.EXPORTED)
    assert (payout.destination.iban, payout.destination.bic) == (IBAN, BIC)
    assert paying.owed() == 0
    assert paying.balance(AccountKind.CASH, ON_ITS_WAY) == -97 * ONE
    assert paying.differences() == []
    paying.do(paying.runs.confirm, paying.finance, [payout.payout_id], note="booked", by=BOB)
    paying.do(paying.runs.confirm, paying.finance, [payout.payout_id], note="again", by=BOB)
    assert paying.balance(AccountKind.CASH, ON_ITS_WAY) == 0
    assert paying.balance(AccountKind.CASH, "bank") == -97 * ONE
    assert paying.detail(run).run.stage is RunStage.DONE
    assert paying.prepare().payouts == 0
    assert paying.differences() == []


def test_a_statement_adds_up_line_by_line(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    paying.sell(buyer, price, 1, at=APRIL)
    [payout] = paying.exported().payouts
    told = paying.statement_of(payout)
    lines = [(line.model, line.period, line.quantity, line.gross, line.net) for line in told.lines]
    assert lines == [
        ("acme/one", "2030-03", 1, "100", "97"),
        ("acme/one", "2030-04", 1, "0.000000001", "0.000000001"),
    ]
    assert (told.opening, told.balance, told.payable) == ("0", "97.000000001", "97")
    assert told.closing == "0.000000001"
    paying.sell(buyer, price, 50 * ONE)
    [second] = paying.exported().payouts
    assert paying.statement_of(second).opening == "0.000000001"
    assert paying.statement_of(second).number == 2
    assert paying.differences() == []


def test_what_was_earned_lately_waits_a_week(paying, owner, price, buyer):
    paying.set_profile(owner, terms=Terms(hold_days=7))
    paying.sell(buyer, price, 100 * ONE)
    paying.clock.turn_to(paying.clock.now() + timedelta(days=6))
    paying.sell(buyer, price, 10 * ONE)
    run = paying.prepare()
    assert run.payouts == 0
    [told] = paying.statements()
    assert (told.balance, told.on_hold, told.free, told.payable) == ("106.7", "106.7", "0", "0")
    assert told.closing == "106.7"
    assert told.carried_because
    paying.do(paying.runs.cancel, paying.finance, run.run_id, by=ADA)
    paying.clock.turn_to(paying.clock.now() + timedelta(days=1, seconds=1))
    [payout] = paying.exported().payouts
    assert payout.nanos == 97 * ONE
    assert paying.statement_of(payout).on_hold == "9.7"
    assert paying.differences() == []


def test_a_refund_counts_at_once_and_more_than_was_earned_is_covered_by_the_next_earnings(
    paying, owner, price, buyer
):
    paying.sell(buyer, price, 100 * ONE)
    row = paying.world.invoice(buyer)
    paying.exported()
    paying.do(paying.world.billing.credit, row.invoice_id, reason="did not work", key="c")
    assert paying.owed() == -97 * ONE
    assert paying.prepare().payouts == 0
    told = paying.statements()[0]
    assert [(each.kind, each.gross, each.fee, each.net) for each in told.lines] == [
        ("refund", "-100", "-3", "-97")
    ]
    assert told.closing == "-97"
    assert "refunded" in told.carried_because
    run = paying.do(paying.runs.list_runs, paying.finance)[0]
    paying.do(paying.runs.cancel, paying.finance, run.run_id, by=ADA)
    paying.sell(buyer, price, 200 * ONE, at=APRIL)
    [payout] = paying.exported().payouts
    assert payout.nanos == 97 * ONE
    assert paying.differences() == []


def test_less_than_the_minimum_is_carried_over(paying, owner, price, buyer):
    paying.set_profile(owner, minimum=50 * ONE)
    paying.sell(buyer, price, 40 * ONE)
    first = paying.prepare()
    assert first.payouts == 0
    assert paying.statements()[0].carried_because == "it is below the minimum"
    paying.do(paying.runs.cancel, paying.finance, first.run_id, by=ADA)
    paying.sell(buyer, price, 40 * ONE)
    [payout] = paying.exported().payouts
    assert payout.nanos == 77_600_000_000
    assert paying.statement_of(payout).opening == "38.8"


def test_a_reserve_is_withheld_for_its_time_and_not_withheld_again(paying, owner, price, buyer):
    terms = Terms(hold_days=0, reserve_ppm=100_000, reserve_days=30)
    paying.set_profile(owner, terms=terms)
    paying.sell(buyer, price, 100 * ONE)
    [payout] = paying.exported().payouts
    assert payout.nanos == 87_300_000_000
    assert paying.balance(AccountKind.RESERVE, "acme") == -9_700_000_000
    paying.clock.turn_to(paying.clock.now() + timedelta(days=29))
    assert paying.exported().payouts == ()
    paying.clock.turn_to(paying.clock.now() + timedelta(days=1, seconds=1))
    [released] = paying.exported().payouts
    assert released.nanos == 9_700_000_000
    assert paying.balance(AccountKind.RESERVE, "acme") == 0
    assert paying.differences() == []


def test_tax_is_withheld_before_the_reserve(paying, owner, price, buyer):
    terms = Terms(0, reserve_ppm=100_000, reserve_days=30, tax_ppm=150_000, tax_jurisdiction="DE")
    paying.set_profile(owner, terms=terms)
    paying.sell(buyer, price, 100 * ONE)
    [payout] = paying.exported().payouts
    told = paying.statement_of(payout)
    assert (told.tax_withheld, told.reserve_withheld) == ("14.55", "8.245")
    assert (told.payable, told.closing) == ("74.2", "0.005")
    assert paying.balance(AccountKind.TAX, "DE") == -14_550_000_000
    assert paying.differences() == []


def test_what_fails_is_owed_again_with_what_was_withheld_of_it(paying, owner, price, buyer):
    terms = Terms(0, reserve_ppm=100_000, reserve_days=30, tax_ppm=150_000, tax_jurisdiction="DE")
    paying.set_profile(owner, terms=terms)
    paying.sell(buyer, price, 100 * ONE)
    run, [payout], _ = paying.exported()
    for _ in range(2):
        paying.do(paying.runs.fail, paying.finance, payout.payout_id, reason="closed", by=BOB)
    assert paying.detail(run).run.stage is RunStage.DONE
    assert paying.owed() == 97 * ONE
    assert paying.balance(AccountKind.RESERVE, "acme") == 0
    assert paying.balance(AccountKind.TAX, "DE") == 0
    assert paying.differences() == []
    [again] = paying.exported().payouts
    assert again.nanos == payout.nanos
    told = paying.statement_of(again)
    [line] = told.lines
    assert line.kind == "returned"
    assert "closed" in line.description
    assert paying.differences() == []


def test_a_confirmed_payout_may_still_come_back(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    run, [payout], _ = paying.exported()
    paying.do(paying.runs.confirm_all, paying.finance, run.run_id, by=BOB)
    paying.do(paying.runs.fail, paying.finance, payout.payout_id, reason="sent back", by=BOB)
    assert paying.owed() == 97 * ONE
    assert paying.balance(AccountKind.CASH, "bank") == 0
    assert paying.balance(AccountKind.CASH, ON_ITS_WAY) == 0
    assert paying.differences() == []


def test_a_cancelled_run_gives_everything_back(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    run = paying.prepare()
    with pytest.raises(RunOpen):
        paying.prepare()
    paying.do(paying.runs.approve, paying.finance, run.run_id, by=BOB)
    for _ in range(2):
        paying.do(paying.runs.cancel, paying.finance, run.run_id, by=ADA)
    assert paying.owed() == 97 * ONE
    with pytest.raises(RunState):
        paying.do(paying.runs.export, paying.finance, run.run_id, by=ADA)
    assert [each.nanos for each in paying.exported().payouts] == [97 * ONE]
    assert paying.differences() == []


def test_what_was_exported_is_not_cancelled_and_stays_as_it_is(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    run = paying.exported().run
    with pytest.raises(RunState):
        paying.do(paying.runs.cancel, paying.finance, run.run_id, by=ADA)
    first = paying.do(paying.runs.file, paying.finance, run.run_id)
    paying.clock.turn_to(paying.clock.now() + timedelta(days=3))
    again = paying.do(paying.runs.export, paying.finance, run.run_id, by=BOB)
    assert paying.do(paying.runs.file, paying.finance, run.run_id) == first
    assert sha256(first).hexdigest() == again.sha256 == run.sha256


def test_whoever_prepared_a_run_does_not_approve_it(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    run = paying.prepare(by=ADA)
    with pytest.raises(RunState):
        paying.do(paying.runs.export, paying.finance, run.run_id, by=ADA)
    with pytest.raises(SamePerson):
        paying.do(paying.runs.approve, paying.finance, run.run_id, by=ADA)
    approved = paying.do(paying.runs.approve, paying.finance, run.run_id, by=BOB)
    assert (approved.stage, approved.is_self_approved) == (RunStage.APPROVED, False)


def test_one_person_may_run_a_platform_and_the_run_says_so(database):
    paying = PayingWorld.begin(database, allows_self_approval=True)
    paying.add_publisher()
    paying.sell(paying.world.add_buyer(), paying.world.add_price(seller="acme"), 100 * ONE)
    run = paying.prepare(by=ADA)
    approved = paying.do(paying.runs.approve, paying.finance, run.run_id, by=ADA)
    assert approved.is_self_approved
    words = [each.what for each in paying.detail(run).events]
    assert words == ["begun", "prepared", "approved_by_who_prepared_it"]


def test_nothing_is_sent_to_a_changed_account_for_three_days(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    paying.set_profile(owner, iban=OTHER_IBAN)
    run = paying.prepare()
    assert run.payouts == 0
    assert "changed lately" in paying.statements()[0].carried_because
    paying.do(paying.runs.cancel, paying.finance, run.run_id, by=ADA)
    paying.clock.turn_to(paying.clock.now() + timedelta(days=3))
    # Another minimum is no other account.
    paying.set_profile(owner, iban=OTHER_IBAN, minimum=1)
    [payout] = paying.exported().payouts
    assert payout.destination.iban == OTHER_IBAN


def test_a_review_stops_everything_until_somebody_has_looked(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    profiles = paying.payouts.profiles
    paying.do(profiles.hold, paying.finance, "acme", "chargebacks", by=ADA)
    run = paying.prepare()
    assert run.payouts == 0
    assert paying.statements()[0].carried_because == "it is under review: chargebacks"
    paying.do(paying.runs.cancel, paying.finance, run.run_id, by=ADA)
    paying.do(profiles.lift, paying.finance, "acme", by=BOB)
    assert len(paying.exported().payouts) == 1
    words = [each.what for each in paying.do(profiles.trail, owner, "acme")]
    assert words[-2:] == ["held", "lifted"]


def test_who_lost_its_name_is_not_paid(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    paying.do(paying.catalog.verify_publisher, "acme", None)
    assert paying.prepare().payouts == 0
    assert "not verified" in paying.statements()[0].carried_because


def test_another_currency_is_exchanged_at_a_stored_rate(paying, price, buyer):
    paying.set_rate("EUR", "USD", 1_100_000_000)
    owner = paying.add_publisher("euro", currency="EUR")
    sold = paying.world.add_price(seller="euro")
    paying.sell(buyer, sold, 100 * ONE)
    [payout] = paying.prepare_detail("EUR").payouts
    told = paying.statement_of(payout)
    assert (payout.currency, payout.nanos) == ("EUR", 88_180_000_000)
    assert (told.currency, told.payable, told.closing) == ("USD", "97", "0")
    assert (told.paid, told.paid_currency) == ("88.18", "EUR")
    assert told.exchange.startswith("1 EUR = 1.1 USD")
    assert paying.balance(AccountKind.CASH, ON_ITS_WAY, "EUR") == -88_180_000_000
    assert paying.differences() == []
    paying.do(paying.runs.cancel, paying.finance, payout.run_id, by=ADA)
    assert paying.owed("euro") == 97 * ONE
    assert paying.balance(AccountKind.FX, "", "EUR") == 0
    assert paying.differences() == []
    assert owner is not None


def test_without_a_rate_it_waits(paying, buyer):
    paying.add_publisher("euro", currency="EUR")
    paying.sell(buyer, paying.world.add_price(seller="euro"), 100 * ONE)
    assert paying.prepare("EUR").payouts == 0
    assert paying.statements("euro")[0].carried_because == "there is no stored rate of USD in EUR"


def test_a_run_needs_an_account_to_pay_from(paying, buyer):
    paying.add_publisher("swiss", currency="CHF")
    paying.set_rate("CHF", "USD", 1_100_000_000)
    paying.sell(buyer, paying.world.add_price(seller="swiss"), 100 * ONE)
    run = paying.prepare("CHF")
    paying.do(paying.runs.approve, paying.finance, run.run_id, by=BOB)
    with pytest.raises(NoPayoutSource):
        paying.do(paying.runs.export, paying.finance, run.run_id, by=ADA)


def test_the_same_key_is_the_same_run(paying, owner, price, buyer):
    paying.sell(buyer, price, 100 * ONE)
    made = [
        paying.runs.prepare(paying.database, paying.finance, "USD", key="k", by=ADA)
        for _ in range(2)
    ]
    assert made[0] == made[1]
    with pytest.raises(PayoutKeyReused):
        paying.runs.prepare(paying.database, paying.finance, "USD", key="k", by=BOB)


def test_the_waterfall_is_what_a_run_would_find_and_what_the_ledger_has(
    paying, owner, price, buyer
):
    paying.sell(buyer, price, 100 * ONE)
    row = paying.world.invoice(buyer)
    paying.do(paying.world.billing.credit, row.invoice_id, reason="r", key="c", lines={1: 1000})
    fall = paying.fall()
    assert (fall.gross_nanos, fall.fee_nanos, fall.refund_nanos) == (
        100 * ONE,
        3 * ONE,
        9_700_000_000,
    )
    assert fall.payable_nanos == fall.balance_nanos == 87_300_000_000
    assert paying.do(paying.payouts.reader.ledger_nanos, fall) == fall.balance_nanos
    [payout] = paying.exported().payouts
    assert payout.nanos == fall.payable_nanos


def test_only_finance_runs_payouts_and_only_the_publisher_says_where(paying, owner, price, buyer):
    stranger = paying.add_publisher("stranger")
    viewer = paying.world.add_buyer(mode=None)
    weak = type(owner)(type(owner.organization_id).parse(viewer), owner.project_id, Role.VIEWER)
    with pytest.raises(Forbidden):
        paying.runs.prepare(paying.database, weak, "USD", key="k", by=ADA)
    with pytest.raises(Forbidden):
        paying.do(paying.payouts.profiles.hold, weak, "acme", "r", by=ADA)
    with pytest.raises(Forbidden):
        paying.set_profile(stranger, "acme")
    profiles = paying.payouts.profiles
    former = paying.do(profiles.get, owner, "acme")
    new = paying.new_profile(former)
    with pytest.raises(PreconditionFailed):
        paying.do(profiles.set, owner, "acme", new, by=ADA, revision=former.revision - 1)


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_a_failure_has_a_reason(paying, owner, price, buyer, reason):
    paying.sell(buyer, price, 100 * ONE)
    [payout] = paying.exported().payouts
    with pytest.raises(InvalidInput):
        paying.do(paying.runs.fail, paying.finance, payout.payout_id, reason=reason, by=BOB)
