"""Usage records for tests, complete and plausible; name what matters, leave the rest."""

import time
from typing import Any

import msgspec

from tradewind.core.ids import uuid7_bytes
from tradewind.core.money import rate_nanos
from tradewind.usage.event import Opened, Outcome, Progressed, Usage, UsageEvent, UsageSource

INPUT_NANOS = 100_000_000
OUTPUT_NANOS = 200_000_000
CACHED_INPUT_NANOS = 50_000_000


def opened_call(**changes: Any) -> Opened:
    """Return the OPEN of a call admitted now."""
    opened = Opened(
        event_id=uuid7_bytes(),
        at_us=time.time_ns() // 1000,
        organization_id="org_01890000000000000000000000",
        project_id="proj_01890000000000000000000000",
        key_id="k0123456789a",
        operation="chat",
        model="smollm2-135m-instruct",
        deployment_id="dep_01890000000000000000000000",
        price_id="price_01890000000000000000000000",
        currency="USD",
        is_stream=True,
        input_tokens_estimate=40,
        input_nanos=INPUT_NANOS,
        output_nanos=OUTPUT_NANOS,
        cached_input_nanos=CACHED_INPUT_NANOS,
    )
    return msgspec.structs.replace(opened, **changes)


def progress_of(opened: Opened, output_tokens: int) -> Progressed:
    return Progressed(opened.event_id, output_tokens)


def end_of(opened: Opened, *, output_tokens: int = 12, **changes: Any) -> UsageEvent:
    """Return the FINAL of a call that completed, at the prices of its OPEN."""
    usage = Usage(opened.input_tokens_estimate, 0, output_tokens, UsageSource.UPSTREAM)
    event = UsageEvent(
        event_id=opened.event_id,
        at_us=opened.at_us,
        organization_id=opened.organization_id,
        project_id=opened.project_id,
        key_id=opened.key_id,
        operation=opened.operation,
        model=opened.model,
        deployment_id=opened.deployment_id,
        price_id=opened.price_id,
        currency=opened.currency,
        is_stream=opened.is_stream,
        outcome=Outcome.COMPLETED,
        http_status=200,
        usage=usage,
        cost_nanos=rate_nanos(
            (usage.input_tokens, opened.input_nanos), (output_tokens, opened.output_nanos)
        ),
        first_token_us=20_000,
        duration_us=150_000,
    )
    return msgspec.structs.replace(event, **changes)
