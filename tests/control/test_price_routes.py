"""The routes of the price book: what a program reads, and how it changes prices."""

import base64
from dataclasses import replace

import pytest

from tests.features.market.price_parts import Signer, entry, price_file
from tradewind.core.errors import Forbidden
from tradewind.core.ids import OrganizationId
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.market.simulator import Question

pytestmark = pytest.mark.postgres

PATH = "/models/tw/small"


@pytest.fixture
def api(client, with_management_key):
    """Call the API with a management key of the administrator."""

    def call(method, path="", body=None):
        return client.request(
            method, f"/api/prices{path}", json=body, headers=dict(with_management_key)
        )

    return call


@pytest.fixture
def model(database, built):
    with database.transaction() as tx:
        return built.catalog.add_builtin(tx, replace(SMOLLM2, publisher="tw", slug="small"))


def test_a_price_is_looked_at_first_and_then_set(api, model):
    body = {"currency": "USD", "prices": {"input_tokens": "2.5", "images": "40"}}
    looked = api("PUT", PATH, body | {"dry_run": True}).json()
    assert api("GET", PATH).json()["price"] is None

    done = api("PUT", PATH, body).json()

    assert [(move["meter"], move["old"], move["new"]) for move in done["moves"]] == [
        ("input_tokens", None, "2.5"),
        ("images", None, "40"),
    ]
    assert looked["moves"] == done["moves"]
    shown = api("GET", PATH).json()
    assert shown["price"]["prices"] == {
        "input_tokens": "2.5",
        "output_tokens": "0",
        "cached_input_tokens": "2.5",
        "images": "40",
    }
    assert [version["id"] for version in shown["versions"]] == [shown["price"]["id"]]


def test_prices_are_listed_by_name_page_by_page(api, database, built):
    with database.transaction() as tx:
        for slug in ("a", "b", "c"):
            built.catalog.add_builtin(tx, replace(SMOLLM2, publisher="tw", slug=slug))
    for slug in ("a", "b", "c"):
        api("PUT", f"/models/tw/{slug}", {"currency": "USD", "is_free": True})
    first = api("GET", "?limit=2").json()
    second = api("GET", f"?limit=2&after={first['next']}").json()
    assert [row["model"] for row in first["prices"] + second["prices"]] == ["tw/a", "tw/b", "tw/c"]
    assert second["next"] is None
    assert [row["model"] for row in api("GET", "?q=TW/B").json()["prices"]] == ["tw/b"]
    assert first["prices"][0]["price"]["is_free"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"currency": "USD", "prices": {"input_tokens": "0"}}, "price_refused"),
        ({"currency": "USD", "prices": {"input_tokens": "1"}, "seller": "x"}, "invalid_input"),
        ({"currency": "usd", "prices": {"input_tokens": "1"}}, "invalid_input"),
        ({"currency": "USD", "prices": {"input_tokens": 1.5}}, "invalid_input"),
        (
            {
                "currency": "USD",
                "prices": {"input_tokens": "1"},
                "effective_at": "2000-01-01T00:00:00Z",
            },
            "invalid_input",
        ),
    ],
)
def test_a_price_that_cannot_be_is_refused(api, model, problem, body, code):
    problem(api("PUT", PATH, body), 422, code)


def test_conflicts_say_how_to_go_on(api, model, problem):
    api("PUT", PATH, {"currency": "USD", "prices": {"input_tokens": "1"}})
    dearer = {"currency": "USD", "prices": {"input_tokens": "1.1"}}
    soon = dearer | {"effective_at": "2030-01-01T00:00:00Z", "expected": ""}
    problem(api("PUT", PATH, soon), 409, "price_moved")
    unusual = {"currency": "USD", "prices": {"input_tokens": "20"}}
    problem(api("PUT", PATH, unusual), 409, "price_unusual")
    assert api("PUT", PATH, dearer | {"waive_notice": True}).status_code == 200


