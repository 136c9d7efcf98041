"""Limits and budgets over HTTP."""

import pytest

pytestmark = pytest.mark.postgres

BUDGET = {"name": "Team", "currency": "USD", "amount": "12.5", "period": "month"}


@pytest.fixture
def ask(client, with_management_key):
    def ask(method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, f"/api{path}", json=body, headers=with_management_key | named)

    return ask


def test_terms_are_put_and_read_back_with_their_version(ask, first_run):
    path = f"/limits/{first_run.organization_id}"
    unsaid = ask("GET", path)
    assert unsaid.status_code == 200
    assert "etag" not in unsaid.headers
    assert unsaid.json()["updated_at"] is None
    body = {
        "limits": {"requests_per_minute": 600, "tokens_per_minute": 0},
        "models": [{"model": "tw/a", "limits": {"concurrent_requests": 2}}],
        "conditions": {"zones": ["eu"], "no_retention": True},
        "cache_ttl_s": 60,
        "response_days": 0,
    }
    put = ask("PUT", path, body)
    assert put.status_code == 200, put.text
    assert put.headers["etag"] == '"1"'
    shown = put.json()
    assert shown["limits"] == {
        "requests_per_minute": 600,
        "tokens_per_minute": 0,
        "concurrent_requests": None,
    }
    assert shown["models"][0]["model"] == "tw/a"
    assert shown["conditions"]["zones"] == ["eu"]
    assert (shown["cache_ttl_s"], shown["response_days"], shown["content_days"]) == (60, 0, 0)
    assert ask("GET", path).json() == shown
    assert ask("GET", "/limits").json()["terms"] == [shown]


def test_terms_that_were_changed_meanwhile_are_not_overwritten(ask, first_run, problem):
    path = f"/limits/{first_run.project_id}"
    assert ask("PUT", path, {}).status_code == 200
    assert ask("PUT", path, {}, if_match='"1"').headers["etag"] == '"2"'
    problem(ask("PUT", path, {}, if_match='"1"'), 412, "precondition_failed")


@pytest.mark.parametrize(
    "body",
    [
        {"limits": {"requests_per_minute": -1}},
        {"limits": {"requests_per_minute": 1.5}},
        {"limits": {"rpm": 1}},
        {"unknown": 1},
        {"response_days": 10_000},
        {"models": [{"model": "a", "limits": {}}] * 2},
    ],
)
def test_terms_that_cannot_be_are_refused(ask, first_run, problem, body):
    problem(ask("PUT", f"/limits/{first_run.organization_id}", body), 422, "invalid_input")


def test_a_budget_is_made_changed_and_deleted(ask, first_run):
    made = ask("POST", "/budgets", BUDGET)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert made.headers["location"] == f"/api/budgets/{shown['id']}"
    assert made.headers["etag"] == '"1"'
    assert shown | {"id": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "name": "Team",
        "scope": "organization",
        "project": None,
        "key": None,
        "currency": "USD",
        "amount": "12.5",
        "period": "month",
        "period_start": "2030-01-01T00:00:00Z",
        "period_end": "2030-02-01T00:00:00Z",
        "is_hard": True,
        "alert_percents": [80, 100],
        "spent": "0",
        "leased": "0",
        "left": "12.5",
        "alerts": [],
        "created_at": "",
        "updated_at": "",
    }
    path = f"/budgets/{shown['id']}"
    changed = ask("PATCH", path, {"amount": "20", "is_hard": False}, if_match='"1"')
    assert (changed.json()["amount"], changed.json()["is_hard"]) == ("20", False)
    assert ask("GET", path).json() == changed.json()
    assert [each["id"] for each in ask("GET", "/budgets").json()["budgets"]] == [shown["id"]]
    assert ask("DELETE", path).status_code == 204
    assert ask("GET", path).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "-1"},
        {"amount": "1e9"},
        {"amount": "0.0000000001"},
        {"period": "year"},
        {"currency": "dollars"},
        {"name": "\n"},
        {"alert_percents": [0]},
    ],
)
def test_budgets_that_cannot_be_are_refused(ask, problem, changes):
    problem(ask("POST", "/budgets", BUDGET | changes), 422, "invalid_input")


def test_the_chain_of_a_key_names_every_limit_and_budget(ask, first_run):
    ask("PUT", f"/limits/{first_run.project_id}", {"limits": {"requests_per_minute": 60}})
    ask("PUT", f"/limits/{first_run.organization_id}", {"limits": {"tokens_per_minute": 9000}})
    for more in ({}, {"key": first_run.key_id}, {"project": first_run.project_id}):
        assert ask("POST", "/budgets", BUDGET | more).status_code == 201
    chain = ask("GET", f"/keys/{first_run.key_id}/limits").json()
    assert [(link["scope"], link["id"]) for link in chain["limits"]] == [
        ("key", first_run.key_id),
        ("project", first_run.project_id),
        ("organization", first_run.organization_id),
    ]
    assert chain["limits"][1]["limits"]["requests_per_minute"] == 60
    assert chain["limits"][2]["limits"]["tokens_per_minute"] == 9000
    assert [budget["scope"] for budget in chain["budgets"]] == ["key", "project", "organization"]
