"""Numbers for /metrics: plain integer adds on the path, text only when it is scraped."""

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tradewind.usage.event import Outcome, Usage

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

# Seconds. First tokens come within milliseconds from a warm small model, within a minute from a
# queue.
_FIRST_TOKEN_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class _ModelCounts:
    __slots__ = (
        "duration_us",
        "first_token_buckets",
        "first_token_us",
        "input_tokens",
        "outcomes",
        "output_tokens",
    )

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.input_tokens = 0
        self.output_tokens = 0
        self.duration_us = 0
        self.first_token_us = 0
        self.first_token_buckets = [0] * (len(_FIRST_TOKEN_BUCKETS_S) + 1)


class Metrics:
    """Counts of this process since it started. Models are few, so labels are bounded."""

    def __init__(self) -> None:
        self._models: dict[str, _ModelCounts] = {}
        self._refused: dict[int, int] = {}

    def add_call(
        self,
        model: str,
        outcome: Outcome,
        usage: Usage,
        first_token_us: int | None,
        duration_us: int,
    ) -> None:
        counts = self._models.get(model)
        if counts is None:
            counts = self._models[model] = _ModelCounts()
        counts.outcomes[outcome] = counts.outcomes.get(outcome, 0) + 1
        counts.input_tokens += usage.input_tokens
        counts.output_tokens += usage.output_tokens
        counts.duration_us += duration_us
        if first_token_us is not None:
            counts.first_token_us += first_token_us
            bucket = bisect_left(_FIRST_TOKEN_BUCKETS_S, first_token_us / 1e6)
            counts.first_token_buckets[bucket] += 1

    def add_refusal(self, status: int) -> None:
        """Count a call that was not admitted."""
        self._refused[status] = self._refused.get(status, 0) + 1

    def exposition(
        self,
        gauges: Iterable[tuple[str, str, float]],
        counters: Iterable[tuple[str, str, dict[str, int]]] = (),
    ) -> bytes:
        """Return the Prometheus text format.

        `gauges` are (name, help, value) of the moment, `counters` (name, help, values by kind).
        """
        # Imported when first scraped: the library costs memory that most gateways never need.
        from prometheus_client import (  # noqa: PLC0415
            CollectorRegistry,
            generate_latest,
        )

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(list(self._families(gauges, counters))))
        return generate_latest(registry)

    def _families(
        self,
        gauges: Iterable[tuple[str, str, float]],
        counters: Iterable[tuple[str, str, dict[str, int]]],
    ) -> "Iterable[Metric]":
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        calls = CounterMetricFamily(
            "tradewind_requests", "Admitted calls that ended.", labels=["model", "outcome"]
        )
        tokens = CounterMetricFamily(
            "gen_ai_client_token_usage", "Tokens billed.", labels=["model", "gen_ai_token_type"]
        )
        busy = CounterMetricFamily(
            "tradewind_request_seconds", "Time in admitted calls.", labels=["model"]
        )
        first = HistogramMetricFamily(
            "gen_ai_server_time_to_first_token",
            "Seconds from admission to the first byte of the answer.",
            labels=["model"],
        )
        for model, counts in self._models.items():
            for outcome, number in counts.outcomes.items():
                calls.add_metric([model, outcome], number)
            tokens.add_metric([model, "input"], counts.input_tokens)
            tokens.add_metric([model, "output"], counts.output_tokens)
            busy.add_metric([model], counts.duration_us / 1e6)
            running, buckets = 0, list[tuple[str, float]]()
            bounds = [str(bound) for bound in _FIRST_TOKEN_BUCKETS_S] + ["+Inf"]
            for bound, number in zip(bounds, counts.first_token_buckets, strict=True):
                running += number
                buckets.append((bound, running))
            first.add_metric([model], buckets, counts.first_token_us / 1e6)
        refused = CounterMetricFamily(
            "tradewind_refusals", "Calls that were not admitted, by status.", labels=["status"]
        )
        for status, number in self._refused.items():
            refused.add_metric([str(status)], number)
        yield from (calls, tokens, busy, first, refused)
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value)
        for name, text, kinds in counters:
            family = CounterMetricFamily(name, text, labels=["kind"])
            for kind, number in kinds.items():
                family.add_metric([kind], number)
            yield family


class _Collector:
    def __init__(self, families: "list[Metric]") -> None:
        self._collected = families

    def collect(self) -> "list[Metric]":
        return self._collected
