"""What was spent by the books, and whether they are complete for a gateway."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert

from tradewind.features.budgets.schemas import SpendQuestion
from tradewind.features.metering.tables import (
    journal_open,
    journal_segment,
    usage_event,
    usage_hour,
)
from tradewind.readmodels.spend import find_writer_end, read_spend

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
