"""What others are told of budgets: of each part once, and of a hard one that refuses calls."""

import threading

import pytest
from sqlalchemy import select

from tradewind.db.outbox import outbox_message
from tradewind.features.budgets.schemas import BudgetChanges, NewBudget, PeriodKind
from tradewind.features.budgets.upkeep import Upkeep
from tradewind.wire.leases import LeaseAsk, LeaseRequest

pytestmark = pytest.mark.postgres

USD = 1_000_000_000


class Desk:
    """A budget of ten dollars a month, gateways that spend of it, and the upkeep."""

    def __init__(self, *, database, budgets, admin, leasing, clock, books):
        self.database, self.budgets, self.admin = database, budgets, admin
        self.leasing = leasing
        self.upkeep = Upkeep(clock, books, lambda *_: None, lambda *_: None)
        self.budget_id = ""

    def add(self, amount=10 * USD, *, is_hard=True, percents=(80, 100)):
        new = NewBudget("Größe", "USD", amount, PeriodKind.MONTH, is_hard, percents)
        with self.database.transaction() as tx:
            self.budget_id = self.budgets.add_budget(tx, self.admin, new).budget_id

    def ask(self, used, needed=0, *, node="g"):
        """Ask for a lease as a gateway that has used so much; return what it may use in all."""
        asked = LeaseAsk(self.budget_id, None, used, needed, needed)
        with self.database.transaction() as tx:
            grant = self.leasing.answer(tx, LeaseRequest(node, 1, (asked,))).leases[0]
        return grant.granted_nanos

    def look(self):
        with self.database.transaction() as tx:
            self.upkeep.alert(tx, "")

    def change_amount(self, amount):
        with self.database.transaction() as tx:
            changes = BudgetChanges(amount_nanos=amount)
            self.budgets.update_budget(tx, self.admin, self.budget_id, changes)

    @property
    def told(self):
        """Kinds and percents of everything that was told, in order."""
        with self.database.transaction() as tx:
            rows = tx.execute(select(outbox_message).order_by(outbox_message.c.number)).all()
        return [(row.kind, row.payload.get("percent")) for row in rows]

    @property
    def payloads(self):
        with self.database.transaction() as tx:
            rows = tx.execute(select(outbox_message).order_by(outbox_message.c.number)).all()
        return [row.payload for row in rows]


@pytest.fixture
def desk(*, database, budgets, admin, leasing, clock, books):
    return Desk(
        database=database, budgets=budgets, admin=admin, leasing=leasing, clock=clock, books=books
    )


def test_of_each_part_is_told_once_in_a_period(desk, books, clock):
    desk.add(is_hard=False)
    told = []
    for spent in (7, 8, 9, 9, 10, 11):
        books.spent = spent * USD
        desk.look()
        told.append(len(desk.told))
    assert told == [0, 1, 1, 1, 2, 2]
    assert desk.told == [("budget.alert", 80), ("budget.alert", 100)]

    clock.turn(days=2)  # a new month
    desk.look()
    assert desk.told[2:] == [("budget.alert", 80), ("budget.alert", 100)]


def test_what_is_told_can_be_read_without_asking_back(desk, books):
    desk.add(is_hard=False)
    books.spent = 8_250_000_000
    desk.look()
    assert desk.payloads == [
        {
            "budget": desk.budget_id,
            "name": "Größe",
            "project": None,
            "key": None,
            "is_hard": False,
            "period": "month",
            "period_start": "2030-01-01T00:00:00+00:00",
            "period_end": "2030-02-01T00:00:00+00:00",
            "currency": "USD",
            "amount": "10",
            "spent": "8.25",
            "left": "1.75",
            "percent": 80,
        }
    ]


def test_two_workers_that_look_at_once_tell_once(desk, books):
    desk.add(is_hard=False)
    books.spent = 10 * USD
    others = [threading.Thread(target=desk.look) for _ in range(4)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    assert sorted(desk.told) == [("budget.alert", 80), ("budget.alert", 100)]


def test_a_look_that_is_rolled_back_has_told_nothing(desk, books):
    desk.add(is_hard=False)
    books.spent = 8 * USD

    def look_and_fail():
        with desk.database.transaction() as tx:
            desk.upkeep.alert(tx, "")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        look_and_fail()
    assert desk.told == []
    desk.look()
    assert desk.told == [("budget.alert", 80)]


def test_a_soft_budget_never_refuses_and_is_never_exhausted(desk, books):
    desk.add(is_hard=False, percents=())
    books.spent = 20 * USD
    desk.look()
    assert desk.told == []


def test_a_hard_budget_that_is_spent_is_exhausted_once(desk):
    desk.add(percents=())
    desk.ask(0, 10 * USD)
    desk.ask(10 * USD)
    desk.look()
    desk.look()
    assert desk.ask(10 * USD, USD) == 10 * USD
    assert desk.told == [("budget.exhausted", None)]
    assert desk.payloads[0]["left"] == "0"


def test_one_with_little_left_is_exhausted_when_it_refuses_a_call(desk):
    desk.add(percents=())
    desk.ask(0, 10 * USD)
    desk.ask(9_500_000_000)
    desk.look()
    assert desk.told == [], "smaller calls still fit"
    for _ in range(3):
        assert desk.ask(9_500_000_000, USD) == 10 * USD
    desk.look()
    assert desk.told == [("budget.exhausted", None)]
    assert desk.payloads[0]["left"] == "0.5"


def test_calls_that_run_and_will_give_back_do_not_exhaust_it(desk):
    desk.add(percents=())
    assert desk.ask(5 * USD, 20 * USD) == 10 * USD
    assert desk.told == []


def test_what_others_hold_and_will_give_back_does_not_exhaust_it(desk):
    desk.add(percents=())
    desk.ask(0, 10 * USD, node="other")
    desk.ask(9 * USD, USD, node="other")
    assert desk.ask(0, USD) == 0
    assert desk.told == []
    desk.ask(9_900_000_000, 0, node="other")
    desk.ask(0, USD)
    assert desk.told == [("budget.exhausted", None)]


def test_whatever_it_is_worth_later_can_be_exhausted_again(desk):
    desk.add(percents=())
    desk.ask(0, 10 * USD)
    desk.ask(10 * USD, USD)
    desk.change_amount(20 * USD)
    desk.look()
    assert len(desk.told) == 1
    desk.ask(10 * USD, 10 * USD)
    desk.ask(20 * USD, USD)
    desk.look()
    assert desk.told == [("budget.exhausted", None)] * 2


def test_a_budget_of_nothing_is_exhausted_by_the_first_call(desk):
    desk.add(0, percents=())
    desk.look()
    assert desk.told == []
    assert desk.ask(0, USD) == 0
    assert desk.told == [("budget.exhausted", None)]
