"""What a run of the benchmark found, as a table for people and as JSON for programs."""

from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bench.loads import CONNECTIONS, STREAMS, JsonFigures, StreamFigures

AIMS = (
    "JSON <= 3.0x nginx, stream event <= 2.0x nginx, memory <= 60 MB, start <= 1 s, added time to"
    " first token <= 1 ms"
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Medians over the rounds; ratios are medians of each round's own ratio."""

    rounds: int
    json_cpu_ratio: float
    stream_cpu_ratio: float
    pss_mb: float
    nginx_pss_mb: float
    start_s: float
    ttft_added_ms_p50: float
    nginx_ttft_added_ms_p50: float
    gateway_json: JsonFigures
    nginx_json: JsonFigures
    gateway_streams: StreamFigures
    nginx_streams: StreamFigures

    def as_dict(self) -> dict[str, Any]:
        return {
            "json_cpu_ratio": round(self.json_cpu_ratio, 2),
            "stream_cpu_ratio": round(self.stream_cpu_ratio, 2),
            "pss_mb": round(self.pss_mb, 1),
            "start_s": round(self.start_s, 2),
            "ttft_added_ms_p50": round(self.ttft_added_ms_p50, 2),
            "rounds": self.rounds,
            "tradewind": _raw(self.gateway_json, self.gateway_streams),
            "nginx": _raw(self.nginx_json, self.nginx_streams)
            | {
                "pss_mb": round(self.nginx_pss_mb, 1),
                "ttft_added_ms_p50": round(self.nginx_ttft_added_ms_p50, 2),
            },
        }


def table(report: Report) -> Table:
    shown = Table(
        title=f"Gateway beside nginx, {report.rounds} rounds",
        caption=f"Keys, limits and journal on. Aims: {AIMS}.",
    )
    for heading in ("", "nginx", "tradewind", "ratio"):
        shown.add_column(heading, justify="right" if heading else "left")
    nginx_json, gateway_json = report.nginx_json, report.gateway_json
    nginx_streams, gateway_streams = report.nginx_streams, report.gateway_streams
    rows: tuple[tuple[str, str, str, str], ...] = (
        (
            f"JSON, {CONNECTIONS} connections: CPU µs a request",
            f"{nginx_json.cpu_us:.1f}",
            f"{gateway_json.cpu_us:.1f}",
            f"{report.json_cpu_ratio:.2f}x",
        ),
        (
            "  requests/s on one core",
            f"{nginx_json.requests_per_s:,.0f}",
            f"{gateway_json.requests_per_s:,.0f}",
            "",
        ),
        (
            "  p50 / p99 ms",
            f"{nginx_json.p50_ms:.1f} / {nginx_json.p99_ms:.1f}",
            f"{gateway_json.p50_ms:.1f} / {gateway_json.p99_ms:.1f}",
            "",
        ),
        (
            f"{STREAMS} streams: CPU µs an event",
            f"{nginx_streams.cpu_us:.1f}",
            f"{gateway_streams.cpu_us:.1f}",
            f"{report.stream_cpu_ratio:.2f}x",
        ),
        (
            "  events/s",
            f"{nginx_streams.events_per_s:,.0f}",
            f"{gateway_streams.events_per_s:,.0f}",
            "",
        ),
        (
            "  added time to first token, p50 ms",
            f"{report.nginx_ttft_added_ms_p50:.2f}",
            f"{report.ttft_added_ms_p50:.2f}",
            "",
        ),
        ("memory after load, PSS MB", f"{report.nginx_pss_mb:.1f}", f"{report.pss_mb:.1f}", ""),
        ("start, s", "", f"{report.start_s:.2f}", ""),
    )
    for row in rows:
        shown.add_row(*row)
    return shown


def _raw(json_figures: JsonFigures, stream_figures: StreamFigures) -> dict[str, float]:
    return {
        "json_cpu_us": round(json_figures.cpu_us, 1),
        "json_requests_per_s": round(json_figures.requests_per_s),
        "json_ms_p50": round(json_figures.p50_ms, 2),
        "json_ms_p99": round(json_figures.p99_ms, 2),
        "stream_event_cpu_us": round(stream_figures.cpu_us, 1),
        "stream_events_per_s": round(stream_figures.events_per_s),
        "stream_ttft_ms_p50": round(stream_figures.ttft_ms_p50, 2),
        "stream_ttft_ms_p99": round(stream_figures.ttft_ms_p99, 2),
    }
