"""What the worker tells of itself, as a gateway's scrape shows it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from tradewind.features.metering.rules import event_row
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.worker.report import FAMILIES, WorkerReport

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class StoppedClock:
    def now(self):
        return NOW

    def monotonic(self):
        return 1.0


@dataclass
class Published:
    published_at: float = 0.0
    published_in_s: float = 0.0
    failures: int = 0


def a_report(path, published=None):
    return WorkerReport(path, published or Published(), StoppedClock())


def values_of(path):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def test_a_report_has_every_number_once_and_is_read_as_prometheus_reads(tmp_path):
    published = Published(NOW.timestamp() - 10, published_in_s=0.25, failures=2)
    report = a_report(tmp_path / "metrics" / "worker.prom", published)
    report.shipper.events = 7
    ended = NOW - timedelta(milliseconds=1500)
    event = end_of(opened_call(at_us=int(ended.timestamp() * 1e6) - 500_000), duration_us=500_000)
    report.observe([event_row(event)])
    report.write()
    found = values_of(tmp_path / "metrics" / "worker.prom")
    assert found["tradewind_shipping_total", "events"] == 7
    assert found[("tradewind_shipping_lag_seconds",)] == 1.5
    assert found[("tradewind_shipped_timestamp_seconds",)] == NOW.timestamp()
    assert found[("tradewind_publish_duration_seconds",)] == 0.25
    assert found[("tradewind_published_timestamp_seconds",)] == NOW.timestamp() - 10
    assert found[("tradewind_publish_failures_total",)] == 2
    assert found[("tradewind_worker_report_timestamp_seconds",)] == NOW.timestamp()
    assert {name for name, *_ in found} == {family.name for family in FAMILIES}


def test_only_its_owner_can_read_a_report(tmp_path):
    path = tmp_path / "worker.prom"
    a_report(path).write()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    report = a_report(tmp_path / "file" / "worker.prom")
    report.write()
    report.write()
    assert len(caplog.records) == 1
