"""What was spent by the books, and whether they are complete for a gateway."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from catalog_parts import CatalogWorld
from sqlalchemy import event, insert

from tradewind.core.ids import OrganizationId
from tradewind.features.accounts.tables import organization
from tradewind.features.budgets.schemas import SpendQuestion
from tradewind.features.market.schemas import PriceTerms
from tradewind.features.metering.tables import (
    journal_open,
    journal_segment,
    usage_event,
    usage_hour,
    usage_writer_day,
)
from tradewind.readmodels.spend import (
    find_writer_end,
    read_spend,
    read_spends,
    read_writer_spend,
)

pytestmark = pytest.mark.postgres

HOUR = datetime(2030, 1, 31, 10, tzinfo=UTC)


def an_hour(**changes):
    return {
        "organization_id": "org_a",
        "hour": HOUR,
        "project_id": "proj_a",
        "key_id": "key1",
        "model": "tw/small",
        "operation": "chat",
        "price_id": "price_1",
        "currency": "USD",
        "requests": 10,
        "failed": 1,
        "cancelled": 2,
        "orphaned": 3,
        "input_tokens": 100,
        "cached_input_tokens": 50,
        "output_tokens": 200,
        "cost_nanos": 1,
        "first_token_count": 6,
        "first_token_us_total": 600,
        "duration_us_total": 0,
    } | changes


def question(**changes):
    return SpendQuestion(
        **{
            "organization_id": "org_a",
            "project_id": None,
            "key_id": None,
            "currency": "USD",
            "since": HOUR,
            "until": HOUR + timedelta(hours=1),
        }
        | changes
    )


@pytest.fixture
def tx(database):
    with database.transaction() as tx:
        tx.execute(
            insert(usage_hour),
            [
                an_hour(),
                an_hour(key_id="key2", cost_nanos=2**62),
                an_hour(project_id="proj_b", cost_nanos=2**62),
                an_hour(currency="EUR", cost_nanos=1000),
                an_hour(organization_id="org_b", cost_nanos=1000),
                an_hour(hour=HOUR + timedelta(hours=1), cost_nanos=10_000),
                an_hour(hour=HOUR - timedelta(hours=1), cost_nanos=100_000),
            ],
        )
        yield tx


def test_whole_hours_are_summed_by_scope(tx):
    assert read_spend(tx, question()) == 1 + 2**63
    assert read_spend(tx, question(project_id="proj_a")) == 1 + 2**62
    assert read_spend(tx, question(project_id="proj_a", key_id="key1")) == 1
    assert read_spend(tx, question(currency="EUR")) == 1000
    assert read_spend(tx, question(currency="CHF")) == 0
    assert read_spend(tx, question(project_id="proj_a", key_id="key1", until=None)) == 10_001


def test_many_scopes_are_summed_in_one_statement_and_in_their_order(tx):
    asked = [question(currency="EUR"), question(), question(currency="CHF")]
    statements = []
    event.listen(tx, "before_cursor_execute", lambda *_: statements.append(1))
    assert read_spends(tx, asked) == [read_spend(tx, each) for each in asked]
    assert len(statements) == 1 + len(asked)
    assert read_spends(tx, []) == []
    assert read_spends(tx, asked[:2] * 300) == [1000, 1 + 2**63] * 300


def test_parts_of_hours_are_summed_from_the_events(tx, database):
    with database.connect_raw(autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS usage_event_default PARTITION OF usage_event DEFAULT"
        )
    for minute, cost in ((1, 1), (2, 10), (3, 100)):
        tx.execute(
            insert(usage_event).values(
                event_id=uuid4(),
                at=HOUR + timedelta(minutes=minute),
                organization_id="org_a",
                project_id="proj_a",
                key_id="key1",
                operation="chat",
                model="tw/small",
                deployment_id="dep",
                price_id="price_1",
                currency="USD",
                is_stream=False,
                outcome="completed",
                http_status=200,
                input_tokens=1,
                cached_input_tokens=0,
                output_tokens=1,
                usage_source="upstream",
                cost_nanos=cost,
                duration_us=1,
            )
        )
    since, until = HOUR + timedelta(minutes=2), HOUR + timedelta(minutes=3)
    assert read_spend(tx, question(since=since, until=until)) == 10
    assert read_spend(tx, question(since=since, until=None)) == 110


def test_what_one_gateway_spent_is_known_by_day_where_all_of_its_journal_was_read(tx):
    def add_day(day, **changes):
        row = {
            "node": "gateway",
            "boot_ns": 5,
            "organization_id": "org_a",
            "day": date(2030, 1, day),
            "project_id": "proj_a",
            "key_id": "key1",
            "currency": "USD",
            "cost_nanos": 1,
        }
        tx.execute(insert(usage_writer_day).values(**(row | changes)))

    def add_segment(number, **changes):
        row = {
            "name": f"gateway-5-{number}.journal",
            "node": "gateway",
            "boot_ns": 5,
            "number": number,
            "read_offset": 1,
            "next_sequence": 1,
            "is_finished": True,
            "quarantined_bytes": 0,
            "missing_frames": 0,
            "is_summed_by_writer": True,
        }
        tx.execute(insert(journal_segment).values(**(row | changes)))

    january = {
        "since": datetime(2030, 1, 1, tzinfo=UTC),
        "until": datetime(2030, 1, 31, tzinfo=UTC),
    }
    add_day(1, cost_nanos=2)
    add_day(30, cost_nanos=3)
    add_day(31, cost_nanos=100)
    add_day(1, key_id="key2", cost_nanos=1000)
    add_day(1, boot_ns=6, cost_nanos=10_000)
    add_day(1, organization_id="org_b", cost_nanos=10_000)
    add_day(1, currency="EUR", cost_nanos=10_000)
    assert read_writer_spend(tx, "gateway", 5, question(**january)) is None, "no segment"
    add_segment(0)
    add_segment(1)
    assert read_writer_spend(tx, "gateway", 5, question(**january)) == 1005
    of_key = question(project_id="proj_a", key_id="key1", **january)
    assert read_writer_spend(tx, "gateway", 5, of_key) == 5
    assert read_writer_spend(tx, "gateway", 5, question(**january | {"until": None})) == 1105
    for changes in (
        {"quarantined_bytes": 1},
        {"missing_frames": 1},
        {"is_summed_by_writer": False},
    ):
        with tx.begin_nested() as point:
            add_segment(2, **changes)
            assert read_writer_spend(tx, "gateway", 5, question(**january)) is None
            point.rollback()


def test_of_a_wallet_only_that_is_spent_which_is_charged(tx, database):
    shown = CatalogWorld(database)
    added = shown.add_model()
    charged = shown.set_price(added)
    owner = OrganizationId.new()
    tx.execute(insert(organization).values(id=owner, name="Own", created_at=HOUR))
    shown.market.show_price(tx, added.model_id, owner, PriceTerms("USD", {"input_tokens": 7}))
    only_shown = shown.market.shown_price_of(tx, added.model_id, owner)
    assert only_shown is not None
    there = {"organization_id": owner}
    writer = {
        "node": "gateway",
        "boot_ns": 7,
        "organization_id": owner,
        "day": HOUR.date(),
        "project_id": "proj_a",
        "key_id": "key1",
        "currency": "USD",
    }
    for price_id, cost in ((charged, 1), (only_shown.price_id, 10), ("price_of_before", 100)):
        tx.execute(
            insert(usage_hour).values(**an_hour(**there, price_id=price_id, cost_nanos=cost))
        )
        row = writer | {"price_id": price_id, "cost_nanos": cost}
        tx.execute(insert(usage_writer_day).values(**row))
    tx.execute(
        insert(journal_segment).values(
            name="gateway-7-0.journal",
            node="gateway",
            boot_ns=7,
            number=0,
            read_offset=1,
            next_sequence=1,
            is_finished=True,
            quarantined_bytes=0,
            missing_frames=0,
            is_summed_by_writer=True,
        )
    )
    everything, charged_only = question(**there), question(**there, is_charged_only=True)
    assert (read_spend(tx, everything), read_spend(tx, charged_only)) == (111, 101)
    assert read_spends(tx, [charged_only, everything]) == [101, 111]
    of_day = {"since": HOUR.replace(hour=0), "until": None}
    of_writer = [
        read_writer_spend(tx, "gateway", 7, replace(one, **of_day))
        for one in (everything, charged_only)
    ]
    assert of_writer == [111, 101]


def test_the_books_are_complete_when_every_segment_is_and_no_call_is_open(tx):
    assert find_writer_end(tx, "gateway", 5) is None

    def add_segment(number, *, is_finished, boot_ns=5):
        tx.execute(
            insert(journal_segment).values(
                name=f"gateway-{boot_ns}-{number}.journal",
                node="gateway",
                boot_ns=boot_ns,
                number=number,
                read_offset=1,
                next_sequence=1,
                is_finished=is_finished,
                quarantined_bytes=0,
                missing_frames=0,
                updated_at=HOUR + timedelta(minutes=number),
            )
        )

    add_segment(0, is_finished=True)
    add_segment(0, is_finished=False, boot_ns=6)
    end = find_writer_end(tx, "gateway", 5)
    assert end is not None
    assert end.ended_before == HOUR
    assert find_writer_end(tx, "gateway", 6) is None
    tx.execute(insert(journal_open).values(event_id=uuid4(), node="gateway", boot_ns=5, opened=b""))
    assert find_writer_end(tx, "gateway", 5) is None
