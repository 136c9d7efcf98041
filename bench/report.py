"""What a run of the benchmark found, as a table for people and as JSON for programs."""

from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bench.catalog_page import PageFigures
from bench.guarded import CONNECTIONS as GUARDED_CONNECTIONS
from bench.guarded import GuardedFigures
from bench.held import SLOW_READERS, HeldFigures
from bench.held import STREAMS as HELD_STREAMS
from bench.loads import CONNECTIONS, STREAMS, JsonFigures, StreamFigures

COALESCE_MS = 40
"""For how long the second gateway may hold an event; the mock sends one each 10 ms."""
AIMS = (
    "JSON <= 3.0x nginx, stream event <= 2.0x nginx, memory <= 60 MB, start <= 1 s, added time to"
    " first token <= 1 ms, translation <= 150 µs, two workers >= 1.8x one, 1,500 streams: no error,"
    " < 250 MB, flat, catalog page: first paint <= 500 ms, filter <= 100 ms; the default safety"
    " policy: <= 8 ms more to a call, <= 150 ms more to the first token, gaps p99 <= 250 ms,"
    " <= 150 MB more"
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Medians over the rounds; ratios are medians of each round's own ratio."""

    rounds: int
    json_cpu_ratio: float
    stream_cpu_ratio: float
    coalesced_cpu_ratio: float
    """As `stream_cpu_ratio`, where events may be held for COALESCE_MS."""
    translation_extra_us: float
    """CPU time a call of Anthropic's dialect costs beyond one of OpenAI's."""
    two_workers_ratio: float
    two_workers_plain_ratio: float
    two_workers_cpu_ratio: float
    two_workers_measured: str
    held: HeldFigures | None
    page: PageFigures | None
    """Of the catalog, in Chromium; None where there is none, or where it was not asked for."""
    guarded: GuardedFigures
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
            "coalesced_cpu_ratio": round(self.coalesced_cpu_ratio, 2),
            "translation_extra_us": round(self.translation_extra_us, 1),
            "two_workers_ratio": round(self.two_workers_ratio, 2),
            "two_workers_plain_ratio": round(self.two_workers_plain_ratio, 2),
            "two_workers_cpu_ratio": round(self.two_workers_cpu_ratio, 2),
            "two_workers_measured": self.two_workers_measured,
            "streams_held": None if self.held is None else _held(self.held),
            "catalog_page": None if self.page is None else self.page.as_dict(),
            "guarded": self.guarded.as_dict(),
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
        caption=f"Keys, limits, budget and journal on. Two workers: {report.two_workers_measured}."
        f" Aims: {AIMS}.",
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
            f"  the same, events held for up to {COALESCE_MS} ms",
            "",
            "",
            f"{report.coalesced_cpu_ratio:.2f}x",
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
        (
            "Anthropic's dialect to OpenAI's: CPU µs a call more",
            "",
            f"{report.translation_extra_us:.1f}",
            "",
        ),
        (
            "two gateways over one: rate",
            "",
            "",
            f"{report.two_workers_ratio:.2f}x",
        ),
        (
            "  by the clock / by CPU time alone",
            "",
            "",
            f"{report.two_workers_plain_ratio:.2f}x / {report.two_workers_cpu_ratio:.2f}x",
        ),
        *_held_rows(report.held),
        *_page_rows(report.page),
        *_guarded_rows(report.guarded),
        ("memory after load, PSS MB", f"{report.nginx_pss_mb:.1f}", f"{report.pss_mb:.1f}", ""),
        ("start, s", "", f"{report.start_s:.2f}", ""),
    )
    for row in rows:
        shown.add_row(*row)
    return shown


def _held_rows(held: HeldFigures | None) -> tuple[tuple[str, str, str, str], ...]:
    if held is None:
        return ()
    figures = (held.pss_mb_start, held.pss_mb_half, held.pss_mb_end, held.pss_mb_max)
    memory = " / ".join(f"{figure:.1f}" for figure in figures)
    return (
        (
            f"{HELD_STREAMS:,} streams, {SLOW_READERS} slow readers, {held.seconds} s: errors",
            "",
            str(held.errors) if held.first_error is None else f"{held.errors}: {held.first_error}",
            "",
        ),
        ("  memory at start / half / end / most, PSS MB", "", memory, ""),
    )


def _page_rows(page: PageFigures | None) -> tuple[tuple[str, str, str, str], ...]:
    if page is None:
        return ()
    painted = f"{page.first_paint_ms_p50:.0f} / {page.first_paint_ms_max:.0f}"
    filtered = f"{page.filter_ms_p50:.0f} / {page.filter_ms_max:.0f}"
    return (
        (
            f"catalog page in Chromium, {page.models:,} models: first paint, p50 / most ms",
            "",
            painted,
            "",
        ),
        ("  click on a filter until it is painted, p50 / most ms", "", filtered, ""),
    )


def _guarded_rows(guarded: GuardedFigures) -> tuple[tuple[str, str, str, str], ...]:
    streams = f"{guarded.stream_added_ttft_ms:.0f} / {guarded.stream_gap_ms_p99:.0f}"
    return (
        (
            f"default safety policy, {GUARDED_CONNECTIONS} connections: added p50 ms, paced / busy",
            "",
            f"{guarded.added_ms_p50:.1f} / {guarded.saturated_added_ms_p50:.1f}",
            "",
        ),
        (
            "  CPU µs a call more / requests/s",
            "",
            f"{guarded.added_cpu_us:,.0f} / {guarded.requests_per_s:,.0f}",
            "",
        ),
        ("  streams at 50 tokens/s: added first token / gap p99, ms", "", streams, ""),
        ("  memory more, PSS MB", "", f"{guarded.memory_mb:.0f}", ""),
    )


def _held(held: HeldFigures) -> dict[str, object]:
    return {
        "seconds": held.seconds,
        "errors": held.errors,
        "first_error": held.first_error,
        "events_per_s": round(held.events_per_s),
        "pss_mb_start": round(held.pss_mb_start, 1),
        "pss_mb_half": round(held.pss_mb_half, 1),
        "pss_mb_end": round(held.pss_mb_end, 1),
        "pss_mb_max": round(held.pss_mb_max, 1),
    }


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
