"""What hosts take, rarer meters and batches: kept of each event, and summed by the hour."""

from pathlib import Path

import pytest
from metering_parts import Life, Ship, Tables

from tradewind.features.metering.errors import UnusableRecord
from tradewind.features.metering.rules import check_opened, event_row, orphan_event
from tradewind.testing.usage_records import end_of, opened_call, progress_of
from tradewind.usage.event import Attempt, Trail, Usage, UsageEvent, UsageSource

METERS = (
    "SELECT meter, is_batch, quantity FROM usage_hour_meter ORDER BY organization_id, meter,"
    " is_batch"
)
HOSTS = (
    "SELECT host, provider_currency, requests, provider_cost_nanos FROM usage_hour_host"
    " ORDER BY 1, 2"
)


def an_end(host: str = "azure", currency: str = "USD", cost: int = 700, **changes) -> UsageEvent:
    at_us = 1_790_000_000_000_001
    return end_of(
        opened_call(at_us=at_us),
        host=host,
        region="eu",
        provider_cost_nanos=cost,
        provider_currency=currency,
        **changes,
    )


@pytest.mark.postgres
def test_what_a_host_took_is_kept_of_each_event(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    life.write(an_end(), end_of(opened_call()))
    ship()
    assert tables.query(
        "SELECT provider_cost_nanos, provider_currency, is_batch, host, region FROM usage_event"
        " ORDER BY at"
    ) == [(700, "USD", False, "azure", "eu"), (None, None, False, "", "")]
    life.close()


@pytest.mark.postgres
def test_an_hour_has_a_sum_for_each_host_and_currency(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    life.write(an_end(), an_end(cost=5), an_end("mistral", "EUR", 9), end_of(opened_call()))
    ship()
    life.write(an_end(cost=1))
    ship()
    assert tables.query(HOSTS) == [("azure", "USD", 3, 706), ("mistral", "EUR", 1, 9)]
    life.close()


@pytest.mark.postgres
def test_own_engines_leave_no_sum_of_hosts(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    life.write(end_of(opened_call()))
    ship()
    assert tables.query(HOSTS) == []
    assert tables.query(METERS) == []
    life.close()


@pytest.mark.postgres
def test_an_hour_has_a_sum_for_each_rarer_meter(tmp_path: Path, ship: Ship, tables: Tables):
    life = Life(tmp_path)
    usage = Usage(100, 20, 30, UsageSource.UPSTREAM, reasoning_tokens=7, meters={"images": 2})
    life.write(an_end(usage=usage), an_end(usage=usage), an_end())
    ship()
    life.write(an_end(usage=usage))
    ship()
    assert tables.query(METERS) == [("images", False, 6), ("reasoning_tokens", False, 21)]
    life.close()


@pytest.mark.postgres
def test_tokens_of_batches_are_summed_apart_and_in_the_hour(
    tmp_path: Path, ship: Ship, tables: Tables
):
    life = Life(tmp_path)
    usage = Usage(100, 20, 30, UsageSource.UPSTREAM, meters={"images": 2})
    life.write(an_end(usage=usage, is_batch=True), an_end(usage=usage))
    ship()
    assert tables.query(METERS) == [
        ("cached_input_tokens", True, 20),
        ("images", False, 2),
        ("images", True, 2),
        ("input_tokens", True, 100),
        ("output_tokens", True, 30),
    ]
    assert tables.query("SELECT sum(input_tokens), sum(requests) FROM usage_hour") == [(200, 2)]
    life.close()


@pytest.mark.postgres
def test_a_repeat_adds_to_no_sum_and_is_no_news(tmp_path: Path, ship: Ship, tables: Tables):
    usage = Usage(1, 0, 1, UsageSource.UPSTREAM, meters={"images": 2})
    event = an_end(usage=usage)
    for boot_ns in (1, 2):
        life = Life(tmp_path, boot_ns=boot_ns)
        life.write(event)
        ship()
        life.close()
    assert tables.query(METERS) == [("images", False, 2)]
    assert tables.query(HOSTS) == [("azure", "USD", 1, 700)]
    assert tables.query("SELECT organization_id, cardinality(event_id) FROM usage_news") == [
        (event.organization_id, 1)
    ]


@pytest.mark.postgres
def test_an_orphan_has_both_sides(tmp_path: Path, ship: Ship, tables: Tables):
    opened = opened_call(
        input_tokens_estimate=40,
        provider_currency="EUR",
        provider_input_nanos=1_000_000,
        provider_output_nanos=2_000_000,
        host="mistral",
        region="eu",
    )
    life = Life(tmp_path)
    life.write(opened, progress_of(opened, 5))
    life.die()
    ship()
    assert tables.query(HOSTS) == [("mistral", "EUR", 1, 50)]


def test_an_orphan_that_nobody_had_anything_of_costs_nothing_on_both_sides():
    opened = opened_call(provider_currency="EUR", provider_input_nanos=10**9)
    event = orphan_event(opened, None)
    assert (event.cost_nanos, event.provider_cost_nanos, event.provider_currency) == (0, 0, "EUR")
    assert orphan_event(opened_call(), None).provider_cost_nanos is None


def test_the_host_of_an_older_event_is_that_of_its_last_attempt():
    trail = Trail("openai", "m", (Attempt("d", "azure", "w", 200, "", 1),))
    assert event_row(end_of(opened_call(), trail=trail)).host == "azure"


@pytest.mark.parametrize(
    "changes",
    [
        {"provider_cost_nanos": 1},
        {"provider_currency": "USD"},
        {"provider_cost_nanos": -1, "provider_currency": "USD"},
        {"provider_cost_nanos": 1, "provider_currency": "usd"},
        {"region": "\0"},
        {"host": "h" * 3000},
        {"usage": Usage(1, 0, 1, UsageSource.UPSTREAM, meters={"Not a meter": 1})},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_is_refused(changes):
    with pytest.raises(UnusableRecord):
        event_row(end_of(opened_call(), **changes))


def test_an_open_call_with_a_currency_that_cannot_be_is_refused():
    with pytest.raises(UnusableRecord):
        check_opened(opened_call(provider_currency="usd"))
