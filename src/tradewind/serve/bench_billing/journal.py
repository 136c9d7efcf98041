"""A journal of made-up calls, as a gateway that ended in good order leaves it."""

import time
from datetime import timedelta
from pathlib import Path

from tradewind.core.ids import uuid7_bytes
from tradewind.readmodels.made_up_usage import (
    HOURS,
    INPUT_NANOS,
    KEYS,
    LARGE,
    MODELS,
    MONTH_END,
    OUTPUT_NANOS,
    SMALL_HOURS,
    organization_id,
)
from tradewind.usage.event import Outcome, Usage, UsageEvent, UsageSource
from tradewind.usage.segment_writer import SegmentWriter
from tradewind.usage.segments import SegmentName

_SHIPPED_AT_ONCE = 2_000


def callers_of_an_hour(organizations: int) -> int:
    """Return how many of these organizations call in one hour of the month that is made up."""
    return max(2, 1 + (organizations - 1) * SMALL_HOURS // HOURS)


def write_journal(folder: Path, events: int, callers: int) -> None:
    """Write so many calls into a journal, as a gateway that ended in good order leaves it.

    A batch is summed by organization, key and model, so it costs the more, the more of them it is
    of: `callers` is between those of an hour and, which is the worst, all there are.
    """
    folder.mkdir(parents=True)
    segment = SegmentWriter.create(folder, SegmentName("bench", time.time_ns(), 0))
    for first in range(0, events, _SHIPPED_AT_ONCE):
        last = min(events, first + _SHIPPED_AT_ONCE)
        records = [_event(n, callers) for n in range(first, last)]
        segment.write(bytearray(b"".join(map(segment.encode, records))))
    segment.seal()
    segment.close()


def _event(n: int, callers: int) -> UsageEvent:
    # Calls come in the order of their time: a batch is of less than a minute.
    at = MONTH_END - timedelta(hours=2) + timedelta(milliseconds=n * 5)
    owner = 1 if n % LARGE == 0 else 2 + n * 7919 % (callers - 1)
    model = n % MODELS
    return UsageEvent(
        event_id=uuid7_bytes(),
        at_us=int(at.timestamp() * 1_000_000),
        organization_id=organization_id(owner),
        project_id="proj_1",
        key_id=f"key_{n % KEYS}",
        operation="chat",
        model=f"bench/model-{model}",
        deployment_id="",
        price_id=f"price_bench_{model}",
        currency="USD",
        is_stream=False,
        outcome=Outcome.COMPLETED,
        http_status=200,
        usage=Usage(1000, 0, 200, UsageSource.UPSTREAM),
        cost_nanos=1000 * INPUT_NANOS // 1_000_000 + 200 * OUTPUT_NANOS // 1_000_000,
        first_token_us=1000,
        duration_us=9000,
    )
