"""Runs and statements: asked for, run by one worker, kept as they ended."""

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.features.billing.billing_parts import TurnedClock
from tests.features.payments.payments_parts import Administrator
from tradewind.core.errors import Conflict, Forbidden, NotFound
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Role
from tradewind.db.outbox import outbox_message
from tradewind.features.accounts.tables import organization
from tradewind.features.reconciliation.schemas import CheckOutcome, RunState
from tradewind.features.reconciliation.service import DAILY_HOUR, LONGEST_RUN, Reconciliation

pytestmark = pytest.mark.postgres

PLAIN = b"day,measure,quantity,currency\n2026-03-01,cost,1.5,usd\n"


ADMIN = Administrator(OrganizationId.new(), ProjectId.new())


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def reconciliation(clock):
    return Reconciliation(clock)


def outcome(differences=0, name="usage"):
    findings = ("an hour: differs",) if differences else ()
    return CheckOutcome(
        name, "Events", "a with b", "Look.", 7, "hours", differences, 5, findings, 12
    )


def test_the_daily_run_begins_once_a_day_after_its_hour(database, reconciliation, clock):
    midnight = clock.now().replace(hour=0)
    clock.turn_to(midnight)
    with database.transaction() as tx:
        assert reconciliation.begin_due(tx) is None
    clock.turn_to(midnight + timedelta(hours=DAILY_HOUR))
    with database.transaction() as tx:
        first = reconciliation.begin_due(tx)
        assert first is not None
        assert reconciliation.begin_due(tx) is None
    clock.turn_to(midnight + timedelta(days=1, hours=DAILY_HOUR))
    with database.transaction() as tx:
        assert reconciliation.begin_due(tx) not in {None, first}


def test_a_run_that_is_asked_for_is_begun_by_one_worker(database, reconciliation, clock):
    clock.turn_to(clock.now().replace(hour=0))
    with database.transaction() as tx:
        asked = reconciliation.ask(tx, ADMIN, by="Ada")
    with database.transaction() as one, database.transaction() as other:
        assert reconciliation.begin_due(one) == asked.run_id
        assert reconciliation.begin_due(other) is None


def test_no_more_runs_wait_than_are_of_use(database, reconciliation):
    with database.transaction() as tx:
        reconciliation.ask(tx, ADMIN, by="Ada")
        reconciliation.ask(tx, ADMIN, by="Ada")
        with pytest.raises(Conflict):
            reconciliation.ask(tx, ADMIN, by="Ada")


def test_what_a_run_found_is_kept_and_told_once_a_day(database, reconciliation, clock):
    platform = OrganizationId.new()
    with database.transaction() as tx:
        tx.execute(organization.insert().values(id=platform, name="P", created_at=clock.now()))
        _, ended = (
            reconciliation.end(
                tx,
                reconciliation.begin(tx, by="Ada"),
                [outcome(), outcome(2, "providers")],
                platform=platform,
            )
            for _ in range(2)
        )
        messages = tx.execute(outbox_message.select()).all()

    assert not ended.is_clean
    assert [check.name for check in ended.failed] == ["providers"]
    [message] = messages
    assert message.kind == "reconciliation.failed"
    assert message.payload["checks"] == [
        {"name": "providers", "differences": 2, "findings": ["an hour: differs"]}
    ]


def test_a_clean_run_tells_nobody(database, reconciliation):
    with database.transaction() as tx:
        run_id = reconciliation.begin(tx, by="Ada")
        ended = reconciliation.end(tx, run_id, [outcome()], platform=OrganizationId.new())
        assert tx.execute(outbox_message.select()).all() == []
    assert ended.is_clean
    assert ended.checks == (outcome(),)


def test_a_run_whose_worker_is_gone_ends_as_failed(database, reconciliation, clock):
    with database.transaction() as tx:
        run_id = reconciliation.begin(tx, by="Ada")
    clock.turn_to(clock.now() + LONGEST_RUN + timedelta(seconds=1))
    with database.transaction() as tx:
        reconciliation.begin_due(tx)
        reconciliation.end(tx, run_id, [outcome()], platform=None)
        found = reconciliation.run(tx, ADMIN, run_id)
    assert found.state is RunState.FAILED, "what ended stays as it is"
    assert found.checks == ()


def test_the_same_file_is_one_statement(database, reconciliation):
    with database.transaction() as tx:
        first, again = (
            reconciliation.take_statement(tx, ADMIN, "openai", PLAIN, file_name="a.csv", by="Ada")
            for _ in range(2)
        )
        assert first.statement_id == again.statement_id
        assert len(reconciliation.statements(tx, ADMIN)) == 1
        reconciliation.delete_statement(tx, ADMIN, first.statement_id)
        assert reconciliation.statements(tx, ADMIN) == []
        with pytest.raises(NotFound):
            reconciliation.delete_statement(tx, ADMIN, first.statement_id)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
def test_the_books_of_the_platform_are_for_its_administrators(database, reconciliation, role):
    stranger = replace(ADMIN, role=role)
    with database.transaction() as tx:
        for act in (
            lambda: reconciliation.latest(tx, stranger),
            lambda: reconciliation.runs(tx, stranger),
            lambda: reconciliation.run(tx, stranger, secrets.token_hex()),
            lambda: reconciliation.ask(tx, stranger, by="x"),
            lambda: reconciliation.statements(tx, stranger),
            lambda: reconciliation.delete_statement(tx, stranger, "x"),
            lambda: reconciliation.take_statement(
                tx, stranger, "openai", PLAIN, file_name="", by="x"
            ),
        ):
            with pytest.raises(Forbidden):
                act()
