"""Spans of calls, built after the answer from what the books say, exported by OTLP over HTTP.

Nothing of it runs in a gateway. A call belongs to its client's trace where the client sent a
`traceparent`, and is sampled when that says so; others by a fixed share of them, decided by the id
of the call, so that asking twice gives the same. Attribute names: OpenTelemetry, "Semantic
conventions for generative client AI spans", in the words of `telemetry.genai`, which metrics have
too. Never holds a prompt or an answer.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from tradewind.core.errors import StartupError
from tradewind.core.ids import request_id
from tradewind.core.money import format_nanos
from tradewind.features.metering.rules import EventRow, LogRow
from tradewind.telemetry.genai import (
    ERROR_TYPE,
    MODEL,
    OPERATION,
    PROVIDER,
    operation_name,
    provider_name,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_MOST_QUEUED = 8192
_SHUTDOWN_MS = 5000
# W3C Trace Context, section 3.2.2.
_TRACE_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TraceParent(NamedTuple):
    trace_id: int
    span_id: int
    is_sampled: bool


def parse_trace_parent(text: str) -> TraceParent | None:
    """Return what a `traceparent` header says; None for a malformed one, which means nothing."""
    found = _TRACE_PARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    if not trace_id or not span_id:
        return None
    return TraceParent(trace_id, span_id, bool(int(found[3], 16) & _SAMPLED))


def is_sampled(entry: LogRow, parent: TraceParent | None, share: float) -> bool:
    """Tell whether a call is exported; the same for the same call whenever it is asked."""
    if parent is not None and parent.is_sampled:
        return True
    # The end of a UUIDv7 is random.
    return (entry.event_id.int & 0xFFFF_FFFF) < share * 2**32


class RequestSpans:
    """Exports spans in the background. What does not fit into the queue is dropped."""

    def __init__(self, exporter: "SpanExporter", *, share: float) -> None:
        # Imported here: most installations export nothing and should not pay for it.
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        self._share = share
        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create({"service.name": "tradewind"}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_MOST_QUEUED))
        self._tracer = self._provider.get_tracer("tradewind.gateway")

    def write(self, rows: Sequence[EventRow], log: Sequence[LogRow]) -> None:
        """Build the spans of sampled calls. Refused calls have none: they did nothing."""
        events = {row.event_id: row for row in rows}
        for entry in log:
            event = events.get(entry.event_id)
            if event is None:
                continue
            parent = parse_trace_parent(entry.trace_parent)
            if is_sampled(entry, parent, self._share):
                self._build(event, entry, parent)

    def close(self) -> None:
        """Export what is queued, for at most five seconds."""
        self._provider.force_flush(_SHUTDOWN_MS)
        self._provider.shutdown()

    def _build(self, event: EventRow, entry: LogRow, parent: TraceParent | None) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context  # noqa: PLC0415

        start = _nanoseconds(event.at)
        span = self._tracer.start_span(
            f"{operation_name(event.operation)} {event.model}",
            context=_context_of(parent),
            kind=SpanKind.SERVER,
            attributes=_attributes(event, entry),
            start_time=start,
        )
        inside = set_span_in_context(span)
        begun = start + (entry.queued_us + entry.overhead_us) * 1000
        for attempt in entry.attempts:
            ended = begun + attempt["duration_us"] * 1000
            child = self._tracer.start_span(
                f"{operation_name(event.operation)} {attempt['host'] or attempt['deployment_id']}",
                context=inside,
                kind=SpanKind.CLIENT,
                attributes={
                    OPERATION: operation_name(event.operation),
                    PROVIDER: provider_name(attempt["host"]),
                    MODEL: event.model,
                    "http.response.status_code": attempt["status"],
                    "tradewind.deployment.id": attempt["deployment_id"],
                    "tradewind.route": attempt["why"],
                },
                start_time=begun,
            )
            if attempt["failure"]:
                child.set_attribute(ERROR_TYPE, attempt["failure"])
                child.set_status(Status(StatusCode.ERROR))
            child.end(ended)
            begun = ended
        if event.outcome in ("failed", "orphaned"):
            span.set_attribute(ERROR_TYPE, entry.error_code or event.outcome)
            span.set_status(Status(StatusCode.ERROR))
        span.end(start + event.duration_us * 1000)


def open_spans(environment: Mapping[str, str], *, share: float) -> RequestSpans | None:
    """Return what exports to where the environment says, or None when it says nothing.

    Raises StartupError when it does and the packages are not there.
    """
    if not any(environment.get(name) for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
    except ImportError as error:
        raise StartupError(
            "spans cannot be exported: the OpenTelemetry packages are not installed",
            hint="install tradewind[otel], or unset OTEL_EXPORTER_OTLP_ENDPOINT",
        ) from error
    return RequestSpans(OTLPSpanExporter(), share=share)


def _attributes(event: EventRow, entry: LogRow) -> dict[str, str | int | float | bool]:
    attributes: dict[str, str | int | float | bool] = {
        OPERATION: operation_name(event.operation),
        PROVIDER: provider_name(entry.host),
        MODEL: entry.requested_model,
        "gen_ai.request.stream": event.is_stream,
        "gen_ai.response.model": event.model,
        "gen_ai.usage.input_tokens": event.input_tokens,
        "gen_ai.usage.output_tokens": event.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": event.cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": event.cache_write_tokens,
        "http.response.status_code": event.http_status,
        "user_agent.original": entry.user_agent,
        "tradewind.request.id": request_id(event.event_id.bytes),
        "tradewind.organization.id": event.organization_id,
        "tradewind.project.id": event.project_id,
        "tradewind.key.id": event.key_id,
        "tradewind.surface": entry.surface,
        "tradewind.outcome": event.outcome,
        "tradewind.cost": format_nanos(event.cost_nanos),
        "tradewind.currency": event.currency,
        "tradewind.queued_ms": entry.queued_us / 1000,
        "tradewind.overhead_ms": entry.overhead_us / 1000,
    }
    if event.first_token_us is not None:
        attributes["tradewind.first_token_ms"] = event.first_token_us / 1000
        if event.is_stream:
            attributes["gen_ai.response.time_to_first_chunk"] = event.first_token_us / 1e6
    for name, value in entry.tags.items():
        attributes[f"tradewind.tag.{name}"] = value
    return attributes


def _context_of(parent: TraceParent | None) -> "Context":
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace import (  # noqa: PLC0415
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    # An empty context, so that nothing of this thread becomes the parent by accident.
    if parent is None:
        return Context()
    context = SpanContext(
        parent.trace_id, parent.span_id, is_remote=True, trace_flags=TraceFlags(_SAMPLED)
    )
    return set_span_in_context(NonRecordingSpan(context), Context())


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
