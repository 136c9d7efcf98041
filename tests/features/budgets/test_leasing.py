"""Leases of budgets on a real database: what gateways are given, and never more."""

import random
import threading

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from tradewind.core.errors import InvalidInput
from tradewind.core.ids import BudgetId
from tradewind.features.budgets.leasing import Leasing
from tradewind.features.budgets.schemas import NewBudget, PeriodKind
from tradewind.features.budgets.tables import budget_lease, budget_period
from tradewind.features.budgets.upkeep import Upkeep, WriterEnd
from tradewind.wire.leases import MOST_LEASES, LeaseAsk, LeaseRequest

pytestmark = pytest.mark.postgres


@pytest.fixture
def budget(database, budgets, admin):
    with database.transaction() as tx:
        return budgets.add_budget(
            tx, admin, NewBudget("Team", "USD", 1000, PeriodKind.MONTH)
        ).budget_id


@pytest.fixture
def ask(database, leasing, budget):
    """Return a function that asks as one gateway and returns what it was granted."""

    def ask(used=0, needed=0, wanted=None, *, node="g", boot=1, period_ms=None, of=None):
        wanted = needed if wanted is None else wanted
        asked = LeaseAsk(of or budget, period_ms, used, needed, wanted)
        with database.transaction() as tx:
            return leasing.answer(tx, LeaseRequest(node, boot, (asked,))).leases[0]

    return ask


@pytest.fixture
def sums(database, budget):
    """Return a function that reads what is spent and leased."""

    def sums():
        with database.transaction() as tx:
            found = tx.execute(
                select(
                    budget_period.c.spent_nanos,
                    budget_period.c.leased_nanos,
                    budget_period.c.overspent_nanos,
                )
                .where(budget_period.c.budget_id == budget)
                .order_by(budget_period.c.period_start)
            ).all()
        return [tuple(row) for row in found]

    return sums


def test_a_period_begins_with_what_the_books_say_of_it(ask, books, sums, admin):
    books.spent = 250
    found = ask(needed=900)
    assert (found.granted_nanos, found.left_nanos, found.leased_nanos) == (750, 0, 0)
    assert sums() == [(250, 750, 0)]
    question = books.questions[-1]
    assert (question.organization_id, question.project_id, question.key_id) == (
        admin.organization_id,
        None,
        None,
    )
    assert (question.currency, str(question.since)) == ("USD", "2030-01-01 00:00:00+00:00")


def test_totals_only_grow_so_a_message_may_come_twice_or_not_at_all(ask, sums):
    ask(needed=400)
    again = ask(needed=400)
    assert again.granted_nanos == 400
    ask(used=100, needed=300)
    ask(used=100, needed=300)
    stale = ask(used=50, needed=300)
    assert stale.granted_nanos == 400
    assert sums() == [(100, 300, 0)]


def test_gateways_share_what_there_is(ask, sums):
    assert ask(needed=600, node="a").granted_nanos == 600
    found = ask(needed=600, node="b")
    assert (found.granted_nanos, found.left_nanos, found.leased_nanos) == (400, 0, 600)
    ask(used=100, needed=0, node="a")
    assert ask(needed=600, node="b").granted_nanos == 600
    assert sums() == [(100, 600, 0)]


def test_a_restarted_gateway_is_another_one(ask, sums):
    ask(used=0, needed=300, boot=1)
    assert ask(used=0, needed=900, boot=2).granted_nanos == 700
    assert sums() == [(0, 1000, 0)]


def test_a_budget_nobody_knows_bounds_nothing(ask):
    assert ask(of=BudgetId.new(), needed=5).is_gone


def test_a_new_period_has_a_new_amount_and_the_old_lease_only_shrinks(ask, clock, sums):
    former = ask(needed=1000)
    clock.turn(days=1)
    fresh = ask(needed=800)
    assert fresh.period_ms > former.period_ms
    assert fresh.period_ms == former.period_end_ms
    assert fresh.granted_nanos == 800
    late = ask(used=900, needed=500, period_ms=former.period_ms)
    assert (late.granted_nanos, late.period_ms) == (1000, former.period_ms)
    ask(used=900, needed=0, period_ms=former.period_ms)
    assert sums() == [(900, 0, 0), (0, 800, 0)]


