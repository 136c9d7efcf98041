"""Known hosts and connections over HTTP."""

import pytest

pytestmark = pytest.mark.postgres

TEXT = "sk-0123456789-very-secret-abcd"
GROQ = {"host": "groq", "credential": TEXT}


@pytest.fixture
def ask(client, with_management_key):
    def ask(method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, f"/api{path}", json=body, headers=with_management_key | named)

    return ask


@pytest.fixture
def added(ask):
    """A connection, as the API answered when it was made."""
    answer = ask("POST", "/connections", GROQ)
    assert answer.status_code == 201, answer.text
    return answer


# --- known hosts ----------------------------------------------------------------------------


def test_known_hosts_are_found_by_name(ask):
    [host] = ask("GET", "/hosts?query=groq").json()["hosts"]
    assert host == {
        "id": "groq",
        "name": "Groq",
        "shape": "openai",
        "provider": "openai_compatible",
        "unsupported_reason": None,
        "base_url": "https://api.groq.com/openai/v1",
        "variables": [],
        "is_local": False,
        "documentation": "https://console.groq.com/docs/models",
        "environment": ["GROQ_API_KEY"],
        "models": host["models"],
    }
    assert host["models"] > 0


def test_all_hosts_come_in_pages(ask):
    names, after = [], None
    while True:
        page = ask("GET", "/hosts?limit=50" + (f"&after={after}" if after else "")).json()
        names += [host["id"] for host in page["hosts"]]
        after = page["next"]
        if after is None:
            break
    assert len(names) == len(set(names)) == 191


def test_models_of_a_host_show_exact_prices(ask):
    [model] = ask("GET", "/hosts/openai/models?query=text-embedding-3-large").json()["models"]
    assert (model["id"], model["operation"]) == ("text-embedding-3-large", "embeddings")
    [price] = model["prices"]
    assert (price["currency"], price["input"], price["output"]) == ("USD", "0.13", "0")


def test_a_host_that_is_not_known_is_not_found(ask, problem):
    problem(ask("GET", "/hosts/nowhere/models"), 404, "not_found")


# --- connections ----------------------------------------------------------------------------


def test_a_connection_is_added_and_read_back(ask, added):
    shown = added.json()
    assert added.headers["location"] == f"/api/connections/{shown['id']}"
    assert added.headers["etag"] == '"1"'
    assert (shown["host"], shown["base_url"]) == ("groq", "https://api.groq.com/openai/v1")
    assert shown["credential"]["hint"] == "abcd"
    assert (shown["is_shared"], shown["is_enabled"]) == (True, True)
    one = ask("GET", f"/connections/{shown['id']}")
    assert one.json() == shown
    assert one.headers["etag"] == '"1"'
    page = ask("GET", "/connections").json()
    assert page == {"connections": [shown], "next": None}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"host": "groq"}, "credential"),
        (GROQ | {"passwd": "x"}, "passwd"),
        (GROQ | {"credential": 7}, "credential"),
        (GROQ | {"is_shared": "yes"}, "is_shared"),
        (GROQ | {"options": {"a": 1}}, "options.a"),
        (GROQ | {"credential": "x" * 16_385}, "credential"),
        (GROQ | {"base_url": "x" * 2049}, "base_url"),
    ],
    ids=range(7),
)
def test_a_body_that_cannot_be_read_is_refused_and_not_repeated(ask, problem, body, field):
    answer = ask("POST", "/connections", body)
    shown = problem(answer, 422, "invalid_input")
    assert field in [one["name"] for one in shown["errors"]]
    assert TEXT not in answer.text


def test_what_is_no_json_is_refused_and_not_repeated(client, with_management_key, problem):
    answer = client.post(
        "/api/connections",
        content=f'{{"host": "groq", "credential": "{TEXT}"',
        headers=with_management_key | {"content-type": "application/json"},
    )
    problem(answer, 422, "invalid_input")
    assert TEXT not in answer.text


def test_a_host_that_cannot_be_used_says_why(ask, problem):
    body = problem(ask("POST", "/connections", GROQ | {"host": "watsonx"}), 422, "invalid_input")
    assert "tokens" in body["detail"]


def test_what_is_named_is_changed_and_the_rest_stays(ask, added):
    path = f"/connections/{added.json()['id']}"
    answer = ask("PATCH", path, {"zone": "b", "retains_data": False})
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    changed = answer.json()
    assert (changed["zone"], changed["retains_data"]) == ("b", False)
    unchanged = {"zone", "retains_data", "updated_at"}
    assert {name: value for name, value in changed.items() if name not in unchanged} == {
        name: value for name, value in added.json().items() if name not in unchanged
    }


def test_a_connection_is_disabled_and_enabled(ask, added):
    path = f"/connections/{added.json()['id']}"
    off = ask("PATCH", path, {"is_enabled": False}).json()
    assert not off["is_enabled"]
    assert off["disabled_at"] is not None
    assert ask("PATCH", path, {"is_enabled": True}).json()["disabled_at"] is None


