"""Azure's SaaS fulfilment API: bodies, statuses, and who may do what."""

from datetime import timedelta

import pytest

from tests.control.marketplace_parts import ANN, DOLLAR, SAID, a_market, emails
from tradewind.features.marketplace.errors import FulfilmentRefused, OperationRunning
from tradewind.features.marketplace.rules.guids import guid_of
from tradewind.features.marketplace.schemas import NewApp

pytestmark = pytest.mark.postgres
APP = NewApp("https://acme.example/landing", "https://acme.example/webhook")


@pytest.fixture
def market(database, accounts, first_run, with_management_key, tmp_path):
    with a_market(database, accounts, first_run, with_management_key, tmp_path) as market:
        yield market


@pytest.fixture
def fulfilment(market):
    return market.services.marketplace.fulfilment


@pytest.fixture
def plans(market, fulfilment):
    made = market.sell(
        Basic=emails(fee=10 * DOLLAR), Lite=emails(fee=5 * DOLLAR), Gold=emails(fee=50 * DOLLAR)
    )
    market.do(fulfilment.set_app, market.seller, made["offer"], APP, turns_secret=False)
    return made


@pytest.fixture
def somebody(market):
    return market.buyer()


@pytest.fixture
def bought(market, plans, somebody):
    return market.subscribe(somebody, plans["Basic"], quantity=2, beneficiary="Ann")


@pytest.fixture
def active(market, bought):
    """The path of a subscription that is Subscribed."""
    path = f"/saas/subscriptions/{guid_of(bought.subscription_id)}"
    assert market.call("POST", f"{path}/activate", {"planId": "Basic"}).status_code == 200
    return path


def ask(market, fulfilment, somebody, bought, plan=None, *, quantity=None):
    return market.do(
        fulfilment.ask_change, somebody, ANN, bought.subscription_id, plan, quantity, SAID
    )


def test_a_purchase_token_is_resolved_as_often_as_somebody_likes(
    market, fulfilment, somebody, bought
):
    link = market.do(fulfilment.purchase_link, somebody, bought.subscription_id)
    assert link.url.startswith("https://acme.example/landing?token=")
    token = {"x-ms-marketplace-token": link.token}
    answers = [market.call("POST", "/saas/subscriptions/resolve", headers=token) for _ in "ab"]
    assert [answer.status_code for answer in answers] == [200, 200]
    told = answers[0].json()
    assert told == answers[1].json()
    assert (told["id"], told["planId"], told["quantity"]) == (
        guid_of(bought.subscription_id),
        "Basic",
        2,
    )
    assert told["subscriptionName"] == "Notifier"
    assert told["scopes"] == ["models:read"]
    whole = told["subscription"]
    assert whole["saasSubscriptionStatus"] == "PendingFulfillmentStart"
    assert whole["beneficiary"]["emailId"] == "Ann"
    assert whole["beneficiary"]["tenantId"] == guid_of(somebody.organization_id)
    assert whole["term"]["termUnit"] == "P1M"


def test_a_token_is_good_for_a_day_and_for_nothing_else(market, fulfilment, somebody, bought):
    token = market.do(fulfilment.purchase_link, somebody, bought.subscription_id).token
    middle = len(token) // 2
    other = "A" if token[middle] != "A" else "B"
    for wrong in ("", "none", token[:-8], token[:middle] + other + token[middle + 1 :]):
        answer = market.call(
            "POST", "/saas/subscriptions/resolve", headers={"x-ms-marketplace-token": wrong}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "BadArgument")
    market.clock.turn_to(market.clock.now() + timedelta(hours=24))
    answer = market.call(
        "POST", "/saas/subscriptions/resolve", headers={"x-ms-marketplace-token": token}
    )
    assert answer.status_code == 400
    assert "too old" in answer.json()["details"][0]["message"]


