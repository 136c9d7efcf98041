"""The numbers of one process: what a call adds, how much it can be, how it is written."""

import fcntl
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tradewind.gateway.metrics import Metrics
from tradewind.gateway.metrics.families import (
    BLOCKS,
    DURATION,
    FIRST_TOKEN,
    HTTP,
    MOST_ATTEMPTS,
    MOST_CALLS,
    MOST_FAILURES,
    MOST_REFUSALS,
    PER_TOKEN,
    TOKENS,
)
from tradewind.gateway.metrics.region import LAYOUT
from tradewind.gateway.metrics.series import CAPACITY, SCRATCH
from tradewind.snapshot.contents import Operation
from tradewind.telemetry.genai import operation_name
from tradewind.usage.event import Attempt, Outcome, Trail, Usage, UsageSource

NOTHING = Usage(0, 0, 0, UsageSource.NONE)
SAMPLE = re.compile(
    r'[a-z_:][a-z0-9_:]*(\{([a-z_]+="([^"\\\n]|\\[\\"n])*",?)*\})? (-?[0-9.e+-]+)', re.IGNORECASE
)


def call(metrics, model="m", *, operation="chat", host="own", **changes):
    given = {
        "outcome": Outcome.COMPLETED,
        "usage": Usage(10, 0, 3, UsageSource.UPSTREAM),
        "first_token_us": 1000,
        "duration_us": 5000,
    }
    metrics.add_call(operation, model, host, **given | changes)


def failed_with(code, *attempts):
    return {
        "outcome": Outcome.FAILED,
        "usage": NOTHING,
        "trail": Trail("openai", "m", tuple(attempts), error_code=code),
    }


