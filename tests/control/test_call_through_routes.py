"""Calling a model through a provider, over the control API."""

import pytest

from tests.features.endpoints.offer_parts import add_listed_model, add_offer

pytestmark = pytest.mark.postgres

PATH = "/api/catalog/models/kestrel/sirocco/call-through"
KEY = "gsk-0123456789-abcdefgh-wxyz"
ACCOUNT = {"credential": KEY}


@pytest.fixture
def ask(client, database, with_management_key):
    with database.transaction() as tx:
        add_offer(tx, add_listed_model(tx))

    def ask(status=201, method="POST", headers=None, path=PATH, **body):
        more = {"json": body} if method == "POST" else {}
        answer = client.request(method, path, headers=headers or with_management_key, **more)
        assert answer.status_code == status, answer.text
        assert KEY not in answer.text
        return answer.json()

    return ask


def test_a_model_is_looked_up_and_called_through_and_asking_again_answers_200(ask):
    look = ask(200, method="GET")
    [offer] = look["offers"]
    assert (offer["provider"], offer["provider_name"], offer["input"]) == ("groq", "Groq", "0.5")
    assert (offer["connections"], offer["refusal"], look["price"]) == ([], None, None)
    price = {"currency": "USD", "input": "0.55", "output": "1.65"}
    body = {"provider": "groq", "account": ACCOUNT, "price": price, "name": "fast"}
    made = ask(**body)
    assert made["is_new"] is True
    assert made["endpoint"]["name"] == "fast"
    assert made["endpoint"]["is_shared"] is False
    assert made["endpoint"]["targets"][0]["connection"] == made["connection"]["id"]
    assert made["connection"]["credential"]["hint"] == "wxyz"
    assert (made["price"]["input"], made["price"]["output"]) == ("0.55", "1.65")
    again = ask(200, **body)
    assert again == made | {"is_new": False}
    assert ask(200, method="GET")["price"]["input"] == "0.55"


def test_an_endpoint_for_the_keys_own_project(ask, first_run):
    made = ask(provider="groq", account=ACCOUNT, callers="project")
    assert made["endpoint"]["project"] == first_run.project_id


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"provider": "groq"}, 409, "no_connection"),
        ({"provider": "mistral", "account": ACCOUNT}, 409, "not_offered"),
        ({"provider": "groq", "upstream_model": "no", "account": ACCOUNT}, 409, "not_offered"),
        ({"provider": "groq", "connection": "conn_no"}, 422, "invalid_input"),
        ({"provider": "groq", "account": {"credential": "two words\nhere"}}, 422, "invalid_input"),
        ({"provider": "groq", "account": ACCOUNT, "what": 1}, 422, "invalid_input"),
        ({"provider": "groq", "account": ACCOUNT, "callers": "all"}, 422, "invalid_input"),
        ({"account": ACCOUNT}, 422, "invalid_input"),
    ],
)
def test_what_stands_in_the_way_is_told_with_a_code_and_the_way_out(
    *, ask, problem, client, with_management_key, body, status, code
):
    answer = client.post(PATH, headers=with_management_key, json=body)
    told = problem(answer, status, code)
    assert "two words" not in answer.text
    if status == 409:
        assert told["hint"]


def test_a_name_that_is_taken_and_another_price_are_told(ask):
    ask(provider="groq", account=ACCOUNT, callers="everybody")
    other = {"credential": "gsk-another-0123456789"}
    taken = ask(409, provider="groq", account=other)
    assert (taken["code"], taken["hint"]) == (
        "endpoint_name_taken",
        "take kestrel/sirocco-groq, or another name",
    )
    dear = {"currency": "USD", "input": "9", "output": "9"}
    again = ask(409, provider="groq", name="b", price=dear, callers="everybody")
    assert again["code"] == "price_changed"


def test_what_an_own_account_is_counted_at_may_change(ask):
    ask(provider="groq", account=ACCOUNT)
    dear = {"currency": "USD", "input": "9", "output": "9"}
    assert ask(provider="groq", price=dear)["price"]["input"] == "9"
    assert ask(200, method="GET")["price"]["input"] == "9"


def test_a_key_for_calling_models_only_may_not(ask, with_weak_key):
    assert ask(403, provider="groq", headers=with_weak_key)["code"] == "forbidden"
    assert ask(403, method="GET", headers=with_weak_key)["code"] == "forbidden"


def test_a_model_that_nobody_knows_is_404(ask):
    path = PATH.replace("sirocco", "nothing")
    assert ask(404, path=path, provider="groq")["code"] == "not_found"
