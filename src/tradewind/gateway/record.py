"""From what is known of an answer to one usage event. The arithmetic is pure; the recorder
appends.
"""

import time
from collections.abc import Callable

from tradewind.core.ids import Uuid7Source
from tradewind.core.money import round_to_nanos
from tradewind.gateway.metrics import Metrics
from tradewind.plugins.providers.base import TokenCounts
from tradewind.snapshot.contents import Cost, Endpoint, Grant, Price, Target
from tradewind.usage.event import (
    Opened,
    Outcome,
    Progressed,
    Record,
    Refused,
    Trail,
    Usage,
    UsageEvent,
    UsageSource,
)
from tradewind.usage.journal import Journal
from tradewind.usage.segments import Writer

# No model reads or writes this much in one call: an upstream that says more is not believed, nor is
# one that says less than nothing.
_MOST_CREDIBLE_TOKENS = 1_000_000_000
# Refusals noted at once, and a second over time.
_MOST_REFUSALS = 500
_REFUSALS_PER_US = 50 / 1_000_000
_MOST_TEXT = 200
# A member that is looked up in its Enum costs 50 ns each time.
_COMPLETED, _FAILED = Outcome.COMPLETED, Outcome.FAILED
_UPSTREAM, _ESTIMATED = UsageSource.UPSTREAM, UsageSource.ESTIMATED
_CALLS = frozenset({UsageSource.UPSTREAM, UsageSource.ESTIMATED})
"""Calls that a host worked for: one that failed before it, or was answered again, is none."""
NOTHING = Usage(0, 0, 0, UsageSource.NONE)
_NO_COST = Cost("", 0, 0)
FROM_CACHE = Usage(0, 0, 0, UsageSource.CACHE)


def usage_of(
    counts: TokenCounts, output_events: int, input_estimate: int, outcome: Outcome
) -> Usage:
    """Return the usage to bill: what the upstream said, else what we counted, marked as estimated.

    A call that failed before anything was generated is free.
    """
    meters = counts.meters or {}
    read, written, cached = counts.input_tokens, counts.output_tokens, counts.cached_input_tokens
    has_parts = not (
        counts.cache_write_tokens is None
        and counts.reasoning_tokens is None
        and counts.audio_input_tokens is None
        and counts.audio_output_tokens is None
    )
    if (
        read
        and written
        and outcome is _COMPLETED
        and not has_parts
        and not meters
        and 0 < read <= _MOST_CREDIBLE_TOKENS
        and 0 < written <= _MOST_CREDIBLE_TOKENS
        and 0 <= (cached or 0) <= read
    ):
        # Nearly all calls: nothing is in doubt, so nothing below would change.
        return Usage(read, cached or 0, written, _UPSTREAM)
    if not _are_credible(counts, has_parts=has_parts):
        counts, has_parts = TokenCounts(), False
    if meters and not all(0 <= count <= _MOST_CREDIBLE_TOKENS for count in meters.values()):
        meters = {}
    read, written = counts.input_tokens, counts.output_tokens
    if output_events and not written:
        # Something was passed on, so zeros are not true of it, nor of what was read for it.
        read, written = read or None, None
    source = _ESTIMATED
    if (
        read is not None
        and written is not None
        and (outcome is _COMPLETED or written >= output_events)
    ):
        source = _UPSTREAM
    elif outcome is _FAILED and not output_events and not meters:
        return NOTHING
    else:
        read = input_estimate if read is None else read
        written = max(written or 0, output_events)
    cached = counts.cached_input_tokens
    cached = min(cached, read) if cached else 0
    if not has_parts and not meters:
        return Usage(read, cached, written, source)
    # The classes of input are disjoint: a token is read from the host's cache or written to it.
    return Usage(
        read,
        cached,
        written,
        source,
        cache_write_tokens=min(counts.cache_write_tokens or 0, read - cached),
        reasoning_tokens=min(counts.reasoning_tokens or 0, written),
        audio_input_tokens=min(counts.audio_input_tokens or 0, read),
        audio_output_tokens=min(counts.audio_output_tokens or 0, written),
        meters=meters,
    )


