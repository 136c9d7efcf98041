"""The request log over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.ids import request_id
from tradewind.testing.logged_calls import OWN_ATTEMPT, ended_call, log_calls, refused_call
from tradewind.usage.event import Attempt, Outcome, Trail

pytestmark = pytest.mark.postgres

NOW = datetime(2030, 1, 31, 12, 34, 56, tzinfo=UTC)


@pytest.fixture
def ask(client, with_key):
    def ask(path, **params):
        return client.get(f"/api{path}", params=params, headers=with_key)

    return ask


@pytest.fixture
def mine(first_run):
    """Where the caller's own calls are booked."""
    return {
        "organization_id": first_run.organization_id,
        "project_id": first_run.project_id,
        "key_id": first_run.key_id,
    }


def shown(answer):
    assert answer.status_code == 200, answer.text
    return [line["id"] for line in answer.json()["requests"]]


def test_calls_and_refusals_are_listed_newest_first(ask, database, mine):
    call = ended_call(NOW, **mine, cost_nanos=1_234_567)
    refused = refused_call(NOW + timedelta(seconds=1), **mine, user_agent="curl/8")
    log_calls(database, call, refused)

    answer = ask("/requests").json()

    assert answer["next"] is None
    first, second = answer["requests"]
    assert first["id"] == request_id(refused.event_id)
    assert (first["state"], first["status"], first["error_code"]) == (
        "refused",
        404,
        "model_not_found",
    )
    assert (first["cost"], first["input_tokens"], first["duration_us"]) == (None, None, None)
    assert second["id"] == request_id(call.event_id)
    assert second["at"] == "2030-01-31T12:34:56Z"
    assert (second["cost"], second["currency"]) == ("0.001234567", "USD")
    assert (second["key_id"], second["model"], second["requested_model"]) == (
        mine["key_id"],
        "smollm2-135m-instruct",
        "small",
    )
    assert (second["host"], second["attempts"], second["state"]) == ("own", 1, "answered")
    assert (second["input_tokens"], second["output_tokens"]) == (40, 12)
    assert (second["first_token_us"], second["duration_us"]) == (20_000, 150_000)


def test_pages_follow_one_another_without_gap_or_repeat(ask, database, mine):
    # Several begin in the same microsecond: the order must hold among them too.
    calls = [ended_call(NOW + timedelta(seconds=number // 3), **mine) for number in range(11)]
    log_calls(database, *calls)

    seen, after = [], None
    while True:
        params = {"limit": 4} | ({"after": after} if after else {})
        answer = ask("/requests", **params)
        seen += shown(answer)
        after = answer.json()["next"]
        if after is None:
            break

    assert len(seen) == 11
    assert set(seen) == {request_id(call.event_id) for call in calls}


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"state": "refused"}, {"refused"}),
        ({"state": "cancelled"}, {"cancelled"}),
        ({"status": 404}, {"refused"}),
        ({"error_code": "model_not_found"}, {"refused"}),
        ({"host": "azure"}, {"cancelled"}),
        ({"model": "kestrel/large"}, {"cancelled"}),
        ({"text": "BATCH-7"}, {"cancelled"}),
        ({"since": "2030-01-31T12:34:57Z"}, {"refused"}),
        ({"since": "2030-01-31T14:34:57+02:00"}, {"refused"}),
        ({"key_id": "k0000000000b"}, {"refused"}),
        ({"key_id": "k0000000000c"}, set()),
        ({"state": "answered", "host": "azure"}, set()),
    ],
    ids=str,
)
def test_the_list_is_searched(ask, database, mine, condition, found):
    trail = Trail(
        "openai", "large", (Attempt("d", "azure", "w", 200, "", 1),), tags={"a": "batch-7"}
    )
    calls = {
        "answered": ended_call(NOW, **mine),
        "cancelled": ended_call(
            NOW, **mine, outcome=Outcome.CANCELLED, model="kestrel/large", trail=trail
        ),
        "refused": refused_call(NOW + timedelta(seconds=1), **mine | {"key_id": "k0000000000b"}),
    }
    log_calls(database, *calls.values())

    expected = {request_id(calls[name].event_id) for name in found}
    assert set(shown(ask("/requests", **condition))) == expected


@pytest.mark.parametrize(
    "condition",
    [
        {"state": "lost"},
        {"status": 99},
        {"status": 40_000},
        {"limit": 0},
        {"limit": 101},
        {"after": "A" * 32},
        {"after": "A" * 33},
        {"after": "\0"},
        {"text": "\0"},
        {"text": "x" * 101},
        {"model": "\0"},
        {"model": ""},
        {"since": "2030-01-31T12:34:57"},
        {"since": "0001-01-01T00:00:00Z"},
        {"since": "9999-12-31T23:59:59-23:59"},
        {"since": "yesterday"},
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused(ask, problem, condition):
    problem(ask("/requests", **condition), 422, "invalid_input")


def test_one_call_tells_all_that_is_known_of_it(ask, database, mine):
    trail = Trail(
        "messages",
        "claude",
        (Attempt("dep_a", "azure", "cheapest", 503, "busy", 90_000), OWN_ATTEMPT),
        queued_us=1_500,
        overhead_us=210,
        trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        user_agent="anthropic/1",
        tags={"team": "search"},
    )
    call = ended_call(NOW, **mine, trail=trail)
    log_calls(database, call)

    body = ask(f"/requests/{request_id(call.event_id)}").json()

    assert body["request"]["id"] == request_id(call.event_id)
    assert body["request"]["surface"] == "messages"
    assert [(one["host"], one["failure"]) for one in body["attempts"]] == [
        ("azure", "busy"),
        ("own", ""),
    ]
    assert (body["queued_us"], body["overhead_us"]) == (1_500, 210)
    assert body["trace_parent"] == trail.trace_parent
    assert (body["user_agent"], body["tags"]) == ("anthropic/1", {"team": "search"})
    assert (body["is_stream"], body["usage_source"]) == (True, "upstream")


def test_a_refused_call_has_no_bill(ask, database, mine):
    refused = refused_call(NOW, **mine)
    log_calls(database, refused)
    body = ask(f"/requests/{request_id(refused.event_id)}").json()
    assert (body["price_lines"], body["attempts"], body["price_id"]) == ([], [], None)
    assert body["request"]["cost"] is None


def test_calls_of_another_project_are_not_there(ask, database, mine, problem):
    other = ended_call(NOW, **mine | {"project_id": "proj_else"})
    foreign = refused_call(NOW, **mine | {"organization_id": "org_else"})
    log_calls(database, other, foreign)

    assert shown(ask("/requests")) == []
    for record in (other, foreign):
        problem(ask(f"/requests/{request_id(record.event_id)}"), 404, "not_found")


@pytest.mark.parametrize("name", ["req_", "req_" + "f" * 32, "req_" + "0" * 32, "x", "req_%00"])
def test_what_is_no_id_is_not_found(ask, problem, name):
    problem(ask(f"/requests/{name}"), 404, "not_found")
