"""The routes of the catalog: what is known, who decides, how models end."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update

from tradewind.core.clock import SystemClock
from tradewind.features.accounts.schemas import KeyPurpose
from tradewind.features.accounts.tables import user_account
from tradewind.features.catalog.calendars import MOST_LINKS, READS_AT_MOST
from tradewind.features.catalog.rules.said import (
    OfferKey,
    Prices,
    Said,
    SaidModel,
    SaidOffer,
    Terms,
)
from tradewind.features.catalog.tables import model

pytestmark = pytest.mark.postgres

DAY = date(2026, 11, 20)
PATH = "/api/catalog/models/tw/m"


@pytest.fixture
def api(client, database, accounts, administrator):
    """Call the API with a management key of the administrator."""
    with database.transaction() as tx:
        made = accounts.create_key(tx, administrator, name="Ops", purpose=KeyPurpose.MANAGEMENT)
    headers = {"authorization": f"Bearer {made.text}"}

    def call(method, path, body=None):
        return client.request(method, path, json=body, headers=headers)

    return call


@pytest.fixture
def told(database, built):
    """Have a list say something of two models."""

    def told(input_nanos=10**9, day=DAY):
        facts = {"operation": "chat", "context_tokens": 8_000, "licence": "MIT"}
        offer = SaidOffer(
            OfferKey("openai", "m-1"), Terms("tw/m", 8_000), Prices("USD", input_nanos, 2 * 10**9)
        )
        models = tuple(SaidModel(f"tw/{slug}", "TW", facts=facts) for slug in "mn")
        with database.transaction() as tx:
            return built.syncs.apply(tx, Said("models_dev", day, 1, models, (offer,)))

    return told


def test_a_client_reads_models_offers_and_who_said_what(client, with_key, told):
    told()
    asked = "/api/catalog/search?sort=name&per_page=1"
    page = client.get(asked, headers=with_key).json()
    assert ([each["name"] for each in page["models"]], page["pages"]) == (["tw/m"], 2)
    rest = client.get(f"{asked}&page=2", headers=with_key).json()
    assert [each["name"] for each in rest["models"]] == ["tw/n"]
    shown = client.get(PATH, headers=with_key).json()
    assert shown["model"]["licence"] == "MIT"
    [offer] = shown["offers"]
    assert (offer["host"], offer["input"], offer["cached_input"]) == ("openai", "1", None)
    assert offer["price_source"] == "models_dev"
    assert {fact["name"] for fact in shown["facts"]} == {"operation", "context_tokens", "licence"}
    stats = client.get("/api/catalog/stats", headers=with_key).json()
    assert stats == {"models": 2, "offers": 1, "publishers": 1, "providers": 1, "unfolded": 0}
    publishers = client.get("/api/catalog/publishers", headers=with_key).json()
    assert [each["slug"] for each in publishers["publishers"]] == ["tw"]


def test_a_held_change_is_listed_and_applied(api, told, problem):
    told()
    assert told(50 * 10**9).held == 1
    [change] = api("GET", "/api/catalog/changes").json()["changes"]
    assert change["reason"] == "the price of input rose 50 times"
    path = f"/api/catalog/changes/{change['id']}"
    answer = api("POST", f"{path}/apply")
    assert (answer.status_code, answer.json()["state"]) == (201, "applied")
    problem(api("POST", f"{path}/dismiss"), 409, "change_decided")
    assert api("GET", PATH).json()["offers"][0]["input"] == "50"
    assert api("GET", "/api/catalog/changes").json()["changes"] == []
    applied = api("GET", "/api/catalog/changes?state=applied").json()["changes"]
    assert [each["id"] for each in applied] == [change["id"]]


def test_a_sync_is_asked_for_and_shown(api, told, problem):
    told()
    asked = api("POST", "/api/catalog/syncs", {"source": "openrouter"}).json()
    assert asked["ended_at"] is None
    found = api("GET", "/api/catalog/syncs").json()["syncs"]
    assert [each["source"] for each in found] == ["openrouter", "models_dev"]
    problem(api("POST", "/api/catalog/syncs", {"source": "gossip"}), 422, "invalid_input")


def test_a_model_goes_through_its_life_and_is_in_the_calendar(api, told, database, problem):
    told()
    long_ago = SystemClock().now() - timedelta(days=1_000)
    with database.transaction() as tx:
        tx.execute(update(model).values(lifecycle_since=long_ago, ga_since=long_ago))
    assert api("GET", f"{PATH}/lifecycle").json()["state"] == "ga"
    problem(api("PUT", f"{PATH}/lifecycle", {"state": "retired"}), 409, "lifecycle_move")
    assert api("PUT", f"{PATH}/lifecycle", {"state": "legacy"}).json()["state"] == "legacy"
    with database.transaction() as tx:
        tx.execute(update(model).values(lifecycle_since=long_ago))
    body = {"state": "deprecated", "replacement": "tw/n"}
    moved = api("PUT", f"{PATH}/lifecycle", body).json()
    assert moved["retires_on"] is not None
    later = (date.fromisoformat(moved["retires_on"]) + timedelta(days=10)).isoformat()
    body = {"state": "deprecated", "retires_on": later}
    assert api("PUT", f"{PATH}/lifecycle", body).json()["retires_on"] == later
    assert api("GET", PATH).json()["model"]["replacement"] == "tw/n"
    feed = api("GET", "/api/catalog/models.ics")
    assert feed.headers["content-type"] == "text/calendar; charset=utf-8"
    assert f"DTSTART;VALUE=DATE:{later.replace('-', '')}" in feed.text


def test_a_licence_is_accepted_as_it_was_read(api, told, problem):
    told()
    problem(api("PUT", f"{PATH}/licence", {"licence": "GPL-3.0"}), 409, "licence_changed")
    accepted = api("PUT", f"{PATH}/licence", {"licence": "MIT"}).json()
    assert [each["model"] for each in accepted["licences"]] == ["tw/m"]
    assert api("GET", "/api/catalog/licences").json() == accepted


def test_what_changes_needs_more_than_a_client_key(client, with_key, told, problem):
    told()
    body = {"licence": "MIT"}
    problem(client.put(f"{PATH}/licence", json=body, headers=with_key), 403, "forbidden")


@pytest.fixture
def old_model(told, database):
    """A model that has been legacy for years."""
    told()
    long_ago = SystemClock().now() - timedelta(days=1000)
    with database.transaction() as tx:
        since = {"lifecycle": "legacy", "lifecycle_since": long_ago, "ga_since": long_ago}
        tx.execute(update(model).values(**since))


@pytest.mark.usefixtures("old_model")
def test_a_deprecation_is_announced_ahead_and_put_off(api, problem):
    day = SystemClock().now().date() + timedelta(days=10)
    body = {"state": "deprecated", "deprecates_on": day.isoformat()}
    shown = api("PUT", f"{PATH}/lifecycle", body).json()
    last = (day + timedelta(days=90)).isoformat()
    assert (shown["state"], shown["deprecates_on"]) == ("legacy", day.isoformat())
    assert (shown["retires_on"], shown["earliest_retires_on"]) == (last, last)
    assert api("GET", PATH).json()["model"]["deprecates_on"] == day.isoformat()
    later = (day + timedelta(days=200)).isoformat()
    put_off = api("PUT", f"{PATH}/lifecycle", {"state": "deprecated", "retires_on": later}).json()
    assert (put_off["retires_on"], put_off["deprecates_on"]) == (later, day.isoformat())
    problem(api("PUT", f"{PATH}/lifecycle", {"state": "deprecated"}), 409, "lifecycle_move")
    problem(api("PUT", f"{PATH}/lifecycle", body | {"state": "legacy"}), 422, "invalid_input")


@pytest.mark.usefixtures("old_model")
def test_a_link_reads_the_calendar_without_a_key_until_it_is_revoked(api, client, problem):
    day = SystemClock().now().date() + timedelta(days=10)
    api("PUT", f"{PATH}/lifecycle", {"state": "deprecated", "deprecates_on": day.isoformat()})
    made = api("POST", "/api/catalog/calendar-links", {"name": "Phone"}).json()
    feed = client.get(made["url"])
    assert feed.headers["content-type"].startswith("text/calendar")
    assert feed.text.count("BEGIN:VEVENT") == 2
    [link] = api("GET", "/api/catalog/calendar-links").json()["links"]
    assert (link["name"], link["id"]) == ("Phone", made["id"])
    assert link["last_read_at"] is not None
    assert made["url"].split("twcal_")[1][:8] not in api("GET", "/api/catalog/calendar-links").text
    assert api("DELETE", f"/api/catalog/calendar-links/{made['id']}").status_code == 204
    problem(client.get(made["url"]), 404, "not_found")


def test_a_link_that_is_read_too_often_waits(api, client, problem):
    made = api("POST", "/api/catalog/calendar-links", {"name": "Phone"}).json()
    for _ in range(READS_AT_MOST):
        assert client.get(made["url"]).status_code == 200
    answer = client.get(made["url"])
    problem(answer, 429, "limit_exceeded")
    assert answer.headers["retry-after"] == "3600"


def test_a_link_opens_nothing_once_its_person_is_disabled(api, client, database, problem):
    made = api("POST", "/api/catalog/calendar-links", {"name": "Phone"}).json()
    with database.transaction() as tx:
        tx.execute(update(user_account).values(disabled_at=SystemClock().now()))
    problem(client.get(made["url"]), 404, "not_found")


def test_a_person_has_a_few_links(api, problem):
    for number in range(MOST_LINKS):
        assert api("POST", "/api/catalog/calendar-links", {"name": f"c{number}"}).status_code == 201
    problem(api("POST", "/api/catalog/calendar-links", {"name": "one more"}), 409, "conflict")
    problem(api("POST", "/api/catalog/calendar-links", {"name": " "}), 422, "invalid_input")
