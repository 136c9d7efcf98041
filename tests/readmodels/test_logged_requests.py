"""The request log as a list and one by one."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from tradewind.features.accounts.tables import api_key, organization, project
from tradewind.features.catalog.tables import model, publisher
from tradewind.features.market.tables import price
from tradewind.features.metering import repository
from tradewind.features.metering.rules import event_row, log_row, log_row_of_refusal
from tradewind.readmodels.requests import (
    RequestQuestion,
    RequestState,
    list_requests,
    show_request,
)
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.event import Attempt, Outcome, Refused, Trail, Usage, UsageSource

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORGANIZATION = "org_01890000000000000000000000"


def event_id_at(moment: datetime, number: int) -> bytes:
    milliseconds = int(moment.timestamp() * 1000)
    return milliseconds.to_bytes(6, "big") + b"\x70\x00\x80" + number.to_bytes(7, "big")


def a_call(number: int, *, trail=None, **changes):
    moment = NOW + timedelta(seconds=number)
    opened = opened_call(
        event_id=event_id_at(moment, number), at_us=int(moment.timestamp() * 1_000_000)
    )
    trail = trail or Trail(
        "openai",
        "small",
        (Attempt("dep_a", "own", "only target", 200, "", 90_000),),
        queued_us=5,
        overhead_us=210,
        user_agent=f"client/{number}",
        tags={"team": "search"},
    )
    changes.setdefault("trail", trail)
    return end_of(opened, **changes)


def a_refusal(number: int, **changes):
    moment = NOW + timedelta(seconds=number)
    return Refused(
        **{
            "event_id": event_id_at(moment, number),
            "at_us": int(moment.timestamp() * 1_000_000),
            "organization_id": ORGANIZATION,
            "project_id": "proj_a",
            "key_id": "k1",
            "operation": "chat",
            "surface": "messages",
            "requested_model": "none/such",
            "http_status": 404,
            "error_code": "model_not_found",
        }
        | changes
    )


@pytest.fixture
def keep(database):
    """Put calls and refusals where the shipper puts them."""

    def put(*records):
        with database.connect_raw(autocommit=False) as connection:
            for table in repository.PARTITIONED:
                repository.create_default_partition(connection, table)
            events = [record for record in records if not isinstance(record, Refused)]
            repository.store_events(connection, [event_row(event) for event in events])
            repository.store_log(
                connection,
                [
                    log_row_of_refusal(record) if isinstance(record, Refused) else log_row(record)
                    for record in records
                ],
            )
            connection.commit()

    return put


def question(**changes):
    return RequestQuestion(**({"organization_id": ORGANIZATION, "limit": 50} | changes))


def listed(database, **changes):
    with database.transaction() as tx:
        return list_requests(tx, question(**changes))


def test_calls_and_refusals_are_listed_newest_first(database, keep):
    keep(a_call(1), a_refusal(2), a_call(3, outcome=Outcome.CANCELLED))
    lines = listed(database)
    assert [line.state for line in lines] == [
        RequestState.CANCELLED,
        RequestState.REFUSED,
        RequestState.ANSWERED,
    ]
    refused = lines[1]
    assert (refused.http_status, refused.error_code, refused.cost_nanos) == (
        404,
        "model_not_found",
        None,
    )
    assert lines[2].cost_nanos == a_call(1).cost_nanos


def test_another_organization_sees_nothing_of_it(database, keep):
    keep(a_call(1), a_refusal(2))
    assert listed(database, organization_id="org_other") == []
    with database.transaction() as tx:
        [line] = list_requests(tx, question(limit=1))
        assert show_request(tx, "org_other", line.event_id) is None


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({"state": RequestState.REFUSED}, [4]),
        ({"state": RequestState.FAILED}, [3]),
        ({"state": RequestState.ANSWERED}, [2, 1]),
        ({"http_status": 404}, [4]),
        ({"error_code": "model_not_found"}, [4]),
        ({"host": "openai"}, [2]),
        ({"model": "smollm2-135m-instruct"}, [3, 2, 1]),
        ({"text": "CLIENT/2"}, [2]),
        ({"text": "none/s"}, [4]),
        ({"text": "search"}, [3, 1]),
        ({"text": "%"}, []),
        ({"text": "_"}, []),
        ({"since": NOW + timedelta(seconds=3)}, [4, 3]),
        ({"limit": 2}, [4, 3]),
    ],
)
def test_the_list_is_searched(database, keep, conditions, found):
    other_host = Trail(
        "openai",
        "large",
        (Attempt("dep_b", "openai", "spill: queue", 200, "", 1),),
        user_agent="client/2",
    )
    keep(
        a_call(1),
        a_call(2, trail=other_host),
        a_call(3, outcome=Outcome.FAILED, http_status=502),
        a_refusal(4),
    )
    lines = listed(database, **conditions)
    assert [int((line.at - NOW).total_seconds()) for line in lines] == found


def test_the_platforms_own_waiting_for_its_model_is_not_shown(database, keep):
    with database.transaction() as tx:
        tx.execute(insert(organization).values(id=ORGANIZATION, name="O", created_at=NOW))
        tx.execute(
            insert(project).values(
                id="proj_a", organization_id=ORGANIZATION, name="P", created_at=NOW
            )
        )
        for key_id, purpose in (("k1", "start_up"), ("k2", "client")):
            tx.execute(
                insert(api_key).values(
                    id=key_id,
                    organization_id=ORGANIZATION,
                    project_id="proj_a",
                    name=purpose,
                    digest=bytes(32),
                    purpose=purpose,
                    created_at=NOW,
                )
            )
    keep(
        a_refusal(1, http_status=503, error_code="model_not_ready"),
        a_refusal(2, key_id="k2", http_status=503, error_code="model_not_ready"),
        a_call(3, key_id="k1"),
    )
    assert [(line.key_name, line.state) for line in listed(database)] == [
        ("start_up", RequestState.ANSWERED),
        ("client", RequestState.REFUSED),
    ]


def test_pages_follow_each_other_without_gap_or_repeat(database, keep):
    keep(*(a_call(number // 3) for number in range(0, 27, 3)))
    seen, place = [], None
    while page := listed(database, limit=4, older_than=place):
        seen += [line.event_id for line in page]
        place = page[-1].place
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 9


def test_a_live_tail_asks_for_what_has_come_since(database, keep):
    keep(a_call(1), a_call(2))
    newest = listed(database, limit=1)[0].place
    assert listed(database, newer_than=newest) == []
    keep(a_call(3), a_refusal(4))
    assert [
        int((line.at - NOW).total_seconds()) for line in listed(database, newer_than=newest)
    ] == [
        4,
        3,
    ]


def test_a_call_is_shown_with_its_attempts_and_the_lines_of_its_price(database, keep):
    with database.transaction() as tx:
        tx.execute(insert(publisher).values(slug="p", name="P", created_at=NOW))
        tx.execute(
            insert(model).values(
                id="model_1",
                publisher_slug="p",
                slug="m",
                display_name="M",
                description="",
                licence="",
                operation="chat",
                context_tokens=1,
                max_output_tokens=1,
                created_at=NOW,
            )
        )
        tx.execute(
            insert(price).values(
                id="price_01890000000000000000000000",
                model_id="model_1",
                currency="USD",
                input_nanos=100_000_000,
                output_nanos=200_000_000,
                cached_input_nanos=50_000_000,
                cache_write_nanos=125_000_000,
                meters={"images": 40_000_000_000},
                created_at=NOW,
            )
        )
    usage = Usage(
        100,
        20,
        30,
        UsageSource.UPSTREAM,
        cache_write_tokens=50,
        reasoning_tokens=7,
        meters={"images": 2},
    )
    trail = Trail(
        "messages",
        "small:floor",
        (
            Attempt("dep_a", "own", "least load", 503, "busy", 900),
            Attempt("dep_b", "openai", "fallback after busy", 200, "", 120_000),
        ),
        trace_parent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    keep(a_call(1, usage=usage, trail=trail))
    with database.transaction() as tx:
        [line] = list_requests(tx, question())
        found = show_request(tx, ORGANIZATION, line.event_id)
    assert found is not None
    assert [(each.host, each.why, each.failure) for each in found.attempts] == [
        ("own", "least load", "busy"),
        ("openai", "fallback after busy", ""),
    ]
    assert [(each.meter, each.quantity, each.cost_nanos) for each in found.price_lines] == [
        ("input_tokens", 30, 3_000),
        ("cached_input_tokens", 20, 1_000),
        ("cache_write_tokens", 50, 6_250),
        ("output_tokens", 30, 6_000),
        ("images", 2, 80_000),
    ]
    assert found.line.host == "openai"
    assert found.meters == {"reasoning_tokens": 7, "images": 2}
    assert found.trace_parent == trail.trace_parent
