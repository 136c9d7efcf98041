"""Endpoints and their targets over HTTP."""

import pytest

pytestmark = pytest.mark.postgres


@pytest.fixture
def ask(client, with_management_key):
    def ask(method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, f"/api{path}", json=body, headers=with_management_key | named)

    return ask


@pytest.fixture
def connection(ask):
    """The id of a connection whose model acme/tiny is in the catalog."""
    body = {"base_url": "https://api.example.org/v1", "name": "Example", "credential": "sk-1"}
    identifier = ask("POST", "/connections", body).json()["id"]
    price = {"currency": "USD", "input": "1", "output": "2"}
    model = {"upstream_model": "tiny", "name": "acme/tiny", "price": price}
    answer = ask("POST", f"/connections/{identifier}/models", {"models": [model]})
    assert answer.status_code == 201, answer.text
    return identifier


@pytest.fixture
def made(ask, connection):
    """An endpoint, as the API answered when it was made."""
    answer = ask(
        "POST",
        "/endpoints",
        {
            "model": "acme/tiny",
            "name": "acme/assistant",
            "aliases": ["assistant"],
            "routing": {"sort": "latency", "queue_bound": 2},
            "conditions": {"regions": ["eu-west-1"], "no_training": True},
            "limits": {"requests_per_minute": 60},
            "targets": [{"connection": connection, "upstream_model": "tiny", "tier": 1}],
        },
    )
    assert answer.status_code == 201, answer.text
    return answer


def test_an_endpoint_is_made_and_read_back(ask, made, connection):
    shown = made.json()
    assert made.headers["location"] == f"/api/endpoints/{shown['id']}"
    assert shown["name"] == "acme/assistant"
    assert shown["routing"] == {
        "sort": "latency",
        "queue_bound": 2,
        "first_token_bound_ms": None,
        "max_attempts": 3,
        "retry_timeouts": False,
    }
    assert shown["conditions"] == {
        "regions": ["eu-west-1"],
        "zones": [],
        "no_retention": False,
        "no_training": True,
    }
    assert shown["limits"]["requests_per_minute"] == 60
    [target] = shown["targets"]
    assert (target["connection"], target["tier"], target["weight"]) == (connection, 1, 1)
    one = ask("GET", f"/endpoints/{shown['id']}")
    assert one.json() == shown
    assert one.headers["etag"] == made.headers["etag"]
    listed = ask("GET", "/endpoints").json()["endpoints"]
    assert [endpoint["name"] for endpoint in listed] == ["acme/assistant", "acme/tiny"]


def test_pages_follow_one_another(ask, made):
    first = ask("GET", "/endpoints?limit=1").json()
    second = ask("GET", f"/endpoints?limit=1&after={first['next']}").json()
    names = [page["endpoints"][0]["name"] for page in (first, second)]
    assert names == ["acme/assistant", "acme/tiny"]
    assert second["next"] is None


def test_what_is_named_is_changed_and_the_rest_stays(ask, made):
    path = f"/endpoints/{made.json()['id']}"
    changed = ask("PATCH", path, {"limits": {"tokens_per_minute": 5}}).json()
    assert changed["limits"] == {
        "requests_per_minute": None,
        "tokens_per_minute": 5,
        "concurrent_requests": None,
    }
    for kept in ("aliases", "routing", "conditions", "targets", "is_enabled"):
        assert changed[kept] == made.json()[kept]
    off = ask("PATCH", path, {"is_enabled": False, "aliases": []}).json()
    assert (off["is_enabled"], off["aliases"]) == (False, [])


def test_targets_are_replaced(ask, made, connection):
    path = f"/endpoints/{made.json()['id']}"
    target = {
        "connection": connection,
        "upstream_model": "tiny",
        "weight": 5,
        "region": "eu-west-1",
        "cost": {"currency": "USD", "input": "0.5", "output": "1.25"},
        "parameters": ["tools", "seed"],
    }
    answer = ask("PUT", f"{path}/targets", {"targets": [target]}, if_match=made.headers["etag"])
    assert answer.status_code == 200, answer.text
    [shown] = answer.json()["targets"]
    assert shown["id"] == made.json()["targets"][0]["id"]
    assert (shown["weight"], shown["region"]) == (5, "eu-west-1")
    assert shown["cost"] == target["cost"]
    assert shown["parameters"] == ["seed", "tools"]
    assert ask("PUT", f"{path}/targets", {"targets": []}).json()["targets"] == []


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"deployment": "dep_unknown"},
        {"connection": "conn_unknown", "upstream_model": "m"},
        {"upstream_model": "m"},
        {"weight": 0},
        {"tier": 100},
        {"cost": {"currency": "USD", "input": 0.5, "output": "1"}},
        {"cost": {"currency": "USD", "input": "-1", "output": "1"}},
        {"speed": "fast"},
    ],
    ids=range(9),
)
def test_what_cannot_be_a_target_is_refused(ask, made, problem, target):
    path = f"/endpoints/{made.json()['id']}/targets"
    problem(ask("PUT", path, {"targets": [target]}), 422, "invalid_input")
    assert ask("GET", f"/endpoints/{made.json()['id']}").json() == made.json()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "acme/other"},
        {"model": "acme/tiny"},
        {"routing": {"sort": "luck"}},
        {"routing": {"max_attempts": 11}},
        {"limits": {"requests_per_minute": 0}},
        {"conditions": {"regions": ["Not One"]}},
        {"aliases": ["a:b"]},
        {"is_enabled": "no"},
    ],
    ids=range(8),
)
def test_a_change_that_cannot_be_made_is_refused(ask, made, problem, change):
    path = f"/endpoints/{made.json()['id']}"
    problem(ask("PATCH", path, change), 422, "invalid_input")
    assert ask("GET", path).json() == made.json()


def test_a_name_that_is_taken_is_a_conflict(ask, made, problem):
    body = {"model": "acme/tiny", "name": "assistant"}
    problem(ask("POST", "/endpoints", body), 409, "conflict")


def test_a_change_of_another_version_is_refused(ask, made, problem):
    path = f"/endpoints/{made.json()['id']}"
    ask("PATCH", path, {"is_enabled": False}, if_match=made.headers["etag"])
    for method, target, body in (
        ("PATCH", path, {"is_enabled": True}),
        ("PUT", f"{path}/targets", {"targets": []}),
        ("DELETE", path, None),
    ):
        answer = ask(method, target, body, if_match=made.headers["etag"])
        problem(answer, 412, "precondition_failed")
    assert ask("DELETE", path).status_code == 204
    problem(ask("GET", path), 404, "not_found")
