"""Webhooks over HTTP."""

import pytest

from tradewind.core.ids import MessageId
from tradewind.db.outbox import outbox_message

pytestmark = pytest.mark.postgres

BODY = {
    "url": "https://hooks.example.org/in",
    "events": ["budget.alert", "budget.exhausted"],
    "description": "On call",
}


@pytest.fixture
def api(client, with_management_key):
    def call(method, path, body=None, **headers):
        return client.request(
            method, f"/api{path}", json=body, headers=with_management_key | headers
        )

    return call


@pytest.fixture
def added(api):
    return api("POST", "/webhooks", BODY).json()["webhook"]


def test_a_webhook_is_added_with_a_secret_that_is_answered_once(api):
    answer = api("POST", "/webhooks", BODY)

    made = answer.json()
    webhook = made["webhook"]
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/webhooks/{webhook['id']}"
    assert answer.headers["etag"] == '"1"'
    assert made["secret"].startswith("whsec_")
    assert {name: webhook[name] for name in BODY} == BODY
    assert (webhook["is_enabled"], webhook["is_private_network"]) == (True, False)
    for path in ("/webhooks", f"/webhooks/{webhook['id']}"):
        assert "whsec_" not in api("GET", path).text
    assert api("GET", "/webhooks").json() == {"webhooks": [webhook], "set_aside": []}


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://hooks.example.org/"},
        {"url": "https://user:hidden@hooks.example.org/"},
        {"events": []},
        {"events": ["everything"]},
        {"events": None},
        {"description": "x" * 201},
        {"secret": "whsec_mine"},
    ],
)
def test_what_is_wrong_is_422_and_not_repeated(api, change):
    answer = api("POST", "/webhooks", BODY | change)

    assert answer.status_code == 422
    assert "hidden" not in answer.text
    assert api("GET", "/webhooks").json()["webhooks"] == []


def test_it_is_changed_by_who_has_seen_the_last_version(api, added, problem):
    path = f"/webhooks/{added['id']}"

    changed = api(
        "PATCH", path, {"description": "Mine", "is_enabled": False}, **{"if-match": '"1"'}
    )

    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json()["description"] == "Mine"
    assert (changed.json()["is_enabled"], changed.json()["disabled_by"]) == (False, "person")
    assert changed.json()["url"] == BODY["url"]
    for method, where, body in (
        ("PATCH", path, {"description": "Theirs"}),
        ("DELETE", path, None),
        ("POST", f"{path}/secret", None),
    ):
        problem(api(method, where, body, **{"if-match": '"1"'}), 412, "precondition_failed")
    assert api("DELETE", path, **{"if-match": '"2"'}).status_code == 204
    problem(api("GET", path), 404, "not_found")


def test_the_secret_is_replaced_with_an_overlap(api, added):
    answer = api("POST", f"/webhooks/{added['id']}/secret")

    assert answer.status_code == 201
    assert answer.headers["etag"] == '"2"'
    assert answer.json()["secret"].startswith("whsec_")
    assert answer.json()["webhook"]["former_secret_until"] is not None


def test_a_test_is_asked_for_listed_and_delivered_again(api, added):
    path = f"/webhooks/{added['id']}"

    asked = api("POST", f"{path}/test").json()

    assert (asked["event"], asked["state"], asked["attempts"]) == ("webhook.test", "pending", 0)
    assert asked["message"].startswith("msg_")
    assert api("GET", f"{path}/deliveries").json() == {"deliveries": [asked], "next": None}
    again = api("POST", f"{path}/deliveries/{asked['id']}/redeliver")
    assert again.status_code == 201
    assert again.json()["message"] == asked["message"]


def test_deliveries_come_in_pages(api, added):
    path = f"/webhooks/{added['id']}"
    made = [api("POST", f"{path}/test").json()["id"] for _ in range(5)]

    first = api("GET", f"{path}/deliveries?limit=3").json()
    rest = api("GET", f"{path}/deliveries?limit=3&after={first['next']}").json()

    assert [each["id"] for each in first["deliveries"] + rest["deliveries"]] == made[::-1]
    assert rest["next"] is None


def test_nothing_is_delivered_again_to_one_that_is_disabled(api, added, database, problem):
    path = f"/webhooks/{added['id']}"
    delivery = api("POST", f"{path}/test").json()["id"]
    api("PATCH", path, {"is_enabled": False})
    with database.transaction() as tx:
        tx.exec_driver_sql("UPDATE webhook_delivery SET kind = 'budget.alert'")

    problem(api("POST", f"{path}/deliveries/{delivery}/redeliver"), 409, "webhook_disabled")


def test_the_twenty_first_is_refused(api, problem):
    for _ in range(20):
        assert api("POST", "/webhooks", BODY).status_code == 201
    problem(api("POST", "/webhooks", BODY), 409, "too_many_webhooks")


def test_events_that_reached_no_webhook_are_visible(api, database, first_run):
    message = MessageId.new()
    with database.transaction() as tx:
        tx.execute(
            outbox_message.insert().values(
                id=message,
                organization_id=first_run.organization_id,
                kind="budget.alert",
                key="k",
                payload={},
                set_aside_at="2030-01-01T00:00:00Z",
                error="KeyError: 'percent'",
            )
        )

    (aside,) = api("GET", "/webhooks").json()["set_aside"]

    assert (aside["id"], aside["event"]) == (message, "budget.alert")
    assert aside["error"] == "KeyError: 'percent'"