def test_a_signed_file_is_applied_once(api, model, problem):
    signer = Signer()
    content = price_file(entry())
    key_id, signature = signer.sign(content.encode())
    body = {
        "content": content,
        "key_id": key_id,
        "signature": base64.b64encode(signature).decode(),
    }
    problem(api("POST", "/files", body), 403, "price_signature_unknown")
    added = api("POST", "/keys", {"name": "Ops", "public_key": signer.public_pem.decode()})
    assert added.json()["id"] == key_id
    looked = api("POST", "/files", body | {"dry_run": True}).json()
    assert (looked["file"], looked["set"]) == (None, 1)

    done = api("POST", "/files", body).json()
    again = api("POST", "/files", body).json()

    assert (done["is_new"], again["is_new"], again["file"]) == (True, False, done["file"])
    [listed] = api("GET", "/files").json()["files"]
    assert (listed["id"], listed["set"]) == (done["file"], 1)
    assert api("POST", f"/keys/{key_id}:revoke").json()["revoked_at"] is not None
    assert len(api("GET", "/keys").json()["keys"]) == 1
    problem(api("POST", "/files", body | {"signature": "é"}), 422, "invalid_input")


def test_a_file_with_problems_names_its_lines(api, model, problem):
    signer = Signer()
    api("POST", "/keys", {"name": "Ops", "public_key": signer.public_pem.decode()})
    content = price_file(entry("tw/none"))
    key_id, signature = signer.sign(content.encode())
    signed = {"key_id": key_id, "signature": base64.b64encode(signature).decode()}
    answer = api("POST", "/files", {"content": content} | signed)
    found = problem(answer, 422, "price_file_refused")
    assert "line 4: there is no model 'tw/none'" in found["detail"]


def test_margins_are_set_and_stopped(api):
    put = api("PUT", "/margins", {"scope": "host", "target": "groq", "percent": "12.5"}).json()
    assert (put["percent"], put["revision"], put["is_enabled"]) == ("12.5", 1, True)
    again = api("PUT", "/margins", {"scope": "host", "target": "groq", "percent": "15"}).json()
    assert (again["id"], again["revision"]) == (put["id"], 2)
    assert api("DELETE", f"/margins/{put['id']}").status_code == 204
    assert [row["is_enabled"] for row in api("GET", "/margins").json()["margins"]] == [False]


def test_a_margin_is_tried_before_it_is_set(api, problem):
    tried = api("POST", "/margins:preview", {"scope": "all", "percent": "10"}).json()
    assert tried == {"models": [], "left": 0}
    assert api("GET", "/margins").json()["margins"] == []
    wrong = {"scope": "host", "target": "", "percent": "10"}
    problem(api("POST", "/margins:preview", wrong), 422, "invalid_input")


def test_what_waits_is_listed_and_decided_once(api, model, problem):
    signer = Signer()
    api("POST", "/keys", {"name": "Ops", "public_key": signer.public_pem.decode()})
    api("PUT", PATH, {"currency": "USD", "prices": {"input_tokens": "0.1"}})
    content = price_file(entry())
    key_id, signature = signer.sign(content.encode())
    signed = {"key_id": key_id, "signature": base64.b64encode(signature).decode()}
    assert api("POST", "/files", {"content": content} | signed).json()["held"] == 1
    [waiting] = api("GET", "/proposals").json()["proposals"]
    assert (waiting["model"], waiting["prices"]["input_tokens"]) == ("tw/small", "2")
    assert api("POST", f"/proposals/{waiting['id']}:refuse").json() == {"price": None}
    problem(api("POST", f"/proposals/{waiting['id']}:accept"), 409, "price_proposal_decided")


def test_what_has_no_price_is_listed(api):
    assert api("GET", "/unpriced").json() == {"models": []}


def test_a_plan_is_tried_out_on_past_usage(api, problem):
    terms = {"currency": "USD", "fee_nanos": 5, "charges": []}
    found = api("POST", ":simulate", {"terms": terms, "days": 7}).json()
    assert (found["plan"], found["present"], found["models"]) == ("0", {}, [])
    problem(api("POST", ":simulate", {"terms": {"currency": 1}}), 422, "invalid_input")
    problem(api("POST", ":simulate", {"terms": {"currency": "x"}}), 422, "plan_terms_refused")


def test_usage_of_others_is_not_simulated_for_strangers(services, database, administrator):
    class Stranger:
        organization_id = administrator.organization_id
        project_id = administrator.project_id

        def may(self, permission):
            return permission.value.startswith("sales")

    question = Question(PlanTerms("USD"), organization_id=OrganizationId.new())
    for asked in (question, replace(question, organization_id=None, models=("tw/small",))):
        with pytest.raises(Forbidden), database.transaction() as tx:
            services.prices.simulator.simulate(tx, Stranger(), asked)
