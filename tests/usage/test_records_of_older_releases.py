"""Records that older releases wrote end before what later ones added, and are read all the same."""

import msgspec

from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.event import Opened, UsageEvent
from tradewind.usage.frames import Frame, decode_opened, encode_frame, scan

OPENED_FIELDS = 15
"""Before what a host takes was kept."""
EVENT_FIELDS = 18


def shortened(record: Opened | UsageEvent, fields: int) -> bytes:
    """What a release wrote that knew the first fields alone; the tag is in front of them."""
    whole = msgspec.msgpack.decode(msgspec.msgpack.encode(record))
    return msgspec.msgpack.encode(whole[: fields + 1])


def test_an_open_call_of_before_is_one_that_costs_the_platform_nothing():
    opened = opened_call()
    assert decode_opened(shortened(opened, OPENED_FIELDS)) == opened
    assert (opened.provider_currency, opened.host) == ("", "")


def test_an_event_of_before_has_no_providers_side():
    event = end_of(opened_call())
    read = msgspec.msgpack.decode(shortened(event, EVENT_FIELDS), type=UsageEvent)
    assert read == event
    assert (read.provider_cost_nanos, read.provider_currency, read.is_batch) == (None, "", False)


def test_both_sides_survive_the_journal():
    event = end_of(
        opened_call(),
        provider_cost_nanos=7,
        provider_currency="EUR",
        is_batch=True,
        host="mistral",
        region="eu",
    )
    [frame] = scan(encode_frame(event, 0), is_whole=True)
    assert isinstance(frame, Frame)
    assert frame.content == event
