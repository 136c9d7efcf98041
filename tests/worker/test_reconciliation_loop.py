"""All checks over real books: they agree, and each finds what is changed behind its back."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.features.billing.billing_parts import APRIL, MARCH, World, event
from tests.features.reconciliation.test_reconciliation_service import ADMIN
from tradewind.features.billing.checks import billing_checks
from tradewind.features.ledger.service import ledger_checks
from tradewind.features.reconciliation.schemas import RunState
from tradewind.features.reconciliation.service import Reconciliation
from tradewind.worker.reconciliation import Reconciler

pytestmark = pytest.mark.postgres

LATER = APRIL + timedelta(hours=5)


@pytest.fixture
def world(database):
    world = World.begin(database)
    acme, price = world.add_buyer(), world.add_price()
    for hour in range(3):
        at = MARCH + timedelta(hours=hour)
        world.use(
            event(
                acme,
                price,
                at,
                cost_nanos=1_000_000_000,
                host="openai",
                provider_cost_nanos=400_000_000,
                provider_currency="USD",
                input_tokens=1_000,
            )
        )
    world.settle()
    world.clock.turn_to(LATER)
    return world


@pytest.fixture
def run(world):
    books = (*ledger_checks(), *billing_checks())
    reconciler = Reconciler(
        world.database,
        Reconciliation(world.clock),
        world.ledger,
        world.clock,
        books,
        platform=lambda _tx: None,
    )

    def run():
        found = reconciler.run_now(by="a test")
        assert found.state is RunState.DONE
        return found

    return run


@pytest.fixture
def change(world):
    def change(statement, **values):
        with world.database.transaction() as tx:
            tx.execute(text(statement), values)

    return change


def failed(found):
    return {check.name: check.differences for check in found.failed}


def check_of(found, name):
    return next(check for check in found.checks if check.name == name)


def test_books_that_agree_have_no_difference_anywhere(run):
    found = run()

    assert failed(found) == {}
    assert check_of(found, "usage").counted == 3
    assert {"journal", "writers", "open_calls", "holds", "dead_leases", "unsettled"} <= {
        check.name for check in found.checks
    }
    assert all(check.advice and check.compares for check in found.checks)


def test_a_sum_that_was_changed_is_found(run, change):
    change("UPDATE usage_hour SET cost_nanos = cost_nanos + 7 WHERE hour = :hour", hour=MARCH)

    found = run()

    assert failed(found)["usage"] == 1
    assert check_of(found, "usage").nanos == 7


def test_what_the_journals_say_is_compared_with_the_events(run, change):
    change(
        "INSERT INTO usage_writer_day (node, boot_ns, organization_id, day, project_id, key_id,"
        " currency, cost_nanos) VALUES ('n', 1, 'org_x', :day, 'p', 'k', 'USD', 9)",
        day=MARCH.date() + timedelta(days=2),
    )

    found = run()

    # The calls of these books came from no gateway: the day after the first kept one is compared.
    assert failed(found) == {"writers": 1}
    assert check_of(found, "writers").nanos == 9


def test_damage_in_a_journal_and_a_lost_segment_are_found(run, change):
    for number, quarantined in ((1, 0), (2, 40), (4, 0)):
        change(
            "INSERT INTO journal_segment (name, node, boot_ns, number, read_offset, next_sequence,"
            " is_finished, quarantined_bytes, missing_frames, is_summed_by_writer)"
            " VALUES (:name, 'n', 1, :number, 0, 0, true, :quarantined, 0, true)",
            name=f"n.{number}",
            number=number,
            quarantined=quarantined,
        )

    assert failed(run()) == {"journal": 2}


def test_calls_without_an_end_are_found_after_a_day(run, change):
    for node, hours in (("old", 25), ("young", 23)):
        change(
            "INSERT INTO journal_open (event_id, node, boot_ns, opened, read_at)"
            " VALUES (gen_random_uuid(), :node, 1, '', :at)",
            node=node,
            at=LATER - timedelta(hours=hours),
        )

    assert failed(run()) == {"open_calls": 1}


def test_hours_that_nobody_settles_are_found(run, change, world):
    world.use(event(world.add_buyer(), world.add_price(), MARCH))

    assert failed(run()) == {"unsettled": 1}


def test_holds_past_their_time_and_leases_of_dead_gateways_are_found(run, change):
    change(
        "INSERT INTO budget (id, organization_id, name, currency, amount_nanos, period, is_hard,"
        " alert_percents, revision, created_at, updated_at) SELECT 'bud_1', min(id), 'B', 'USD',"
        " 100, 'month', true, '{}', 1, :now, :now FROM organization",
        now=MARCH,
    )
    change(
        "INSERT INTO budget_period (budget_id, period_start, ceiling_nanos, spent_nanos,"
        " leased_nanos, overspent_nanos) VALUES ('bud_1', :now, 100, 40, 20, 0)",
        now=MARCH,
    )
    for node, is_expired, granted in (("a", False, 20), ("b", True, 40)):
        change(
            "INSERT INTO budget_lease (budget_id, period_start, node, boot_ns, granted_nanos,"
            " used_nanos, is_expired, created_at, renewed_at, expires_at)"
            " VALUES ('bud_1', :now, :node, 1, :granted, 0, :is_expired, :now, :now, :now)",
            now=MARCH,
            node=node,
            granted=granted,
            is_expired=is_expired,
        )

    found = run()

    assert failed(found) == {"holds": 1, "dead_leases": 1}
    assert check_of(found, "dead_leases").nanos == 40


def statement(world, *rows):
    text_of = "\n".join(("day,measure,quantity,currency", *rows)).encode()
    with world.database.transaction() as tx:
        Reconciliation(world.clock).take_statement(
            tx, ADMIN, "openai", text_of, file_name="", by="Ada"
        )


def test_a_provider_that_says_the_same_agrees(run, world):
    statement(
        world,
        f"{MARCH.date()},cost,1.2,USD",
    )

    found = run()

    assert failed(found) == {}
    assert check_of(found, "providers").counted == 1


def test_a_provider_that_takes_more_is_found_and_its_newest_statement_counts(run, world):
    statement(world, f"{MARCH.date()},cost,1.2,USD")
    statement(world, f"{MARCH.date()},cost,1.3,USD")

    found = run()

    assert failed(found) == {"providers": 1}
    check = check_of(found, "providers")
    assert check.nanos == 100_000_000
    assert "1.2 USD by our events, 1.3 USD by the provider" in check.findings[0]


def test_tokens_are_compared_on_days_whose_events_are_all_kept(run, world, change):
    change("UPDATE usage_event SET at = at - interval '1 day' WHERE at = :at", at=MARCH)
    statement(world, f"{MARCH.date()},input_tokens,2000,", f"{MARCH.date()},requests,500,")

    check = check_of(run(), "providers")

    assert [finding.partition(": ")[2] for finding in check.findings] == [
        "requests: 2 by our events, 500 by the provider"
    ]