def test_nothing_is_charged_before_it_is_activated(market, somebody, bought):
    path = f"/saas/subscriptions/{guid_of(bought.subscription_id)}"
    market.wait(days=3)
    assert market.invoiced_cents(somebody) == 0
    for wrong in ({}, {"planId": "Gold"}, {"planId": "Basic", "quantity": 3}):
        assert market.call("POST", f"{path}/activate", wrong).status_code == 400
    assert (
        market.call("POST", f"{path}/activate", {"planId": "Basic", "quantity": "2"}).content == b""
    )
    market.wait(hours=2)
    assert market.invoiced_cents(somebody) == 2_000
    again = market.call("POST", f"{path}/activate", {"planId": "Basic"})
    assert again.status_code == 400, "it is Subscribed"


def test_subscriptions_and_plans_are_listed(market, active):
    whole = market.call("GET", "/saas/subscriptions").json()
    assert "@nextLink" not in whole
    [one] = whole["subscriptions"]
    assert one == market.call("GET", active).json()
    assert (one["saasSubscriptionStatus"], one["autoRenew"], one["publisherId"]) == (
        "Subscribed",
        True,
        "acme",
    )
    plans = market.call("GET", f"{active}/listAvailablePlans").json()["plans"]
    assert sorted(plan["planId"] for plan in plans) == ["Basic", "Gold", "Lite"]


def test_a_buyers_change_is_made_ten_seconds_after_its_publisher_was_told(  # noqa: PLR0917
    market, fulfilment, plans, somebody, bought, active
):
    asked = ask(market, fulfilment, somebody, bought, plans["Gold"])
    notices = market.services.marketplace.notices
    [pending] = market.call("GET", f"{active}/operations").json()["operations"]
    assert (pending["action"], pending["status"], pending["planId"]) == (
        "ChangePlan",
        "InProgress",
        "Gold",
    )
    market.wait(minutes=5)
    assert not market.do(fulfilment.carry_out_due), "nobody was told yet"
    [notice] = market.do(notices.claim, 10)
    market.do(notices.settle, notice, 200, "")
    market.wait(seconds=9)
    assert not market.do(fulfilment.carry_out_due)
    market.wait(seconds=1)
    assert market.do(fulfilment.carry_out_due)
    assert market.call("GET", active).json()["planId"] == "Gold"
    place = f"{active}/operations/{guid_of(asked.operation_id)}"
    assert market.call("GET", place).json()["status"] == "Succeeded"
    assert market.call("PATCH", place, {"status": "Failure"}).status_code == 409
    assert market.call("PATCH", place, {"status": "Success"}).status_code == 200


def test_a_publisher_refuses_within_its_ten_seconds(  # noqa: PLR0917
    market, fulfilment, plans, somebody, bought, active
):
    asked = ask(market, fulfilment, somebody, bought, plans["Gold"])
    place = f"{active}/operations/{guid_of(asked.operation_id)}"
    assert market.call("PATCH", place, {"status": "No"}).status_code == 400
    assert market.call("PATCH", place, {"status": "Failure"}).status_code == 200
    market.wait(hours=1)
    assert not market.do(fulfilment.carry_out_due)
    assert market.call("GET", active).json()["planId"] == "Basic"
    [told] = market.do(fulfilment.operations_of, somebody, bought.subscription_id)
    assert (told.status, told.error) == ("Failed", "The publisher refused.")


def test_one_change_waits_at_a_time(  # noqa: PLR0917
    market, fulfilment, plans, somebody, bought, active
):
    ask(market, fulfilment, somebody, bought, quantity=3)
    with pytest.raises(OperationRunning):
        ask(market, fulfilment, somebody, bought, plans["Gold"])


def test_a_webhook_that_is_not_reached_for_eight_hours_ends_the_operation(
    market, fulfilment, somebody, bought, active
):
    ask(market, fulfilment, somebody, bought, quantity=3)
    notices = market.services.marketplace.notices
    tries = 0
    for _ in range(600):
        for notice in market.do(notices.claim, 10):
            market.do(notices.settle, notice, 503, "the answer was 503")
            tries += 1
        market.clock.turn_to(market.clock.now() + timedelta(minutes=1))
    assert 400 <= tries <= 500
    [told] = market.do(fulfilment.operations_of, somebody, bought.subscription_id)
    assert (told.status, told.error) == ("Failed", "The publisher's webhook was not reached.")
    assert market.call("GET", active).json()["quantity"] == 2


