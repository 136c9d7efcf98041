"""A journal of made-up calls, as a gateway that ended in good order leaves it."""

import time
from datetime import timedelta
from pathlib import Path

from tradewind.core.ids import uuid7_bytes
from tradewind.readmodels.made_up_usage import (
    INPUT_NANOS,
    KEYS,
    LARGE,
    MODELS,
    MONTH_END,
    OUTPUT_NANOS,
    organization_id,
)
from tradewind.usage.event import Outcome, Usage, UsageEvent, UsageSource
from tradewind.usage.segment_writer import SegmentWriter
from tradewind.usage.segments import SegmentName

_SHIPPED_AT_ONCE = 2_000


def write_journal(folder: Path, events: int, organizations: int) -> None:
    """Write so many calls into a journal, as a gateway that ended in good order leaves it."""
    folder.mkdir(parents=True)
    segment = SegmentWriter.create(folder, SegmentName("bench", time.time_ns(), 0))
    for first in range(0, events, _SHIPPED_AT_ONCE):
        records = [_event(n, organizations) for n in range(first, first + _SHIPPED_AT_ONCE)]
        segment.write(bytearray(b"".join(map(segment.encode, records))))
    segment.seal()
    segment.close()


def _event(n: int, organizations: int) -> UsageEvent:
    # Calls come in the order of their time: a batch is of a few minutes, and of many organizations.
    at = MONTH_END - timedelta(hours=2) + timedelta(milliseconds=n * 5)
    owner = 1 if n % LARGE == 0 else 2 + n * 7919 % (organizations - 1)
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
