"""Safety policies through the control API, as a program uses it."""

import pytest

from tradewind.features.safety.schemas import DEFAULT_POLICY, FLOOR_POLICY

pytestmark = pytest.mark.postgres

PII = {
    "rules": [{"category": "pii", "direction": "prompt", "threshold": 2, "action": "redact"}],
    "checks": [{"name": "pii", "directions": ["prompt"]}],
}


@pytest.fixture
def ask(client, with_management_key):
    def ask(method, path, *, headers=None, **how):
        return client.request(
            method, f"/api/safety{path}", headers=with_management_key | (headers or {}), **how
        )

    return ask


def test_a_policy_is_made_changed_bound_and_deleted(ask, client, with_management_key, problem):
    made = ask("POST", "/policies", json={"name": "Desk", "why": "first", **PII})
    assert made.status_code == 201
    policy = made.json()
    assert policy["newest"]["rules"][0]["words"] == (
        "Takes out personal data from low (2) on in what the caller writes"
    )
    place = f"/policies/{policy['id']}"
    assert made.headers["location"] == f"/api/safety{place}"
    assert made.headers["etag"] == '"1"'

    changed = ask("PUT", place, json={"why": "less", "rules": []}, headers={"if-match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    late = ask("PUT", place, json=PII, headers={"if-match": '"1"'})
    problem(late, 412, "precondition_failed")
    versions = ask("GET", f"{place}/versions", params={"limit": 1}).json()
    assert [each["version"] for each in versions["versions"]] == [2]
    older = ask("GET", f"{place}/versions", params={"after": versions["next"]}).json()
    assert [(each["version"], each["why"]) for each in older["versions"]] == [(1, "first")]
    assert ask("GET", f"{place}/versions/1").json()["name"] == "Desk"

    whoami = client.get("/api/whoami", headers=with_management_key).json()
    subject = whoami["organization"]["id"] if "organization" in whoami else None
    subject = subject or whoami["organization_id"]
    bound = ask("POST", f"{place}/bindings", json={"subject": subject})
    assert (bound.status_code, bound.json()["kind"]) == (201, "organization")
    problem(ask("DELETE", place), 409, "safety_in_use")
    assert ask("DELETE", f"{place}/bindings/{subject}").status_code == 204
    assert ask("GET", f"{place}/bindings").json() == {"bindings": []}
    assert ask("DELETE", place).status_code == 204
    problem(ask("GET", place), 404, "not_found")


def test_the_default_holds_and_the_platforms_policies_are_listed_first(ask):
    listed = [each["id"] for each in ask("GET", "/policies").json()["policies"]]
    assert listed[:2] == [DEFAULT_POLICY, FLOOR_POLICY]
    held = ask("GET", "/effective").json()["policies"]
    assert [each["id"] for each in held] == [DEFAULT_POLICY]
    checks = {each["name"]: each for each in ask("GET", "/checks").json()["checks"]}
    assert checks["pii"]["kind"] == "local"
    named = {check["name"] for check in held[0]["newest"]["checks"]}
    assert named <= set(checks)
    # What the platform ships can be saved as it is.
    rules = held[0]["newest"]["rules"]
    for rule in rules:
        del rule["words"]
    content = {"rules": rules, "checks": held[0]["newest"]["checks"]}
    for check in content["checks"]:
        del check["words"]
    saved = ask("PUT", f"/policies/{DEFAULT_POLICY}", json=content)
    assert (saved.status_code, saved.headers["etag"]) == (200, '"1"')


def test_a_refusal_names_the_field_and_the_way_out(ask, problem):
    rule = {**PII["rules"][0], "threshold": 9}
    answer = ask("POST", "/policies", json={"name": "P", "rules": [rule], "checks": PII["checks"]})
    body = problem(answer, 422, "safety_policy_refused")
    assert "rules[0].threshold" in body["detail"]
    assert "4 medium" in body["hint"]


def test_what_the_database_cannot_hold_is_refused_by_its_name(ask, problem):
    check = {"name": "blocklist", "directions": ["prompt"], "data": ["a\0b"]}
    body = problem(
        ask("POST", "/policies", json={"name": "P", "checks": [check]}), 422, "invalid_input"
    )
    assert "NUL" in body["detail"]


def test_a_draft_is_tried_before_it_is_saved(ask):
    tried = ask("POST", "/try", json={**PII, "text": "Write to ada@example.org."})
    body = tried.json()
    assert (body["action"], body["redacted"]) == ("redact", "Write to <EMAIL_1>.")
    finding = body["findings"][0]
    assert (finding["start"], finding["end"], finding["threshold"]) == (9, 24, 2)
    assert ask("GET", "/policies").json()["policies"][2:] == []


def test_a_blocklist_is_filled_and_emptied(ask, problem):
    made = ask("POST", "/blocklists", json={"name": "rivals"}).json()
    place = f"/blocklists/{made['id']}"
    added = ask("POST", f"{place}/items", json={"items": [{"text": "acme"}, {"text": "b"}]})
    first, second = added.json()["items"]
    page = ask("GET", f"{place}/items", params={"limit": 1}).json()
    following = ask("GET", f"{place}/items", params={"after": page["next"]}).json()
    assert {each["id"] for each in page["items"] + following["items"]} == {
        first["id"],
        second["id"],
    }
    assert ask("DELETE", f"{place}/items/{first['id']}").status_code == 204
    problem(ask("DELETE", f"{place}/items/{first['id']}"), 404, "not_found")
    assert ask("GET", place).json()["items"] == 1
    described = ask("PATCH", place, json={"description": "who we do not name"})
    assert described.json()["description"] == "who we do not name"
    assert ask("DELETE", place).status_code == 204


def test_categories_and_corpora_wait_for_the_worker(ask, problem):
    made = ask(
        "POST", "/categories", json={"name": "leak", "positives": ["heron"], "is_rapid": True}
    )
    category = made.json()
    assert (category["state"], category["positives"]) == ("queued", 1)
    again = ask(
        "PUT",
        f"/categories/{category['id']}",
        json={"positives": ["ibis", "stork"], "is_rapid": True},
        headers={"if-match": made.headers["etag"]},
    )
    assert (again.json()["name"], again.json()["positives"]) == ("leak", 2)
    few = ask("POST", "/categories", json={"name": "few", "positives": ["a"]})
    problem(few, 422, "invalid_input")
    corpus = ask(
        "POST", "/corpora", json={"name": "c", "licence": "MIT", "citation": "https://a.example"}
    ).json()
    texts = {"texts": [{"title": "t", "text": "some words of somebody"}]}
    filled = ask("POST", f"/corpora/{corpus['id']}/texts", json=texts).json()
    assert (filled["texts"], filled["state"]) == (1, "queued")
    for place in (f"/categories/{category['id']}", f"/corpora/{corpus['id']}"):
        assert ask("DELETE", place).status_code == 204


def test_a_dry_run_is_started_and_cancelled(ask, problem):
    made = ask("POST", "/dry-runs", json={**PII, "name": "Stricter"})
    run = made.json()
    assert (made.status_code, run["state"], run["name"]) == (201, "queued", "Stricter")
    problem(ask("POST", "/dry-runs", json=PII), 409, "dry_run_under_way")
    cancelled = ask("POST", f"/dry-runs/{run['id']}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert [each["id"] for each in ask("GET", "/dry-runs").json()["dry_runs"]] == [run["id"]]
