"""Reconciliation by API."""

import pytest

pytestmark = pytest.mark.postgres

PLAIN = "day,measure,quantity,currency\n2030-01-01,cost,1.5,usd\n2030-01-01,requests,7,\n"


@pytest.fixture
def ask(client, with_management_key):
    def ask(method, path, **how):
        return client.request(method, f"/api{path}", headers=dict(with_management_key), **how)

    return ask


def test_a_run_is_asked_for_and_read(ask, services, database):
    assert ask("GET", "/reconciliation").json() == {"run": None}
    asked = ask("POST", "/reconciliation/runs")
    assert asked.status_code == 201
    run = asked.json()
    assert (run["state"], run["is_clean"], run["checks"]) == ("asked", False, [])
    assert "management" in run["asked_by"].lower() or "key" in run["asked_by"]
    assert ask("GET", f"/reconciliation/runs/{run['id']}").json() == run
    assert ask("GET", "/reconciliation/runs").json() == {"runs": [run], "next": None}
    with database.transaction() as tx:
        services.reconciliation.begin_due(tx)


def test_runs_have_pages(ask):
    ids = [ask("POST", "/reconciliation/runs").json()["id"] for _ in range(2)]
    page = ask("GET", "/reconciliation/runs?limit=1").json()
    assert ([run["id"] for run in page["runs"]], page["next"]) == ([ids[1]], ids[1])
    page = ask("GET", f"/reconciliation/runs?limit=1&after={page['next']}").json()
    assert ([run["id"] for run in page["runs"]], page["next"]) == ([ids[0]], None)


def test_a_statement_is_compared_by_day(ask):
    body = {"host": "openai", "content": PLAIN, "file_name": "a.csv"}
    made = ask("POST", "/reconciliation/statements", json=body)
    assert made.status_code == 201
    assert (made.json()["format"], made.json()["lines"]) == ("plain_csv", 2)
    found = ask("GET", "/reconciliation/statements").json()
    assert [row["id"] for row in found["statements"]] == [made.json()["id"]]
    # No event of that day is kept: counts are not compared, costs are in the sums.
    [day] = found["days"]
    assert (day["theirs"], day["ours"], day["difference"]) == ("1.5", "0", "-1.5")
    assert day["is_tolerated"] is False
    assert ask("DELETE", f"/reconciliation/statements/{made.json()['id']}").status_code == 204


def test_what_is_no_export_is_refused(ask, problem):
    body = {"host": "openai", "content": "hello"}
    problem(ask("POST", "/reconciliation/statements", json=body), 422, "unknown_statement")
