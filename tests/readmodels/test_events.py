"""The recorded cost of one call."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from tradewind.core.ids import event_id_of_request, request_id, uuid7_bytes
from tradewind.core.money import Money
from tradewind.features.metering.tables import usage_event
from tradewind.readmodels.events import cost_of_event

pytestmark = pytest.mark.postgres

NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def record(database):
    """Return a function that puts an event into the books, as the shipper does."""
    with database.transaction() as tx:
        for name, first, end in (
            ("d30", "2030-01-30", "2030-01-31"),
            ("d31", "2030-01-31", "2030-02-01"),
        ):
            tx.execute(
                text(
                    f"CREATE TABLE usage_event_{name} PARTITION OF usage_event"
                    f" FOR VALUES FROM ('{first} 00:00Z') TO ('{end} 00:00Z')"
                )
            )

    def add(at, *, nanos=7, currency="USD"):
        since_epoch = at - datetime(1970, 1, 1, tzinfo=UTC)
        raw = uuid7_bytes(since_epoch // timedelta(milliseconds=1))
        with database.transaction() as tx:
            tx.execute(
                insert(usage_event).values(
                    event_id=uuid.UUID(bytes=raw),
                    at=at,
                    organization_id="org_a",
                    project_id="proj_a",
                    key_id="key1",
                    operation="chat",
                    model="tw/small",
                    deployment_id="dep_1",
                    price_id="price_1",
                    currency=currency,
                    is_stream=False,
                    outcome="completed",
                    http_status=200,
                    input_tokens=1,
                    cached_input_tokens=0,
                    output_tokens=1,
                    usage_source="upstream",
                    cost_nanos=nanos,
                    duration_us=1,
                )
            )
        return request_id(raw)

    return add


@pytest.fixture
def cost_of(database):
    def read(name):
        with database.transaction() as tx:
            return cost_of_event(tx, event_id_of_request(name))

    return read


@pytest.mark.parametrize("microseconds", [0, 1, 499, 500, 999, 123_456, 999_999])
def test_the_cost_of_a_request_is_found_by_its_id_alone(record, cost_of, microseconds):
    name = record(NOON + timedelta(microseconds=microseconds), nanos=2**62, currency="EUR")
    assert cost_of(name) == Money(2**62, "EUR")


@pytest.mark.parametrize(
    "at",
    [NOON.replace(hour=0), NOON.replace(hour=0) - timedelta(microseconds=1)],
    ids=["first moment of a day", "last moment of a day"],
)
def test_the_cost_is_found_at_the_border_of_two_partitions(record, cost_of, at):
    assert cost_of(record(at)) == Money(7, "USD")


def test_calls_of_one_moment_are_kept_apart(record, cost_of):
    names = [record(NOON, nanos=number) for number in range(5)]
    assert [cost_of(name) for name in names] == [Money(n, "USD") for n in range(5)]


def test_free_is_not_the_same_as_unknown(record, cost_of):
    assert cost_of(record(NOON, nanos=0)) == Money(0, "USD")


def test_a_call_that_is_not_in_the_books_has_no_cost_yet(record, cost_of):
    record(NOON)
    assert cost_of(request_id(uuid7_bytes())) is None


def test_only_the_partitions_of_its_moment_are_read(database, record):
    record(NOON)
    name = record(NOON - timedelta(days=1))
    with database.transaction() as tx:
        assert cost_of_event(tx, event_id_of_request(name)) is not None
        locked = tx.execute(
            text(
                "SELECT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid()"
                " AND locktype = 'relation' AND relation::regclass::text LIKE 'usage_event_d__'"
            )
        ).scalars()
        assert list(locked) == ["usage_event_d30"]