def test_what_became_of_an_overtaken_attempt_changes_nothing(
    market, fulfilment, somebody, bought, active
):
    ask(market, fulfilment, somebody, bought, quantity=3)
    notices = market.services.marketplace.notices
    [slow] = market.do(notices.claim, 10)
    assert market.do(notices.claim, 10) == []
    market.clock.turn_to(market.clock.now() + timedelta(minutes=2))
    [quick] = market.do(notices.claim, 10)
    assert quick.operation_id == slow.operation_id
    market.do(notices.settle, slow, 503, "late")
    market.do(notices.settle, quick, 200, "")
    assert market.do(notices.claim, 10) == []


def test_a_publishers_own_change_never_costs_the_buyer_more(market, fulfilment, active):
    assert market.call("PATCH", active, {"planId": "Gold"}).status_code == 400
    assert market.call("PATCH", active, {"quantity": 3}).status_code == 400
    assert market.call("PATCH", active, {}).status_code == 400
    answer = market.call("PATCH", active, {"planId": "Lite"})
    assert (answer.status_code, answer.content) == (202, b"")
    place = answer.headers["operation-location"]
    operation = market.client.get(place, headers=market.headers).json()
    assert "action" in operation, (place, operation)
    assert (operation["action"], operation["operationRequestSource"]) == ("ChangePlan", "Partner")
    path = place.partition("/api")[2].partition("?")[0]
    assert market.call("PATCH", path, {"status": "Success"}).status_code == 200
    assert market.call("GET", active).json()["planId"] == "Lite"


def test_a_publisher_that_ends_it_gives_the_rest_of_the_fee_back(market, somebody, active):
    market.wait(hours=2)
    assert market.invoiced_cents(somebody) == 2_000
    market.wait(days=15, hours=10)
    answer = market.call("DELETE", active)
    assert answer.status_code == 202
    assert market.call("GET", active).json()["saasSubscriptionStatus"] == "Unsubscribed"
    assert market.call("DELETE", active).status_code == 404
    assert market.call("POST", f"{active}/activate", {"planId": "Basic"}).status_code == 404
    [charge] = [
        each
        for each in market.do(
            market.services.billing._issuing._subscriptions.charges_due,
            [somebody.organization_id],
            market.clock.now() + timedelta(hours=1),
        )
        if each.nanos < 0
    ]
    assert charge.nanos == -20 * DOLLAR * (31 * 24 - 15 * 24 - 12) // (31 * 24)


def test_another_sellers_subscription_is_not_there(market, active, database, accounts):
    sold = market.services.sale_offers
    stranger = market.buyer()
    with pytest.raises(Exception, match="there is no offer"):
        market.do(
            market.services.marketplace.fulfilment.set_app,
            stranger,
            market.do(sold.list_own, market.seller)[0].offer_id,
            APP,
            turns_secret=False,
        )
    with pytest.raises(Exception, match="there is no subscription"):
        market.do(market.services.marketplace.fulfilment.get, stranger, active.rpartition("/")[2])


def test_what_is_the_same_already_is_no_change(market, fulfilment, somebody, bought, active):
    with pytest.raises(FulfilmentRefused):
        ask(market, fulfilment, somebody, bought, quantity=2)


def test_the_secret_of_a_webhook_is_shown_once(market, plans):
    path = f"/sales/offers/{plans['offer']}/app"
    body = {"landing_page": "https://a.example/x", "webhook": "https://a.example/y"}
    assert market.call("PUT", path, body).json()["secret"] is None
    turned = market.call("PUT", path, body | {"turn_secret": True}).json()
    assert turned["secret"].startswith("whsec_")
    assert market.call("GET", path).json()["secret"] is None
    for wrong in ("http://a.example/x", "https://a.example/x?y", "https://", "ftp://a.example"):
        assert market.call("PUT", path, body | {"webhook": wrong}).status_code == 422
