"""From what is known of an answer to one usage event. The arithmetic is pure; the recorder
appends.
"""

import time
from collections.abc import Callable

from tradewind.core.ids import Uuid7Source
from tradewind.core.money import round_to_nanos
from tradewind.gateway.metrics import Metrics
from tradewind.plugins.providers.base import TokenCounts
from tradewind.snapshot.contents import Endpoint, Grant, Price, Target
from tradewind.usage.event import (
    Opened,
    Outcome,
    Progressed,
    Usage,
    UsageEvent,
    UsageSource,
)
from tradewind.usage.journal import Journal

# No model reads or writes this much in one call: an upstream that says more is not believed, nor is
# one that says less than nothing.
_MOST_CREDIBLE_TOKENS = 1_000_000_000
NOTHING = Usage(0, 0, 0, UsageSource.NONE)


def usage_of(
    counts: TokenCounts, *, output_events: int, input_estimate: int, outcome: Outcome
) -> Usage:
    """Return the usage to bill: what the upstream said, else what we counted, marked as estimated.

    A call that failed before anything was generated is free.
    """
    read, cached, written = counts
    if not (
        0 <= (read or 0) <= _MOST_CREDIBLE_TOKENS
        and 0 <= (cached or 0) <= _MOST_CREDIBLE_TOKENS
        and 0 <= (written or 0) <= _MOST_CREDIBLE_TOKENS
    ):
        read = cached = written = None
    if (
        read is not None
        and written is not None
        and (outcome is Outcome.COMPLETED or written >= output_events)
    ):
        return Usage(read, min(cached or 0, read), written, UsageSource.UPSTREAM)
    if outcome is Outcome.FAILED and not output_events:
        return NOTHING
    read = input_estimate if read is None else read
    written = max(written or 0, output_events)
    return Usage(read, min(cached or 0, read), written, UsageSource.ESTIMATED)


def cost_nanos(usage: Usage, price: Price) -> int:
    """Return the cost in nanos of the price's currency; rounded once (see core.money)."""
    cached = usage.cached_input_tokens
    return round_to_nanos(
        (usage.input_tokens - cached) * price.input_nanos
        + cached * price.cached_input_nanos
        + usage.output_tokens * price.output_nanos
    )


class Recorder:
    """Writes the frames of calls to the journal and counts them for /metrics."""

    def __init__(
        self,
        journal: Journal,
        metrics: Metrics,
        *,
        schedule_flush: Callable[[], None],
        waits_for_disk: bool,
    ) -> None:
        self._journal = journal
        self._metrics = metrics
        self._ids = Uuid7Source()
        self._schedule_flush = schedule_flush
        self._waits_for_disk = waits_for_disk

    @property
    def is_healthy(self) -> bool:
        """False when the journal cannot be written: then no call may be admitted."""
        return self._journal.is_healthy

    def open(
        self,
        grant: Grant,
        endpoint: Endpoint,
        target: Target,
        *,
        is_stream: bool,
        input_estimate: int,
    ) -> Opened:
        """Append the OPEN frame of an admitted call and return it."""
        now_us = time.time_ns() // 1000
        price = endpoint.price
        opened = Opened(
            event_id=self._ids.new(now_us // 1000),
            at_us=now_us,
            organization_id=grant.organization_id,
            project_id=grant.project_id,
            key_id=grant.key_id,
            operation=endpoint.operation,
            model=endpoint.name,
            deployment_id=target.deployment_id,
            price_id=price.id,
            currency=price.currency,
            is_stream=is_stream,
            input_tokens_estimate=input_estimate,
            input_nanos=price.input_nanos,
            output_nanos=price.output_nanos,
            cached_input_nanos=price.cached_input_nanos,
        )
        self._append(opened)
        return opened

    def progress(self, opened: Opened, output_tokens: int) -> None:
        self._append(Progressed(opened.event_id, output_tokens))

    def close(
        self,
        opened: Opened,
        endpoint: Endpoint,
        target: Target,
        *,
        outcome: Outcome,
        http_status: int,
        usage: Usage,
        first_token_us: int | None,
        duration_us: int,
    ) -> int:
        """Append the FINAL frame; return the cost in nanos. Exactly once for each `open`."""
        cost = cost_nanos(usage, endpoint.price)
        self._append(
            UsageEvent(
                event_id=opened.event_id,
                at_us=opened.at_us,
                organization_id=opened.organization_id,
                project_id=opened.project_id,
                key_id=opened.key_id,
                operation=opened.operation,
                model=opened.model,
                deployment_id=target.deployment_id,
                price_id=opened.price_id,
                currency=opened.currency,
                is_stream=opened.is_stream,
                outcome=outcome,
                http_status=http_status,
                usage=usage,
                cost_nanos=cost,
                first_token_us=first_token_us,
                duration_us=duration_us,
            )
        )
        self._metrics.add_call(opened.model, outcome, usage, first_token_us, duration_us)
        return cost

    def when_safe(self, callback: Callable[[bool], None]) -> None:
        """Call back when the end of an answer may go out.

        At once with durability `process`: the flush that sends it writes the journal first. With
        `disk` after the group commit; false says that the disk refused.
        """
        if self._waits_for_disk:
            self._journal.when_durable(callback)
        else:
            callback(True)

    def _append(self, record: Opened | Progressed | UsageEvent) -> None:
        self._journal.append(record)
        # A cancelled call writes to no socket, so the journal must ask for its flush itself.
        self._schedule_flush()
