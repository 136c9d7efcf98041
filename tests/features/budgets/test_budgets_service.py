"""Budgets and terms as people keep them, on a real database."""

import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from tradewind.core.errors import Forbidden, InvalidInput, NotFound, PreconditionFailed
from tradewind.core.ids import BudgetId, OrganizationId, ProjectId
from tradewind.core.permissions import Role
from tradewind.db.change_feed import read_feed
from tradewind.features.accounts.schemas import KeyHolder, KeyPurpose
from tradewind.features.budgets.schemas import (
    BudgetChanges,
    ModelLimits,
    NewBudget,
    NewTerms,
    PeriodKind,
)
from tradewind.snapshot.contents import Conditions, Limits
from tradewind.wire.leases import LeaseAsk, LeaseRequest

pytestmark = pytest.mark.postgres

MONTHLY = NewBudget("Team", "USD", 1000, PeriodKind.MONTH)
TERMS = NewTerms(
    limits=Limits(60, 0, None),
    models=(ModelLimits("tw/large", Limits(1)), ModelLimits("tw/small", Limits(None, 5))),
    conditions=Conditions(regions=frozenset({"eu", "ch"}), no_training=True),
)


@pytest.fixture
def tx(database, first_run):
    with database.transaction() as tx:
        yield tx


def test_what_nobody_said_anything_of_has_the_defaults(tx, budgets, admin):
    found = budgets.get_terms(tx, admin, admin.project_id)
    assert (found.terms, found.revision, found.is_project) == (NewTerms(), 0, True)
    assert budgets.list_terms(tx, admin) == []


def test_terms_are_kept_whole_and_replaced_whole(tx, budgets, admin):
    put = budgets.put_terms(tx, admin, admin.project_id, TERMS)
    assert (put.terms, put.revision, put.is_project) == (TERMS, 1, True)
    assert budgets.get_terms(tx, admin, admin.project_id) == put
    whole = replace(NewTerms(), response_days=0, content_days=7, cache_ttl_s=60)
    budgets.put_terms(tx, admin, admin.organization_id, whole)
    again = budgets.put_terms(tx, admin, admin.project_id, NewTerms())
    assert (again.terms, again.revision) == (NewTerms(), 2)
    assert [row.subject_id for row in budgets.list_terms(tx, admin)] == [
        admin.organization_id,
        admin.project_id,
    ]


def test_what_is_kept_for_organizations_cannot_be_said_of_projects(tx, budgets, admin):
    for changes in ({"cache_ttl_s": 1}, {"response_days": 0}, {"content_days": 1}):
        with pytest.raises(InvalidInput, match="whole organizations"):
            budgets.put_terms(tx, admin, admin.project_id, replace(NewTerms(), **changes))


def test_terms_of_another_organization_are_not_found(tx, budgets, admin):
    for stranger in (OrganizationId.new(), ProjectId.new(), "nothing"):
        with pytest.raises(NotFound):
            budgets.get_terms(tx, admin, stranger)
        with pytest.raises(NotFound):
            budgets.put_terms(tx, admin, stranger, TERMS)
    elsewhere = replace(admin, organization_id=OrganizationId.new(), project_id=ProjectId.new())
    budgets.put_terms(tx, admin, admin.project_id, TERMS)
    with pytest.raises(NotFound):
        budgets.get_terms(tx, elsewhere, admin.project_id)
    with pytest.raises(NotFound):
        budgets.put_terms(tx, elsewhere, admin.project_id, NewTerms())
    assert budgets.get_terms(tx, admin, admin.project_id).terms == TERMS


def test_terms_that_changed_since_they_were_read_are_not_overwritten(tx, budgets, admin):
    budgets.put_terms(tx, admin, admin.project_id, TERMS, revision=0)
    for seen in (0, 2):
        with pytest.raises(PreconditionFailed):
            budgets.put_terms(tx, admin, admin.project_id, NewTerms(), revision=seen)
    budgets.put_terms(tx, admin, admin.project_id, NewTerms(), revision=1)


def test_of_two_first_terms_at_once_the_second_is_told_of_the_other(database, budgets, admin):
    failures = []

    def put_second():
        try:
            with database.transaction() as second:
                budgets.put_terms(second, admin, admin.project_id, NewTerms(), revision=0)
        except PreconditionFailed as error:
            failures.append(error)

    with database.transaction() as first:
        budgets.put_terms(first, admin, admin.project_id, TERMS, revision=0)
        thread = threading.Thread(target=put_second)
        thread.start()
        # It has seen that there are none, and waits for our row.
        until_somebody_waits(database)
    thread.join()
    assert [error.code for error in failures] == ["precondition_failed"]


def until_somebody_waits(database):
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(3000):
        with database.transaction() as tx:
            if tx.execute(waiting).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def test_a_list_of_budgets_asks_the_books_once_for_all(tx, budgets, books, admin):
    for name in "abc":
        budgets.add_budget(tx, admin, replace(MONTHLY, name=name, is_hard=False))
    books.asked_at_once.clear()
    books.spent = 7
    found = budgets.list_budgets(tx, admin)
    assert [(row.name, row.spent_nanos) for row in found] == [("c", 7), ("b", 7), ("a", 7)]
    assert books.asked_at_once == [3]