def test_a_silent_gateway_counts_as_having_spent_its_lease_until_it_speaks(
    ask, clock, sums, database, books
):
    ask(used=0, needed=400, node="a")
    upkeep = Upkeep(clock, books, lambda *_: None, lambda *_: None)
    clock.turn(seconds=59)
    with database.transaction() as tx:
        assert upkeep.expire(tx) == 0
    clock.turn(seconds=2)
    with database.transaction() as tx:
        assert upkeep.expire(tx) == 1
        assert upkeep.expire(tx) == 0
    assert sums() == [(400, 0, 0)]
    assert ask(needed=900, node="b").granted_nanos == 600
    # It was only slow: what it still holds is its own.
    assert ask(used=50, needed=350, node="a").granted_nanos == 400
    assert sums() == [(50, 950, 0)]


@pytest.fixture
def reconcile(database, clock, books):
    """Return a function that reconciles, where the journal's end is known and the books say."""

    def reconcile(*, is_over=True, spent=120, by_writer=None):
        books.spent = spent
        books.questions.clear()
        end = WriterEnd(clock.now()) if is_over else None
        asked = []

        def read_writer_spend(_tx, node, boot, question):
            asked.append((node, boot, str(question.since), str(question.until)))
            return by_writer

        upkeep = Upkeep(clock, books, lambda _tx, _node, _boot: end, read_writer_spend)
        with database.transaction() as tx:
            done = upkeep.reconcile(tx)
        month = ("2030-01-01 00:00:00+00:00", "2030-02-01 00:00:00+00:00")
        assert all(each == ("a", 1, *month) for each in asked)
        return done

    return reconcile


@pytest.fixture
def died(ask, clock, database, books):
    """A gateway that leased 400, reported 50 and fell silent; the value is when."""
    ask(used=0, needed=400, node="a")
    ask(used=50, needed=350, node="a")
    began = clock.now()
    clock.turn(seconds=70)
    with database.transaction() as tx:
        assert Upkeep(clock, books, lambda *_: None, lambda *_: None).expire(tx) == 1
    return began


def test_once_its_journal_is_in_the_books_a_dead_gateway_has_spent_what_it_has(
    died, reconcile, clock, books, sums
):
    assert reconcile(is_over=False) == 0
    assert sums() == [(400, 0, 0)]
    assert reconcile() == 1
    assert sums() == [(120, 0, 0)]
    [question] = books.questions
    assert question.since < died
    assert question.until == clock.now()
    assert reconcile() == 0


def test_where_others_spent_of_it_too_the_safe_side_stays(died, reconcile, ask, clock, sums):
    clock.turn(seconds=-65)
    ask(needed=100, node="b")
    clock.turn(seconds=65)
    assert reconcile() == 0
    assert sums()[0][0] == 400


@pytest.fixture
def died_beside_another(died, ask, clock):
    """The dead gateway's budget is one that another gateway spends of all the while."""
    clock.turn(seconds=-65)
    ask(needed=100, node="b")
    clock.turn(seconds=65)


def test_beside_others_the_sums_of_its_own_journal_tell_what_a_dead_gateway_has_spent(
    died_beside_another, reconcile, sums
):
    assert sums() == [(400, 100, 0)]
    assert reconcile(is_over=False, by_writer=120) == 0, "its journal is not read to the end"
    assert reconcile(by_writer=120) == 1
    assert sums() == [(120, 100, 0)]
    assert reconcile(by_writer=120) == 0


def test_beside_others_a_dead_gateway_has_not_spent_more_than_its_lease_nor_less_than_it_told(
    died_beside_another, reconcile, sums
):
    assert reconcile(by_writer=10) == 1
    assert sums() == [(50, 100, 0)]


def test_sums_of_before_the_budget_count_up_to_the_lease(died_beside_another, reconcile, sums):
    assert reconcile(by_writer=5000) == 1
    assert sums() == [(400, 100, 0)]


def test_the_next_life_of_the_same_gateway_does_not_stand_in_the_way(
    died, reconcile, ask, clock, sums
):
    ask(needed=100, node="a", boot=2)
    clock.turn(seconds=5)
    assert reconcile() == 1
    assert sums() == [(120, 100, 0)]


def test_what_its_next_life_spends_is_not_taken_for_its_own(died, reconcile, ask, clock, books):
    began = clock.now()
    ask(needed=100, node="a", boot=2)
    clock.turn(seconds=5)
    reconcile()
    assert books.questions[-1].until == began


def test_more_in_the_books_than_was_leased_is_noted(died, reconcile, sums):
    assert reconcile(spent=500) == 1
    assert sums() == [(400, 0, 100)]


