"""One JSON line a request."""

import json
from uuid import UUID

from tradewind.features.metering.rules import event_row, log_row, log_row_of_refusal
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.event import Attempt, Refused, Trail
from tradewind.worker.request_lines import RequestLines

TRAIL = Trail(
    "messages",
    "small",
    (Attempt("dep_a", "own", "only target", 200, "", 9),),
    queued_us=1500,
    overhead_us=210,
    user_agent="client/1",
    tags={"team": "search"},
)


def a_refusal():
    opened = opened_call()
    return Refused(
        opened.event_id,
        opened.at_us,
        opened.organization_id,
        opened.project_id,
        opened.key_id,
        "chat",
        "openai",
        "none/such",
        429,
        "rate_limit_exceeded",
    )


def lines_in(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_call_is_one_line_with_what_it_was_and_what_it_cost(tmp_path):
    lines = RequestLines(tmp_path / "logs" / "requests.jsonl")
    event = end_of(opened_call(), trail=TRAIL)
    row = event_row(event)
    lines.write([row], [log_row(event)])
    lines.close()
    [line] = lines_in(tmp_path / "logs" / "requests.jsonl")
    assert line["request_id"] == "req_" + event.event_id.hex()
    assert (line["surface"], line["model"], line["outcome"]) == (
        "messages",
        event.model,
        "completed",
    )
    assert line["cost"] == "0.0000064"
    assert (line["queued_ms"], line["overhead_ms"], line["first_token_ms"]) == (1.5, 0.21, 20.0)
    assert line["tags"] == {"team": "search"}


def test_a_refused_call_is_a_line_without_usage(tmp_path):
    lines = RequestLines(tmp_path / "requests.jsonl")
    lines.write([], [log_row_of_refusal(a_refusal())])
    lines.close()
    [line] = lines_in(tmp_path / "requests.jsonl")
    assert (line["status"], line["error"], line["outcome"]) == (
        429,
        "rate_limit_exceeded",
        "refused",
    )
    assert "cost" not in line
    assert UUID(hex=line["request_id"].removeprefix("req_")).version == 7


def test_the_file_is_turned_over_and_old_ones_go(tmp_path):
    lines = RequestLines(tmp_path / "requests.jsonl", most_bytes=2000, kept_files=2)
    for _ in range(40):
        lines.write([], [log_row_of_refusal(a_refusal())])
    lines.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["requests.jsonl", "requests.jsonl.1", "requests.jsonl.2"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())


def test_a_disk_that_refuses_is_told_once_and_stops_nothing(tmp_path, caplog):
    (tmp_path / "requests.jsonl").mkdir()
    lines = RequestLines(tmp_path / "requests.jsonl")
    for _ in range(3):
        lines.write([], [log_row_of_refusal(a_refusal())])
    lines.close()
    told = [record for record in caplog.records if "cannot be written" in record.message]
    assert len(told) == 1
