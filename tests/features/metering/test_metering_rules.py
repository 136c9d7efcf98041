"""What becomes of records, without a database."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from tradewind.features.metering.errors import UnusableRecord
from tradewind.features.metering.rules import (
    MAX_TOKENS,
    check_opened,
    event_row,
    orphan_event,
    partition_days,
    sort_out,
)
from tradewind.testing.usage_records import INPUT_NANOS, end_of, opened_call, progress_of
from tradewind.usage.event import Outcome, Progressed, Usage, UsageSource
from tradewind.usage.frames import Content, Damage, Frame, SegmentFooter, SegmentHeader

MODERN_US = 1_790_000_000_000_000


def frames_of(*contents: Content, first_sequence: int = 0) -> list[Frame | Damage]:
    return [
        Frame(number * 10, number * 10 + 10, first_sequence + number, content)
        for number, content in enumerate(contents)
    ]


def test_an_event_becomes_the_row_that_says_the_same():
    opened = opened_call(event_id=bytes(range(16)), at_us=MODERN_US + 1)
    row = event_row(end_of(opened, output_tokens=12))
    assert row._asdict() == {
        "event_id": UUID(bytes=bytes(range(16))),
        "at": datetime(2026, 9, 21, 14, 13, 20, 1, tzinfo=UTC),
        "organization_id": opened.organization_id,
        "project_id": opened.project_id,
        "key_id": opened.key_id,
        "operation": "chat",
        "model": "smollm2-135m-instruct",
        "deployment_id": opened.deployment_id,
        "price_id": opened.price_id,
        "currency": "USD",
        "is_stream": True,
        "outcome": "completed",
        "http_status": 200,
        "input_tokens": 40,
        "cached_input_tokens": 0,
        "output_tokens": 12,
        "cache_write_tokens": 0,
        "meters": None,
        "usage_source": "upstream",
        "cost_nanos": 6400,
        "first_token_us": 20_000,
        "duration_us": 150_000,
        "provider_cost_nanos": None,
        "provider_currency": None,
        "is_batch": False,
        "host": "",
        "region": "",
        "corrects": None,
    }


def test_zero_and_missing_stay_different():
    assert event_row(end_of(opened_call(), first_token_us=None)).first_token_us is None
    assert event_row(end_of(opened_call(), first_token_us=0)).first_token_us == 0


USAGE = Usage(1, 0, 1, UsageSource.UPSTREAM)


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": b"short"},
        {"event_id": bytes(17)},
        {"at_us": -1},
        {"at_us": 0},
        {"at_us": 2**63},
        {"currency": "usd"},
        {"currency": "USDX"},
        {"currency": "US\n"},
        {"model": "a\0b"},
        {"key_id": "\0"},
        {"model": "m" * 2000},
        {"model": "é" * 1000},
        {"http_status": -1},
        {"http_status": 32_768},
        {"cost_nanos": -1},
        {"cost_nanos": 2**63},
        {"duration_us": -1},
        {"duration_us": 2**63},
        {"first_token_us": -1},
        {"first_token_us": 2**63},
        {"usage": msgspec.structs.replace(USAGE, input_tokens=-1)},
        {"usage": msgspec.structs.replace(USAGE, cached_input_tokens=-1)},
        {"usage": msgspec.structs.replace(USAGE, output_tokens=2**63)},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_stored_is_unusable(change: dict[str, object]):
    event = end_of(opened_call())
    event_row(event)
    with pytest.raises(UnusableRecord):
        event_row(msgspec.structs.replace(event, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": b""},
        {"at_us": -(2**63)},
        {"model": "\0"},
        {"input_tokens_estimate": -1},
        {"input_nanos": -1},
        {"output_nanos": 2**63},
        {"cached_input_nanos": -1},
    ],
    ids=str,
)
def test_a_call_of_which_no_orphan_could_be_made_is_unusable(change: dict[str, object]):
    check_opened(opened_call())
    with pytest.raises(UnusableRecord):
        check_opened(opened_call(**change))


def test_an_orphan_pays_for_what_was_sent_and_its_estimated_input():
    opened = opened_call(input_tokens_estimate=40)
    event = orphan_event(opened, 100)
    assert event.outcome is Outcome.ORPHANED
    assert event.usage == Usage(40, 0, 100, UsageSource.ESTIMATED)
    assert event.cost_nanos == 40 * 100 + 100 * 200
    assert event.http_status == 200
    assert (event.event_id, event.at_us) == (opened.event_id, opened.at_us)
    assert event_row(event).outcome == "orphaned"


def test_an_orphan_whose_answer_had_begun_pays_its_input_even_at_zero_tokens():
    assert orphan_event(opened_call(), 0).cost_nanos == 40 * INPUT_NANOS // 1_000_000


def test_an_orphan_without_progress_pays_nothing():
    event = orphan_event(opened_call(), None)
    assert event.usage == Usage(0, 0, 0, UsageSource.NONE)
    assert event.cost_nanos == 0
    assert event.http_status == 499


def test_an_orphan_whose_cost_does_not_fit_is_unusable():
    with pytest.raises(UnusableRecord):
        orphan_event(opened_call(output_nanos=2**63 - 1), MAX_TOKENS)


def test_a_call_that_begins_and_ends_in_one_stretch_leaves_only_its_row():
    opened = opened_call()
    found = sort_out(
        frames_of(
            SegmentHeader(1, "a", 1, 0),
            opened,
            progress_of(opened, 5),
            end_of(opened),
            SegmentFooter(4, 0),
        ),
        next_sequence=0,
    )
    assert [row.event_id.bytes for row in found.rows] == [opened.event_id]
    assert (found.opened, found.progress, found.ended) == ({}, {}, set())
    assert (found.next_sequence, found.missing_frames, found.end) == (5, 0, 50)


def test_a_call_that_goes_on_is_kept_with_its_furthest_progress():
    opened = opened_call()
    found = sort_out(
        frames_of(opened, progress_of(opened, 512), progress_of(opened, 8)), next_sequence=0
    )
    assert found.opened == {opened.event_id: opened}
    assert found.progress == {opened.event_id: 512}
    assert found.rows == []


def test_the_end_of_a_call_that_began_before_is_told():
    opened = opened_call()
    found = sort_out(frames_of(progress_of(opened, 9), end_of(opened)), next_sequence=0)
    assert found.ended == {opened.event_id}
    assert found.progress == {}


def test_frames_that_are_not_there_are_counted():
    opened = opened_call()
    found = sort_out(frames_of(opened, end_of(opened), first_sequence=7), next_sequence=4)
    assert (found.missing_frames, found.next_sequence) == (3, 9)


def test_what_is_unusable_is_quarantined_and_the_rest_goes_on():
    good = opened_call()
    items = frames_of(
        end_of(opened_call(), cost_nanos=-1),
        opened_call(model="\0"),
        Progressed(b"short", 1),
        Progressed(good.event_id, -1),
        end_of(good),
    )
    damage = Damage(50, 90, "torn at the end")
    found = sort_out([*items, damage], next_sequence=0)
    assert [row.event_id.bytes for row in found.rows] == [good.event_id]
    assert [item[:2] for item in found.quarantined] == [
        (0, 10), (10, 20), (20, 30), (30, 40), (50, 90)
    ]  # fmt: skip
    assert found.quarantined_bytes == 80
    assert found.end == 90


def test_partitions_are_made_for_the_days_ahead_and_for_plausible_days_only():
    today = date(2026, 11, 22)
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    template = event_row(end_of(opened_call()))
    rows = [
        template._replace(at=noon + timedelta(days=days)) for days in (-4000, -401, -400, -3, 2, 3)
    ]
    assert partition_days([], today) == {today + timedelta(days=days) for days in (0, 1, 2)}
    assert partition_days(rows, today) == {
        today + timedelta(days=days) for days in (-400, -3, 0, 1, 2)
    }
