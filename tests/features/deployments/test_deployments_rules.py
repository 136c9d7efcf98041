"""Decisions about replicas."""

from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.deployments.rules import ReplicaReport, restart_delay_s

FAILURES = st.integers(min_value=1, max_value=10**9)


@given(FAILURES, FAILURES)
def test_the_delay_grows_with_the_failures_and_is_bounded(one: int, other: int):
    fewer, more = sorted((one, other))
    assert 0 < restart_delay_s(fewer) <= restart_delay_s(more) <= 60.0


def test_the_first_restart_comes_soon_and_later_ones_within_a_minute():
    delays = [restart_delay_s(failures) for failures in range(1, 12)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]


@given(st.text())
def test_a_reason_is_one_line_of_bounded_length(reason: str):
    report = ReplicaReport.failed(reason)
    assert report.state == "failed"
    assert len(report.detail.splitlines()) <= 1
    assert len(report.detail) <= 300
    assert (
        report.detail.split() == reason.split()[: len(report.detail.split())] or len(reason) > 300
    )