def test_gateways_are_told_of_what_changed(database, budgets, admin):
    with database.transaction() as tx:
        position = read_feed(tx, None).position
    with database.transaction() as tx:
        budgets.put_terms(tx, admin, admin.project_id, TERMS)
    with database.transaction() as tx:
        feed = read_feed(tx, position)
    assert feed.terms == {admin.project_id}
    with database.transaction() as tx:
        budgets.add_budget(tx, admin, MONTHLY)
    with database.transaction() as tx:
        feed = read_feed(tx, feed.position)
    assert feed.budgets
    assert feed.terms == {admin.organization_id}


def test_a_budget_is_kept_changed_and_deleted(tx, budgets, admin, books):
    books.spent = 300
    added = budgets.add_budget(tx, admin, MONTHLY)
    assert (added.name, added.amount_nanos, added.spent_nanos, added.left_nanos) == (
        "Team",
        1000,
        300,
        700,
    )
    assert (str(added.period_start), str(added.period_end)) == (
        "2030-01-01 00:00:00+00:00",
        "2030-02-01 00:00:00+00:00",
    )
    changed = budgets.update_budget(
        tx, admin, added.budget_id, BudgetChanges(name="All", amount_nanos=500), revision=1
    )
    assert (changed.name, changed.amount_nanos, changed.revision) == ("All", 500, 2)
    with pytest.raises(PreconditionFailed):
        budgets.delete_budget(tx, admin, added.budget_id, revision=1)
    budgets.delete_budget(tx, admin, added.budget_id)
    assert budgets.list_budgets(tx, admin) == []
    with pytest.raises(NotFound):
        budgets.get_budget(tx, admin, added.budget_id)


def test_budgets_of_a_key_are_its_own_its_projects_and_its_organizations(
    tx, budgets, accounts, admin, first_run
):
    other = accounts.create_key(tx, admin, name="Other")
    own = budgets.add_budget(tx, admin, replace(MONTHLY, key_id=first_run.key_id))
    project = budgets.add_budget(tx, admin, replace(MONTHLY, project_id=admin.project_id))
    everybody = budgets.add_budget(tx, admin, MONTHLY)
    budgets.add_budget(tx, admin, replace(MONTHLY, key_id=other.row.key_id))
    found = {row.budget_id for row in budgets.budgets_of_key(tx, admin, first_run.key_id)}
    assert found == {own.budget_id, project.budget_id, everybody.budget_id}
    assert [own.scope, project.scope, everybody.scope] == ["key", "project", "organization"]


def test_a_budget_of_what_is_not_ones_own_cannot_be_made(tx, budgets, admin):
    for changes in ({"project_id": ProjectId.new()}, {"key_id": "nokey"}):
        with pytest.raises(NotFound):
            budgets.add_budget(tx, admin, replace(MONTHLY, **changes))
    with pytest.raises(NotFound):
        budgets.update_budget(tx, admin, BudgetId.new(), BudgetChanges(name="x"))


def test_without_the_permission_nothing_is_read_or_changed(tx, budgets, admin):
    developer = replace(admin, role=Role.DEVELOPER)
    key = KeyHolder(
        key_id="k",
        key_name="k",
        organization_id=admin.organization_id,
        organization_name="",
        project_id=admin.project_id,
        project_name="",
        purpose=KeyPurpose.CLIENT,
        is_of_platform=True,
        models=None,
    )
    with pytest.raises(Forbidden):
        budgets.list_budgets(tx, key)
    with pytest.raises(Forbidden):
        budgets.get_terms(tx, key, admin.project_id)
    assert budgets.list_budgets(tx, developer) == []
    for change in (
        lambda: budgets.add_budget(tx, developer, MONTHLY),
        lambda: budgets.put_terms(tx, developer, admin.project_id, TERMS),
        lambda: budgets.delete_budget(tx, developer, BudgetId.new()),
    ):
        with pytest.raises(Forbidden):
            change()


def test_an_amount_may_be_lowered_below_what_is_spent_and_then_nothing_more_is(
    tx, budgets, leasing, admin
):
    budget = budgets.add_budget(tx, admin, MONTHLY)

    def ask(used, needed):
        request = LeaseRequest("g", 1, (LeaseAsk(budget.budget_id, None, used, needed, needed),))
        return leasing.answer(tx, request).leases[0]

    assert ask(0, 600).granted_nanos == 600
    budgets.update_budget(tx, admin, budget.budget_id, BudgetChanges(amount_nanos=100))
    found = ask(200, 900)
    assert (found.granted_nanos, found.left_nanos) == (600, 0)
    standing = budgets.get_budget(tx, admin, budget.budget_id)
    assert (standing.spent_nanos, standing.leased_nanos, standing.left_nanos) == (200, 400, 0)
    budgets.update_budget(tx, admin, budget.budget_id, BudgetChanges(amount_nanos=1000))
    assert ask(200, 700).granted_nanos == 900


def test_a_soft_budget_that_becomes_hard_begins_with_what_the_books_say(
    tx, budgets, leasing, admin, books
):
    budget = budgets.add_budget(tx, admin, replace(MONTHLY, is_hard=False))
    ask = LeaseAsk(budget.budget_id, None, 0, 500, 500)
    assert leasing.answer(tx, LeaseRequest("g", 1, (ask,))).leases[0].is_gone
    books.spent = 700
    assert budgets.get_budget(tx, admin, budget.budget_id).spent_nanos == 700
    budgets.update_budget(tx, admin, budget.budget_id, BudgetChanges(is_hard=True))
    assert leasing.answer(tx, LeaseRequest("g", 1, (ask,))).leases[0].granted_nanos == 300
