"""Usage by API: narrowed, of other projects, foretold; and what a budget would have stopped."""

from datetime import UTC, datetime, timedelta

import pytest

from tradewind.readmodels.project_usage import UsageGroup
from tradewind.readmodels.usage import Step
from tradewind.testing.logged_calls import ended_call, log_calls

pytestmark = pytest.mark.postgres

NOW = datetime(2030, 1, 31, 12, 34, 56, tzinfo=UTC)


@pytest.fixture
def book(database, first_run):
    def book(at=NOW, cost=100, **changes):
        of = {"organization_id": first_run.organization_id, "project_id": first_run.project_id}
        log_calls(database, ended_call(at, cost_nanos=cost, **of | changes))

    return book


def test_what_is_asked_for_is_handed_on(client, with_management_key, usage, first_run):
    answer = client.get(
        "/api/usage",
        params={
            "group": "project",
            "step": "day",
            "project": "all",
            "model": "tw/small",
            "key": "k0123456789a",
            "cost_centre": "4711",
        },
        headers=with_management_key,
    )
    assert answer.status_code == 200
    [asked] = usage.questions
    assert (asked.group, asked.step, asked.project_id) == (UsageGroup.PROJECT, Step.DAY, None)
    assert (asked.model, asked.key, asked.cost_centre) == ("tw/small", "k0123456789a", "4711")
    assert asked.organization_id == first_run.organization_id
    assert answer.json()["step"] == "day"


def test_other_projects_are_for_whoever_reads_the_bills(client, with_key, problem, first_run):
    for project in ("all", "proj_01890000000000000000000000"):
        answer = client.get("/api/usage", params={"project": project}, headers=with_key)
        problem(answer, 403, "forbidden")
    own = client.get("/api/usage", params={"project": first_run.project_id}, headers=with_key)
    assert own.status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"value": "red"},
        {"group": "tag"},
        {"group": "day", "step": "hour"},
        {"model": "\0"},
        {"model": "x" * 201},
        {"step": "week"},
    ],
)
def test_what_makes_no_sense_is_refused(client, with_key, problem, usage, query):
    problem(client.get("/api/usage", params=query, headers=with_key), 422, "invalid_input")
    assert usage.questions == []


def test_a_forecast_says_how_it_was_made(client, with_key, book):
    book(NOW - timedelta(days=2), 4800)
    book(NOW - timedelta(minutes=5), 10)
    [told] = client.get("/api/usage/forecast", headers=with_key).json()["forecasts"]
    assert told == {
        "currency": "USD",
        "month": "2030-01-01",
        "spent": "0.00000481",
        # Eleven hours are left, at 100 each.
        "expected": "0.00000591",
        "method": "mean",
        "days_counted": 2,
    }


def test_a_budget_is_tried_on_past_calls(client, with_management_key, book):
    for minutes in range(3):
        book(datetime(2029, 12, 10, 0, minutes, tzinfo=UTC), 400)
    body = {"name": "b", "currency": "USD", "amount": "0.0000008", "period": "month"}
    answer = client.post("/api/budgets:preview", json=body, headers=with_management_key)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["stopped"], told["periods_stopped"], told["unread"]) == (1, 1, 0)
    assert told["months"] == [
        {"month": "2029-12-01", "requests": 3, "stopped": 1, "stopped_cost": "0.0000004"},
        {"month": "2030-01-01", "requests": 0, "stopped": 0, "stopped_cost": "0"},
    ]
    assert [each["percent"] for each in told["reached"]] == [80, 100]