@pytest.fixture
def alert(database, clock, books, budgets, admin, budget):  # noqa: PLR0917  what it stands on
    """Return a function that looks for alerts and returns those of the budget's period."""
    upkeep = Upkeep(clock, books, lambda *_: None, lambda *_: None)

    def alert():
        with database.transaction() as tx:
            assert upkeep.alert(tx, "") == ""
            return [each.percent for each in budgets.get_budget(tx, admin, budget).alerts]

    return alert


def test_alerts_are_noted_once_for_each_part(ask, alert, clock):
    assert alert() == []
    ask(needed=900)
    ask(used=800, needed=0)
    assert alert() == [80]
    assert alert() == [80]
    ask(needed=200, used=800)
    ask(used=1000, needed=0)
    assert alert() == [80, 100]
    clock.turn(days=1)
    assert alert() == [], "a new month"


def test_what_ended_long_ago_is_forgotten_and_its_sums_stay(ask, database, clock, books, sums):
    ask(needed=100)
    ask(used=70, needed=0)
    clock.turn(days=8)
    with database.transaction() as tx:
        assert Upkeep(clock, books, lambda *_: None, lambda *_: None).forget(tx) == 1
        assert tx.execute(select(budget_lease)).all() == []
    assert sums()[0] == (70, 0, 0)


def test_the_database_itself_refuses_more_than_the_amount(ask, database):
    ask(needed=500)
    with pytest.raises(IntegrityError), database.transaction() as tx:
        tx.execute(text("UPDATE budget_period SET leased_nanos = 1001"))


@pytest.mark.parametrize(
    "request_",
    [
        LeaseRequest("", 1, ()),
        LeaseRequest("n" * 65, 1, ()),
        LeaseRequest("g", 1, (LeaseAsk("b", None, -1, 0, 0),)),
        LeaseRequest("g", 1, (LeaseAsk("b", None, 0, 2**63, 0),)),
        LeaseRequest("g", 1, (LeaseAsk("b", 10**15, 0, 0, 0),)),
        LeaseRequest("g", 1, (LeaseAsk("b", None, 0, 0, 0),) * (MOST_LEASES + 1)),
    ],
)
def test_what_no_gateway_asks_is_refused(database, leasing, request_):
    with pytest.raises(InvalidInput), database.transaction() as tx:
        leasing.answer(tx, request_)


def test_four_lessees_at_once_never_get_more_than_the_amount(
    database, clock, books, budgets, admin
):
    """Each in a thread of its own, asking for several budgets in its own order."""
    amount = 100_000
    with database.transaction() as tx:
        ids = [
            budgets.add_budget(
                tx, admin, NewBudget(f"b{n}", "USD", amount, PeriodKind.TOTAL)
            ).budget_id
            for n in range(3)
        ]
    failures = []
    spent = dict.fromkeys(ids, 0)
    guard = threading.Lock()

    def lessee(number):
        source = random.Random(number)
        leasing = Leasing(clock, books)
        granted, used = dict.fromkeys(ids, 0), dict.fromkeys(ids, 0)
        try:
            for _ in range(120):
                chosen = source.sample(ids, source.randint(1, 3))
                for each in chosen:
                    cost = source.randint(0, granted[each] - used[each])
                    used[each] += cost
                    with guard:
                        spent[each] += cost
                asks = tuple(
                    LeaseAsk(each, None, used[each], source.randint(0, 5000), 10**9)
                    for each in chosen
                )
                with database.transaction() as tx:
                    answer = leasing.answer(tx, LeaseRequest(f"g{number}", 1, asks))
                assert [grant.budget for grant in answer.leases] == chosen
                for grant in answer.leases:
                    assert grant.granted_nanos >= used[grant.budget]
                    granted[grant.budget] = grant.granted_nanos
        except BaseException as error:  # told by the test's own thread
            failures.append(error)
            raise

    threads = [threading.Thread(target=lessee, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert all(0 < each <= amount for each in spent.values())
    with database.transaction() as tx:
        rows = tx.execute(select(budget_period)).all()
        leases = tx.execute(select(budget_lease)).all()
    for row in rows:
        mine = [each for each in leases if each.budget_id == row.budget_id]
        assert row.spent_nanos + row.leased_nanos <= amount
        assert row.spent_nanos == sum(each.used_nanos for each in mine)
        assert row.leased_nanos == sum(each.granted_nanos - each.used_nanos for each in mine)