def _are_credible(counts: TokenCounts, *, has_parts: bool) -> bool:
    most = _MOST_CREDIBLE_TOKENS
    if not (
        0 <= (counts.input_tokens or 0) <= most
        and 0 <= (counts.cached_input_tokens or 0) <= most
        and 0 <= (counts.output_tokens or 0) <= most
    ):
        return False
    return not has_parts or (
        0 <= (counts.cache_write_tokens or 0) <= most
        and 0 <= (counts.reasoning_tokens or 0) <= most
        and 0 <= (counts.audio_input_tokens or 0) <= most
        and 0 <= (counts.audio_output_tokens or 0) <= most
    )


def cost_nanos(usage: Usage, price: Price) -> int:
    """Return the cost in nanos of the price's currency; rounded once (see core.money)."""
    cached = usage.cached_input_tokens
    cost = (
        (usage.input_tokens - cached) * price.input_nanos
        + cached * price.cached_input_nanos
        + usage.output_tokens * price.output_nanos
    )
    if usage.cache_write_tokens and price.cache_write_nanos is not None:
        cost += usage.cache_write_tokens * (price.cache_write_nanos - price.input_nanos)
    if price.meters:
        cost += _of_meters(usage, price)
    return round_to_nanos(cost)


def _of_meters(usage: Usage, price: Price) -> int:
    """Return what meters with a price of their own add: to nothing for those that only they count,
    and to what their tokens cost already for those that are a part of input or output.
    """
    meters = price.meters
    added = sum(quantity * meters.get(meter, 0) for meter, quantity in usage.meters.items())
    if "requests" in meters and "requests" not in usage.meters and usage.source in _CALLS:
        # Hosts that count requests otherwise (Cohere's search units) said how many.
        added += meters["requests"]
    if usage.audio_input_tokens and "audio_input_tokens" in meters:
        fresh = usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens
        heard = min(usage.audio_input_tokens, fresh)
        added += heard * (meters["audio_input_tokens"] - price.input_nanos)
    written = usage.output_tokens
    for meter, quantity in (
        ("audio_output_tokens", usage.audio_output_tokens),
        ("reasoning_tokens", usage.reasoning_tokens),
    ):
        if quantity and meter in meters:
            counted = min(quantity, written)
            written -= counted
            added += counted * (meters[meter] - price.output_nanos)
    return added


