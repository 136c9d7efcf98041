"""The routes of publishing: applications, listings, reviews."""

import pytest

from tradewind.core.acting import By
from tradewind.db.sealing import Secret
from tradewind.features.accounts.schemas import KeyPurpose
from tradewind.features.providers.schemas import NewConnection
from tradewind.features.publishing.schemas import Check, CheckState

APPLICATION = {
    "publisher": "acme",
    "name": "Acme",
    "website": "https://acme.example",
    "contact": "a@acme.example",
}
GRACE = By("user_grace", "Grace")


@pytest.fixture
def api(client, database, accounts, administrator):
    """Call the API with a management key of the administrator."""
    with database.transaction() as tx:
        made = accounts.create_key(tx, administrator, name="GitOps", purpose=KeyPurpose.MANAGEMENT)
    headers = {"authorization": f"Bearer {made.text}"}

    def call(method, path, body=None, **more):
        return client.request(method, f"/api/publishing{path}", json=body, headers=headers | more)

    return call


@pytest.fixture
def acme(api):
    made = api("POST", "/applications", APPLICATION)
    assert made.status_code == 201, made.text
    path = f"/applications/{made.json()['id']}/decision"
    assert api("POST", path, {"is_accepted": True}).json()["state"] == "verified"


@pytest.fixture
def content(database, services, administrator):
    with database.transaction() as tx:
        connection = services.providers.add_connection(
            tx, administrator, NewConnection(Secret("gsk-0123456789-abcdefgh"), host="groq")
        )
    return {
        "display_name": "Small",
        "version": "1.0",
        "context_tokens": 4096,
        "description": "A small model.",
        "card": "A small model that answers briefly, made by Acme for tests.",
        "connection_id": connection.id,
        "upstream_model": "acme-small",
        "input_price": "0.1",
        "output_price": "0.2",
        "licence": "Apache-2.0",
        "intended_use": "Short answers.",
        "limits": "Knows little.",
        "evaluated_harms": "Not evaluated.",
    }


@pytest.fixture
def draft(api, acme, content):
    made = api("POST", "/listings", {"publisher": "acme", "model": "small"})
    assert made.status_code == 201, made.text
    path = made.headers["location"].removeprefix("/api/publishing")
    answer = api("PATCH", path, content, **{"if-match": made.headers["etag"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["problems"] == []
    return path


def pass_validation(database, services):
    validations = services.publishing.validations
    with database.transaction() as tx:
        claimed = validations.claim(tx)
        names = ("artifact", "licence", "card", "load", "smoke")
        checks = [Check(name=name, state=CheckState.PASSED) for name in names]
        validations.note(tx, claimed.run_id, checks, claimed.timing)
        validations.settle(tx, claimed.run_id)


def test_a_listing_goes_to_its_review_and_not_past_who_submitted_it(api, draft, database, services):
    answer = api("POST", f"{draft}/submit")
    assert answer.json()["state"] == "submitted"
    assert answer.json()["last_run"]["state"] == "waiting"
    pass_validation(database, services)
    assert [each["name"] for each in api("GET", "/reviews").json()["listings"]] == ["acme/small"]

    answer = api("POST", f"{draft}/approve")

    assert answer.status_code == 403
    assert answer.json()["code"] == "self_review"
    answer = api("POST", f"{draft}/send-back", {"reason": "Say more"})
    assert (answer.json()["state"], answer.json()["reason"]) == ("draft", "Say more")


def test_what_another_submitted_is_listed_and_delisted(
    api, draft, database, services, administrator
):
    with database.transaction() as tx:
        services.publishing.listings.submit(tx, administrator, GRACE, draft.rpartition("/")[2])
    pass_validation(database, services)

    assert api("POST", f"{draft}/approve").json()["state"] == "listed"
    assert api("POST", f"{draft}/validation").json()["state"] == "waiting"
    assert api("DELETE", f"{draft}/validation").status_code == 204
    detail = api("GET", draft).json()
    assert [each["move"] for each in detail["events"]] == ["list", "approve", "pass", "submit"]
    assert api("POST", f"{draft}/delist", {"reason": "old"}).json()["state"] == "delisted"


def test_a_stale_change_and_a_wrong_field_are_refused(api, draft):
    assert api("PATCH", draft, {"version": "2"}, **{"if-match": '"1"'}).status_code == 412
    assert api("PATCH", draft, {"verzion": "2"}).status_code == 422
    assert api("PATCH", draft, {"licence": None}).status_code == 422
    problems = api("PATCH", draft, {"licence": ""}).json()["problems"]
    assert [each["field"] for each in problems] == ["licence"]
    answer = api("POST", f"{draft}/submit")
    assert (answer.status_code, answer.json()["code"]) == (422, "listing_incomplete")


def test_a_draft_is_deleted_and_withdrawn_ones_are_kept(api, draft):
    api("POST", f"{draft}/submit")
    assert api("POST", f"{draft}/withdraw").json()["state"] == "draft"
    answer = api("DELETE", draft)
    assert (answer.status_code, answer.json()["code"]) == (409, "listing_move")


def test_pages_of_listings_and_what_is_not_there(api, acme):
    for name in ("one", "two", "three"):
        api("POST", "/listings", {"publisher": "acme", "model": name})

    first = api("GET", "/listings?limit=2").json()
    second = api("GET", f"/listings?limit=2&after={first['next']}").json()

    names = [each["name"] for each in (*first["listings"], *second["listings"])]
    assert names == ["acme/three", "acme/two", "acme/one"]
    assert second["next"] is None
    assert api("GET", "/listings/lst_1").status_code == 404
    assert api("POST", "/applications/papp_1/proof").status_code == 404


def test_a_name_that_somebody_has_is_taken(api, acme):
    answer = api("POST", "/applications", APPLICATION)
    assert (answer.status_code, answer.json()["code"]) == (409, "publisher_taken")
    assert api("GET", "/applications").json()["applications"][0]["state"] == "verified"
    assert api("GET", "/reviews/applications").json()["applications"] == []
    answer = api("POST", "/listings", {"publisher": "openai", "model": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_publisher")