def test_an_unknown_field_of_a_change_is_refused(ask, added, problem):
    path = f"/connections/{added.json()['id']}"
    problem(ask("PATCH", path, {"zone": "b", "zoom": 1}), 422, "invalid_input")
    assert not ask("GET", path).json()["zone"]


@pytest.mark.parametrize("stale", ['"2"', '"0"', 'W/"1"', "1", '"1", "2"', "x"])
def test_a_change_of_another_version_is_refused(ask, added, problem, stale):
    path = f"/connections/{added.json()['id']}"
    for method, target, body in (
        ("PATCH", path, {"zone": "b"}),
        ("PUT", f"{path}/credential", {"credential": "sk-other"}),
        ("DELETE", path, None),
    ):
        problem(ask(method, target, body, if_match=stale), 412, "precondition_failed")
    assert ask("GET", path).json() == added.json()


@pytest.mark.parametrize("good", ['"1"', "*", ' "1" '])
def test_a_change_of_the_version_that_was_read_is_made(ask, added, good):
    path = f"/connections/{added.json()['id']}"
    assert ask("PATCH", path, {"zone": "b"}, if_match=good).status_code == 200


def test_a_new_address_takes_its_credential_along(ask, added, problem):
    path = f"/connections/{added.json()['id']}"
    moved = {"base_url": "https://api.example.org/v1"}
    problem(ask("PATCH", path, moved), 409, "credential_required")
    answer = ask("PATCH", path, moved | {"credential": "sk-9876543210-wxyz"})
    assert answer.json()["credential"]["hint"] == "wxyz"


def test_a_credential_is_replaced(ask, added):
    path = f"/connections/{added.json()['id']}"
    answer = ask("PUT", f"{path}/credential", {"credential": "sk-9876543210-wxyz"})
    assert answer.status_code == 200
    assert answer.json()["credential"]["hint"] == "wxyz"
    gone = ask("PUT", f"{path}/credential", {"credential": None})
    assert gone.json()["credential"] is None


def test_a_connection_is_deleted_once_nothing_uses_it(ask, added, problem):
    path = f"/connections/{added.json()['id']}"
    ask("POST", f"{path}/models", {"models": [{"upstream_model": "llama-3.3-70b-versatile"}]})
    body = problem(ask("DELETE", path), 409, "connection_in_use")
    assert "meta/llama-3.3-70b-instruct" in body["detail"]
    [endpoint] = ask("GET", "/endpoints").json()["endpoints"]
    assert ask("DELETE", f"/endpoints/{endpoint['id']}").status_code == 204
    gone = ask("DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    problem(ask("GET", path), 404, "not_found")


# --- models of a connection -----------------------------------------------------------------


def test_an_operator_has_a_model_called_in_two_requests(ask, added):
    answer = ask(
        "POST",
        f"/connections/{added.json()['id']}/models",
        {
            "models": [
                {"upstream_model": "llama-3.3-70b-versatile"},
                {
                    "upstream_model": "private/tiny",
                    "name": "acme/tiny",
                    "operation": "embeddings",
                    "dimensions": 384,
                    "price": {"currency": "EUR", "input": "0.0375", "output": "0"},
                },
            ],
            "margin_percent": "12.5",
        },
    )
    assert answer.status_code == 201, answer.text
    first, second = answer.json()["models"]
    assert (first["name"], first["is_new_model"]) == ("meta/llama-3.3-70b-instruct", True)
    assert first["price"]["currency"] == "USD"
    assert second["price"] == {
        "currency": "EUR",
        "input": "0.0375",
        "output": "0",
        "cached_input": "0.0375",
        "cache_write": None,
    }
    names = {one["name"]: one for one in ask("GET", "/endpoints").json()["endpoints"]}
    assert set(names) == {"meta/llama-3.3-70b-instruct", "acme/tiny"}
    [target] = names["acme/tiny"]["targets"]
    assert (target["id"], target["upstream_model"]) == (second["target"], "private/tiny")


@pytest.mark.parametrize(
    "body",
    [
        {"models": []},
        {"models": [{"upstream_model": "no-such-model"}]},
        {"models": [{"upstream_model": "a", "margin": 1}]},
        {"models": [{"upstream_model": "llama-3.3-70b-versatile"}], "margin_percent": "-1"},
        {"models": [{"upstream_model": "llama-3.3-70b-versatile"}], "margin_percent": 20},
        {"models": [{"upstream_model": "a", "name": "a/b", "price": {"currency": "USD"}}]},
        {"models": [{"upstream_model": "a"}] * 501},
    ],
    ids=range(7),
)
def test_models_that_cannot_be_added_are_refused(ask, added, problem, body):
    path = f"/connections/{added.json()['id']}/models"
    problem(ask("POST", path, body), 422, "invalid_input")
    assert ask("GET", "/endpoints").json()["endpoints"] == []