def provider_cost_nanos(usage: Usage, cost: Cost) -> int:
    """Return what a host takes for a call, in nanos of its own currency."""
    cached = cost.cached_input_nanos
    price = Price(
        "",
        cost.currency,
        cost.input_nanos,
        cost.output_nanos,
        cost.input_nanos if cached is None else cached,
        cost.cache_write_nanos,
        cost.meters,
    )
    return cost_nanos(usage, price)


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
        self.is_safe_at_once = not waits_for_disk
        """Whether `when_safe` calls back at once, always."""
        self._refusals_left = float(_MOST_REFUSALS)
        self._refusal_at_us = 0

    @property
    def writer(self) -> Writer:
        """Who this gateway is, for what has to be matched with its journal."""
        return self._journal.writer

    @property
    def journal(self) -> Journal:
        """For its numbers."""
        return self._journal

    @property
    def is_healthy(self) -> bool:
        """False when the journal cannot be written: then no call may be admitted."""
        return self._journal.is_healthy

    def open(  # noqa: PLR0917  keywords cost on the hot path
        self,
        grant: Grant,
        endpoint: Endpoint,
        target: Target,
        operation: str,
        is_stream: bool,
        input_estimate: int,
    ) -> Opened:
        """Append the OPEN frame of an admitted call and return it."""
        now_us = time.time_ns() // 1000
        price, cost = endpoint.price, target.cost or _NO_COST
        # By position, here and below: by name a struct of so many fields takes seven times as long,
        # which was 1 us a call.
        opened = Opened(
            self._ids.new(now_us // 1000),
            now_us,
            grant.organization_id,
            grant.project_id,
            grant.key_id,
            operation,
            endpoint.name,
            target.deployment_id,
            price.id,
            price.currency,
            is_stream,
            input_estimate,
            price.input_nanos,
            price.output_nanos,
            price.cached_input_nanos,
            cost.currency,
            cost.input_nanos,
            cost.output_nanos,
            target.host,
            target.region,
        )
        self._journal.append(opened)
        self._schedule_flush()
        if is_stream:
            self._metrics.open_streams += 1
        return opened

    def progress(self, opened: Opened, output_tokens: int) -> None:
        self._append(Progressed(opened.event_id, output_tokens))

    def close(  # noqa: PLR0917  as open
        self,
        opened: Opened,
        endpoint: Endpoint,
        target: Target,
        outcome: Outcome,
        http_status: int,
        usage: Usage,
        first_token_us: int | None,
        duration_us: int,
        trail: Trail | None = None,
        is_batch: bool = False,
    ) -> int:
        """Append the FINAL frame; return the cost in nanos. Exactly once for each `open`.

        `endpoint` is the one that answered: another than the opened one after a fallback.
        """
        price = endpoint.price
        cost = cost_nanos(usage, price)
        operation, model, is_stream = opened.operation, endpoint.name, opened.is_stream
        provider_cost, provider_currency = None, ""
        if (paid := target.cost) is not None:
            provider_cost, provider_currency = provider_cost_nanos(usage, paid), paid.currency
        self._journal.append(
            UsageEvent(
                opened.event_id,
                opened.at_us,
                opened.organization_id,
                opened.project_id,
                opened.key_id,
                operation,
                model,
                target.deployment_id,
                price.id,
                price.currency,
                is_stream,
                outcome,
                http_status,
                usage,
                cost,
                first_token_us,
                duration_us,
                trail,
                provider_cost,
                provider_currency,
                is_batch,
                target.host,
                target.region,
            )
        )
        self._schedule_flush()
        self._metrics.add_call(
            operation,
            model,
            target.host,
            outcome,
            usage,
            first_token_us,
            duration_us,
            is_stream,
            trail,
        )
        return cost

    def refused(
        self,
        grant: Grant,
        *,
        operation: str,
        surface: str,
        requested_model: str,
        http_status: int,
        error_code: str,
        user_agent: str,
    ) -> bytes | None:
        """Note a call that was not admitted, for the request log, and return its id there.

        Beyond a bound they are only counted, and None is returned: a client in a loop must not
        fill the disk.
        """
        now_us = time.time_ns() // 1000
        self._refusals_left = min(
            _MOST_REFUSALS,
            self._refusals_left + (now_us - self._refusal_at_us) * _REFUSALS_PER_US,
        )
        self._refusal_at_us = now_us
        if self._refusals_left < 1:
            return None
        self._refusals_left -= 1
        event_id = self._ids.new(now_us // 1000)
        self._append(
            Refused(
                event_id,
                now_us,
                grant.organization_id,
                grant.project_id,
                grant.key_id,
                operation,
                surface,
                requested_model[:_MOST_TEXT],
                http_status,
                error_code,
                user_agent,
            )
        )
        return event_id

    def when_safe(self, callback: Callable[[bool], None]) -> None:
        """Call back when the end of an answer may go out.

        At once with durability `process`: the flush that sends it writes the journal first. With
        `disk` after the group commit; false says that the disk refused.
        """
        if self.is_safe_at_once:
            callback(True)
        else:
            self._journal.when_durable(callback)

    def _append(self, record: Record) -> None:
        self._journal.append(record)
        # A cancelled call writes to no socket, so the journal must ask for its flush itself.
        self._schedule_flush()
