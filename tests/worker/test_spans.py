"""Spans of calls, as a collector receives them."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.metering.rules import event_row, log_row
from tradewind.gateway.metrics import Metrics
from tradewind.telemetry.genai import ERROR_TYPE, OPERATION, PROVIDER, prometheus_label
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.event import Attempt, Outcome, Trail, Usage, UsageSource
from tradewind.worker.spans import is_sampled, open_spans, parse_trace_parent

otlp = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2",
    reason="the extra `otel` is not installed",
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


class Collector:
    """Takes OTLP over HTTP and keeps the spans."""

    def __init__(self):
        spans = self.spans = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                request = otlp.ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format, *args):  # noqa: A002  as the base names it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector(monkeypatch):
    with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


def export(*events, share=0.0):
    spans = open_spans(os.environ, share=share)
    assert spans is not None
    spans.write([event_row(event) for event in events], [log_row(event) for event in events])
    spans.close()


def a_call(trace_parent="", **changes):
    trail = Trail(
        "messages",
        "small:floor",
        (
            Attempt("dep_a", "own", "least load", 503, "busy", 900),
            Attempt("dep_b", "openai", "fallback after busy", 200, "", 120_000),
        ),
        queued_us=40_000,
        overhead_us=210,
        trace_parent=trace_parent,
        tags={"team": "search"},
    )
    return end_of(opened_call(), trail=trail, **changes)


def attributes(span):
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }


def test_a_sampled_call_is_a_span_of_its_clients_trace_with_its_attempts(collector):
    event = a_call(PARENT)
    export(event)
    [call] = [span for span in collector.spans if span.parent_span_id.hex() == SPAN]
    assert call.trace_id.hex() == TRACE
    assert call.name == f"chat {event.model}"
    assert call.start_time_unix_nano == event.at_us * 1000
    assert call.end_time_unix_nano - call.start_time_unix_nano == event.duration_us * 1000
    found = attributes(call)
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.provider.name"] == "openai"
    assert found["gen_ai.usage.output_tokens"] == event.usage.output_tokens
    assert found["tradewind.request.id"] == "req_" + event.event_id.hex()
    assert found["tradewind.tag.team"] == "search"
    children = [span for span in collector.spans if span.parent_span_id == call.span_id]
    assert [attributes(child)["gen_ai.provider.name"] for child in children] == ["own", "openai"]
    assert attributes(children[0])["error.type"] == "busy"
    assert children[0].end_time_unix_nano == children[1].start_time_unix_nano


def test_spans_and_metrics_have_the_same_words(collector):
    export(
        end_of(
            opened_call(operation="completions", is_stream=True),
            trail=Trail(
                "openai",
                "small",
                (Attempt("dep_a", "amazon-bedrock", "only", 502, "failed", 900),),
                error_code="upstream_unreachable",
                trace_parent=PARENT,
            ),
            outcome=Outcome.FAILED,
            first_token_us=250_000,
        )
    )
    [call] = [span for span in collector.spans if span.parent_span_id.hex() == SPAN]
    [attempt] = [span for span in collector.spans if span.parent_span_id == call.span_id]
    found = attributes(call)
    assert found["gen_ai.request.stream"] is True
    assert found["gen_ai.response.time_to_first_chunk"] == 0.25
    metrics = Metrics()
    metrics.add_call(
        "completions",
        "small",
        "amazon-bedrock",
        outcome=Outcome.FAILED,
        usage=Usage(0, 0, 0, UsageSource.NONE),
        first_token_us=None,
        duration_us=1,
        trail=Trail("openai", "small", (), error_code="upstream_unreachable"),
    )
    text = metrics.exposition().decode()
    for name in (OPERATION, PROVIDER, ERROR_TYPE):
        assert f'{prometheus_label(name)}="{found[name]}"' in text
    for name in (OPERATION, PROVIDER):
        assert attributes(attempt)[name] == found[name]
    assert (found[OPERATION], found[PROVIDER]) == ("text_completion", "aws.bedrock")


def test_a_failed_call_is_an_error_and_a_cancelled_one_is_not(collector):
    export(
        a_call(PARENT, outcome=Outcome.FAILED, http_status=502),
        a_call(PARENT, outcome=Outcome.CANCELLED),
    )
    calls = [span for span in collector.spans if span.parent_span_id.hex() == SPAN]
    assert [span.status.code for span in calls] == [2, 0]


def test_calls_without_a_sampled_parent_are_exported_by_their_share(collector):
    export(a_call(), a_call(f"00-{TRACE}-{SPAN}-00"), share=0.0)
    assert collector.spans == []
    export(a_call(), share=1.0)
    assert len(collector.spans) == 3


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_what_a_smaller_one_had(one, other):
    entry = log_row(a_call())
    if is_sampled(entry, None, min(one, other)):
        assert is_sampled(entry, None, max(one, other))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-0-0-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"01-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        PARENT + "\n",
    ],
)
def test_a_malformed_parent_means_nothing(text):
    assert parse_trace_parent(text) is None


def test_a_collector_that_is_away_stops_nothing(monkeypatch):
    with Collector() as gone:
        url = gone.url
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    export(a_call(PARENT))


def test_nothing_is_exported_where_nobody_asked():
    assert open_spans({}, share=1.0) is None