def families_of(metrics):
    text = metrics.exposition().decode()
    for line in text.splitlines():
        assert line.startswith("# ") or SAMPLE.fullmatch(line), line
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(metrics, name):
    """Return the values of a sample by its labels, without those that are the same for all."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in families_of(metrics).values()
        for sample in family.samples
        if sample.name == name
    }


def buckets(metrics, family, **labels):
    found = families_of(metrics)[family.name]
    return [
        (sample.labels["le"], sample.value)
        for sample in found.samples
        if sample.name.endswith("_bucket") and labels.items() <= sample.labels.items()
    ]


def test_buckets_are_those_of_the_conventions():
    assert DURATION.bounds == tuple(0.01 * 2**power for power in range(14))
    assert TOKENS.bounds == tuple(4**power for power in range(14))
    assert FIRST_TOKEN.bounds[:8] == (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1)
    assert FIRST_TOKEN.bounds[8:] == (0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
    assert PER_TOKEN.bounds[:7] == (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2)
    assert PER_TOKEN.bounds[7:] == (0.3, 0.4, 0.5, 0.75, 1.0, 2.5)


def test_a_bound_belongs_to_its_bucket():
    metrics = Metrics()
    for microseconds in (1, 1000, 1001, 10_000_000, 10_000_001):
        call(metrics, is_stream=True, first_token_us=microseconds, duration_us=20_000_000)
    found = dict(buckets(metrics, FIRST_TOKEN))
    assert (found["0.001"], found["0.005"], found["10.0"], found["+Inf"]) == (2, 3, 4, 5)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from([Outcome.COMPLETED, Outcome.CANCELLED, Outcome.FAILED]),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
        ),
        max_size=30,
    )
)
def test_histograms_are_cumulative_and_agree_with_their_counts(calls):
    metrics = Metrics()
    for is_stream, outcome, tokens, first, rest in calls:
        call(
            metrics,
            is_stream=is_stream,
            outcome=outcome,
            usage=Usage(tokens, 0, tokens, UsageSource.UPSTREAM),
            first_token_us=first,
            duration_us=first + rest,
        )
    durations = 0
    for family in families_of(metrics).values():
        if family.type != "histogram":
            continue
        series = {}
        for sample in family.samples:
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            series.setdefault(labels, {}).setdefault(sample.name.rpartition("_")[2], []).append(
                sample.value
            )
        for each in series.values():
            assert each["bucket"] == sorted(each["bucket"])
            assert each["bucket"][-1] == each["count"][0]
            if family.name == DURATION.name:
                durations += each["count"][0]
    assert durations == len(calls)
    total = sum(values(metrics, f"{DURATION.name}_sum").values())
    assert total == pytest.approx(sum(first + rest for *_, first, rest in calls) / 1e6)


def test_a_whole_answer_has_no_first_token():
    metrics = Metrics()
    call(metrics, is_stream=False)
    assert FIRST_TOKEN.name not in families_of(metrics)
    assert PER_TOKEN.name not in families_of(metrics)


def test_time_per_token_leaves_the_first_one_out():
    metrics = Metrics()
    call(
        metrics,
        is_stream=True,
        usage=Usage(1, 0, 11, UsageSource.UPSTREAM),
        first_token_us=4_000_000,
        duration_us=5_000_000,
    )
    assert list(values(metrics, f"{PER_TOKEN.name}_sum").values()) == [0.1]


def test_an_answer_out_of_the_cache_is_a_call_without_tokens():
    metrics = Metrics()
    call(metrics, is_stream=True, usage=Usage(0, 0, 0, UsageSource.CACHE))
    found = families_of(metrics)
    assert TOKENS.name not in found
    assert FIRST_TOKEN.name not in found
    assert list(values(metrics, f"{DURATION.name}_count").values()) == [1]


def test_a_cancelled_call_is_no_error():
    metrics = Metrics()
    call(metrics, outcome=Outcome.CANCELLED)
    [labels] = values(metrics, f"{DURATION.name}_count")
    assert "error_type" not in dict(labels)


def test_only_calls_that_waited_are_in_the_waits():
    metrics = Metrics()
    call(metrics, trail=Trail("openai", "m", ()))
    call(metrics, trail=Trail("openai", "m", (), queued_us=2_000_000))
    assert list(values(metrics, "tradewind_queue_wait_seconds_sum").values()) == [2.0]
    assert list(values(metrics, "tradewind_queue_wait_seconds_count").values()) == [1]


@pytest.mark.parametrize(
    "name", ['a"b\\c\nd{}', "\\", '"', "\n", "x" * 1000, "é\u2028\r\x00", "\ud800"]
)
def test_a_model_name_cannot_break_the_format(name):
    metrics = Metrics()
    call(metrics, name, host=name)
    [(labels, value)] = values(metrics, f"{DURATION.name}_count").items()
    expected = "".join(each if each.isprintable() else "?" for each in name[:200])
    assert dict(labels) == {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": expected,
        "gen_ai_request_model": expected,
    }
    assert value == 1


def test_models_hosts_errors_and_codes_do_not_grow_without_bound():
    metrics = Metrics()
    count = 2000
    for number in range(count):
        attempt = Attempt("dep", f"host-{number}", "only", 500, f"why-{number}", 1)
        call(metrics, f"model-{number}", host=f"host-{number}")
        failure = failed_with(f"code_{number}", attempt)
        call(metrics, f"model-{number}", host=f"host-{number}", **failure)
        metrics.add_refusal(400 + number, f"code_{number}", f"operation-{number}")
    ended = values(metrics, "tradewind_requests_total")
    assert len({labels[:3] for labels in ended}) <= 2 * (MOST_CALLS + len(Operation) + 1)
    assert sum(ended.values()) == 2 * count
    durations = values(metrics, f"{DURATION.name}_count")
    assert sum(durations.values()) == 2 * count
    assert len(durations) <= MOST_CALLS + MOST_FAILURES + 2 * (len(Operation) + 1)
    attempts = values(metrics, "tradewind_attempts_total")
    assert (sum(attempts.values()), len(attempts)) == (count, MOST_ATTEMPTS + 1)
    refusals = values(metrics, "tradewind_refusals_total")
    assert (sum(refusals.values()), len(refusals)) == (count, MOST_REFUSALS + 1)
    others = {dict(labels)["gen_ai_request_model"] for labels in durations}
    assert "other" in others
    assert "_OTHER" in {dict(labels).get("error_type") for labels in durations}


def test_what_was_first_is_still_counted_apart_when_there_are_too_many():
    metrics = Metrics()
    call(metrics, "first")
    for number in range(2 * MOST_CALLS):
        call(metrics, f"model-{number}")
    call(metrics, "first")
    found = values(metrics, f"{DURATION.name}_count")
    [value] = [
        value for labels, value in found.items() if ("gen_ai_request_model", "first") in labels
    ]
    assert value == 2


@pytest.mark.parametrize(
    "code", ["sk-tw- my prompt was secret", "a" * 49, "sk-tw-0123", "é", 'x"y', "line\nbreak"]
)
def test_what_is_no_code_is_never_a_label(code):
    metrics = Metrics()
    call(metrics, **failed_with(code))
    metrics.add_refusal(400, code)
    text = metrics.exposition().decode()
    assert code not in text
    assert 'error_type="_OTHER"' in text
    assert 'code="_OTHER"' in text


def test_an_operation_that_is_not_ours_is_unknown():
    metrics = Metrics()
    metrics.add_refusal(404, "unknown_url", "delete everything")
    [labels] = values(metrics, "tradewind_refusals_total")
    assert dict(labels)["gen_ai_operation_name"] == "unknown"


@pytest.mark.parametrize("operation", Operation)
def test_every_operation_has_a_name(operation):
    assert operation_name(operation) != "unknown"


def test_nothing_counted_is_a_valid_exposition():
    found = families_of(Metrics())
    assert DURATION.name not in found
    assert [sample.value for sample in found["tradewind_calls_waiting"].samples] == [0]


def test_a_block_fits_where_nobody_reads():
    assert max(block.width for block in BLOCKS) <= SCRATCH
    assert CAPACITY * 8 <= 1024 * 1024, "each process of a host has so much"


# A folder that others use, or used, as well.


def test_the_next_process_of_a_name_goes_on_from_what_was_counted(tmp_path):
    for number in (1, 2, 3):
        metrics = Metrics(tmp_path, "gateway")
        call(metrics)
        metrics.put_kinds(HTTP, {"requests": 5})
        metrics.put_kinds(HTTP, {"requests": 7})
        assert list(values(metrics, f"{DURATION.name}_count").values()) == [number]
        assert values(metrics, "tradewind_http_total") == {(("kind", "requests"),): 7 * number}
        metrics.close()


def test_the_end_of_a_line_that_is_missing_is_cut_off(tmp_path):
    metrics = Metrics(tmp_path, "one")
    with (tmp_path / f"series.{LAYOUT}").open("ab") as file:
        file.write(b'[12345,"calls","chat"')
    call(metrics, "m")
    other = Metrics(tmp_path, "two")
    call(other, "m")
    assert list(values(other, f"{DURATION.name}_count").values()) == [2]
    other.close()
    metrics.close()


def test_a_damaged_list_stops_no_call(tmp_path, caplog):
    metrics = Metrics(tmp_path, "one")
    with (tmp_path / f"series.{LAYOUT}").open("ab") as file:
        file.write(b'[1,"no such block"]\n')
    call(metrics, "m")
    assert list(values(metrics, "tradewind_metrics_uncounted_total").values()) == [1]
    assert "damaged" in caplog.text or "cannot be read" in caplog.text
    metrics.close()


def test_a_list_held_by_a_stopped_process_stops_no_call(tmp_path):
    metrics = Metrics(tmp_path, "one")
    call(metrics, "known")
    held = os.open(tmp_path / f"series.{LAYOUT}", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    call(metrics, "known")
    call(metrics, "new")
    found = values(metrics, f"{DURATION.name}_count")
    assert list(found.values()) == [2]
    assert list(values(metrics, "tradewind_metrics_uncounted_total").values()) == [1]
    os.close(held)
    metrics.close()
