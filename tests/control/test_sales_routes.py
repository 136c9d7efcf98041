"""The routes of sales: from a draft to a subscription and its trail."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from tradewind.core.ids import ModelId
from tradewind.features.accounts.tables import organization
from tradewind.features.catalog.tables import model, publisher

pytestmark = pytest.mark.postgres

SAID = {"payer": "Some", "price": "10 USD a month", "cap": "no cap"}


@pytest.fixture
def api(client, with_management_key):
    """Call the API with a management key of the administrator."""

    def call(method, path, body=None):
        return client.request(method, f"/api{path}", json=body, headers=dict(with_management_key))

    return call


@pytest.fixture
def acme(database, with_management_key):
    with database.transaction() as tx:
        owner = tx.execute(select(organization.c.id).limit(1)).scalar_one()
        now = datetime.now(UTC)
        tx.execute(
            insert(publisher).values(
                slug="acme", name="A", organization_id=owner, verified_at=now, created_at=now
            )
        )
        tx.execute(
            insert(model).values(
                id=ModelId.new(),
                publisher_slug="acme",
                slug="small",
                display_name="Small",
                description="",
                licence="",
                created_at=now,
            )
        )


def test_a_plan_is_sold_changed_and_cancelled(api, acme):
    draft = {"publisher": "acme", "kind": "model", "name": "Small", "model": "acme/small"}
    offer = api("POST", "/sales/offers", draft).json()["id"]
    assert api("POST", f"/sales/offers/{offer}:publish").status_code == 409
    terms = {"currency": "USD", "fee_nanos": 10_000_000_000}
    made = api("POST", f"/sales/offers/{offer}/plans", {"name": "Basic", "terms": terms}).json()
    assert api("POST", f"/sales/offers/{offer}:publish").json()["state"] == "live"
    [shown] = api("GET", "/offers-for-sale").json()["offers"]
    assert [plan["id"] for plan in shown["plans"]] == [made["id"]]

    wanted = {"plan": made["id"], "confirmation": SAID | {"terms_sha256": made["terms_sha256"]}}
    bought = api("POST", "/subscriptions", wanted)
    assert (bought.status_code, bought.json()["state"]) == (201, "active")
    assert api("POST", "/subscriptions", wanted).json()["code"] == "already_subscribed"
    path = f"/subscriptions/{bought.json()['id']}"
    changed = api("POST", f"{path}:change", {"quantity": 3, "confirmation": SAID})
    assert changed.json()["quantity"] == 3
    assert api("POST", f"{path}:cancel", {}).json()["cancel_at"] is not None
    assert api("POST", f"{path}:renew").json()["cancel_at"] is None
    moves = [event["move"] for event in api("GET", f"{path}/events").json()["events"]]
    assert moves == ["cancel_taken_back", "cancel_asked", "plan_changed", "activated"]
    assert api("GET", "/billing/payer").json()["payer"] == "Some"


def test_terms_that_contradict_themselves_are_refused(api, acme):
    draft = {"publisher": "acme", "kind": "model", "name": "Small", "model": "acme/small"}
    offer = api("POST", "/sales/offers", draft).json()["id"]
    for terms in ({"currency": "usd"}, {"currency": "USD", "fee": 1}, {}):
        answer = api("POST", f"/sales/offers/{offer}/plans", {"name": "Basic", "terms": terms})
        assert answer.status_code == 422
