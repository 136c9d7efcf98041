"""Azure's metering API: its bodies and statuses, and what usage comes to on an invoice."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tests.control.marketplace_parts import ANN, DOLLAR, SAID, START, a_market, emails
from tradewind.core.pricing.charges import MeterCharge, Package, PerUnit, PlanTerms, Term

pytestmark = pytest.mark.postgres
TRACE = {"x-ms-requestid": "req-1", "x-ms-correlationid": "cor-1"}


@pytest.fixture
def market(database, accounts, first_run, with_management_key, tmp_path):
    with a_market(database, accounts, first_run, with_management_key, tmp_path) as market:
        yield market


@pytest.fixture
def sold(market):
    """Somebody who has the app, and the GUID of the subscription."""
    plans = market.sell(Basic=emails())
    somebody = market.buyer()
    guid = market.subscribed(somebody, plans["Basic"], "Basic")
    market.wait(hours=1)
    return somebody, guid


def test_a_usage_event_is_accepted_as_documented(market, sold):
    answer = market.call(
        "POST",
        "/usageEvent",
        {
            "resourceId": sold[1],
            "quantity": 5.0,
            "dimension": "email",
            "effectiveStartTime": "2030-01-01T00:30:14",
            "planId": "Basic",
        },
        headers=TRACE,
    )
    told = answer.json()
    assert answer.status_code == 200
    assert len(told.pop("usageEventId")) == 36
    assert told == {
        "status": "Accepted",
        "messageTime": "2030-01-01T01:00:00Z",
        "resourceId": sold[1],
        "quantity": 5.0,
        "dimension": "email",
        "effectiveStartTime": "2030-01-01T00:30:14",
        "planId": "Basic",
    }
    assert {name: answer.headers[name] for name in TRACE} == TRACE


def test_a_second_event_of_an_hour_is_a_duplicate_that_shows_the_first(market, sold):
    first = market.report(sold[1], 5).json()
    second = market.report(sold[1], 7)
    assert second.status_code == 409
    assert second.json() == {
        "additionalInfo": {"acceptedMessage": first | {"status": "Duplicate"}},
        "message": "This usage event already exist.",
        "code": "Conflict",
    }
    market.wait(hours=1)
    assert market.report(sold[1], 7).status_code == 200


def test_what_is_missing_is_named(market):
    answer = market.call("POST", "/usageEvent", {"quantity": 1.0, "dimension": "d", "planId": "p"})
    assert answer.status_code == 400
    assert answer.json() == {
        "message": "One or more errors have occurred.",
        "target": "usageEventRequest",
        "details": [
            {
                "message": "The resourceId is required.",
                "target": "ResourceId",
                "code": "BadArgument",
            },
            {
                "message": "The effectiveStartTime is required.",
                "target": "EffectiveStartTime",
                "code": "BadArgument",
            },
        ],
        "code": "BadArgument",
    }


@pytest.mark.parametrize(
    ("change", "code", "status"),
    [
        ({"quantity": 0}, "InvalidQuantity", 400),
        ({"quantity": -1.5}, "InvalidQuantity", 400),
        ({"effectiveStartTime": "2029-12-31T00:59:59"}, "Expired", 400),
        ({"effectiveStartTime": "2030-01-01T01:06:00"}, "BadArgument", 400),
        ({"effectiveStartTime": "2029-12-31T23:59:59"}, "ResourceNotActive", 400),
        ({"dimension": "sms"}, "InvalidDimension", 400),
        ({"dimension": "output_tokens"}, "InvalidDimension", 400),
        ({"planId": "Gold"}, "BadArgument", 400),
        ({"resourceId": "3f1b0c9e-0000-7000-8000-000000000000"}, "ResourceNotFound", 404),
        ({"resourceId": "no guid"}, "BadArgument", 400),
    ],
)
def test_what_is_not_taken_says_why(market, sold, change, code, status):
    answer = market.report(sold[1], 1.0, **change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert market.report(sold[1], 1.0).status_code == 200, "nothing was kept"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"quantity":' + b"9" * 5000 + b"}"])
def test_a_body_that_cannot_be_read_is_a_bad_argument(market, body):
    answer = market.client.post(
        "/api/usageEvent?api-version=2018-08-31", content=body, headers=market.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "BadArgument")


def test_another_version_of_the_api_is_refused(market):
    answer = market.client.post(
        "/api/usageEvent?api-version=2018-09-15", json={}, headers=market.headers
    )
    assert (answer.status_code, answer.json()["details"][0]["message"]) == (
        400,
        "api-version has to be 2018-08-31",
    )


def test_a_batch_answers_for_each_event(market, sold):
    event = {
        "resourceId": sold[1],
        "quantity": 5.0,
        "dimension": "email",
        "effectiveStartTime": "2030-01-01T00:10:00",
        "planId": "Basic",
    }
    batch = [event, event | {"quantity": 6.0}, event | {"dimension": "sms"}, {"quantity": 1}, 7]
    answer = market.call("POST", "/batchUsageEvent", {"request": batch})
    assert (answer.status_code, answer.json()["count"]) == (200, 5)
    result = answer.json()["result"]
    assert [each["status"] for each in result] == [
        "Accepted",
        "Duplicate",
        "InvalidDimension",
        "BadArgument",
        "BadArgument",
    ]
    accepted = result[1]["error"]["additionalInfo"]["acceptedMessage"]
    assert (accepted["usageEventId"], accepted["quantity"]) == (result[0]["usageEventId"], 5.0)
    assert (result[1]["quantity"], result[1]["messageTime"]) == (6.0, "0001-01-01T00:00:00")


def test_a_batch_has_at_most_25_events(market):
    for count in (0, 26):
        answer = market.call("POST", "/batchUsageEvent", {"request": [{}] * count})
        assert (answer.status_code, answer.json()["code"]) == (400, "BadArgument")


def test_what_was_reported_is_listed_by_day(market, sold):
    market.report(sold[1], 5)
    market.wait(hours=1)
    first = market.report(sold[1], 7).json()
    [day] = market.call("GET", "/usageEvents", usageStartDate="2030-01-01").json()
    assert day["usageDate"] == "2030-01-01T00:00:00Z"
    assert (day["usageResourceId"], day["dimension"], day["reconStatus"]) == (
        sold[1],
        "email",
        "Accepted",
    )
    assert (day["submittedQuantity"], day["processedQuantity"], day["submittedCount"]) == (
        12,
        12,
        2,
    )
    market.call(
        "POST",
        "/usageEvent:amend",
        {"usageEventId": first["usageEventId"], "newQuantity": 6.5, "reason": "counted twice"},
    )
    asked = {"usageStartDate": "2030-01-01", "UsageEndDate": "2030-01-01"}
    [day] = market.call("GET", "/usageEvents", reconStatus="Mismatch", **asked).json()
    assert (day["submittedQuantity"], day["processedQuantity"]) == (12, 11.5)
    for other in ({"reconStatus": "Accepted"}, {"dimension": "sms"}, {"planId": "Gold"}):
        assert market.call("GET", "/usageEvents", **asked, **other).json() == []


def test_a_suspended_resource_is_not_active(market, sold):
    [row] = market.do(market.services.sales.list_own, sold[0])
    market.do(market.services.sales.suspend, row.subscription_id, "unpaid")
    assert market.report(sold[1], 5).json()["code"] == "ResourceNotActive"


def spread(market, guid, *, month: int, emails_of_days: Mapping[int, float]) -> None:
    for day, quantity in emails_of_days.items():
        market.turn_to(datetime(2030, month, day, 12, tzinfo=UTC))
        assert market.report(guid, quantity).status_code == 200


# 9,950 are included, 10,050 are 50 more, 10,100 and then 1 more are 101.
MONTHS = [
    (1, {3: 4_000, 20: 5_950}, 0, 0),
    (2, {3: 10_050}, 100, 50),
    (3, {3: 10_100, 28: 1}, 200, 101),
]


@pytest.mark.parametrize("is_started_whole", [True, False])
def test_the_documents_example_by_the_month_is_charged_to_the_cent(market, is_started_whole):
    plans = market.sell(Basic=emails(started=is_started_whole))
    somebody = market.buyer()
    guid = market.subscribed(somebody, plans["Basic"], "Basic")
    for month, emails_of_days, started, in_part in MONTHS:
        spread(market, guid, month=month, emails_of_days=emails_of_days)
        market.turn_to(datetime(2030, month + 1, 1, 1, tzinfo=UTC))
        assert market.invoiced_cents(somebody) == (started if is_started_whole else in_part)


@pytest.mark.parametrize("is_started_whole", [True, False])
def test_the_documents_example_by_the_year_is_charged_to_the_cent(market, is_started_whole):
    """10,000 are for the year: each invoice charges the difference to those before."""
    plans = market.sell(Basic=emails(started=is_started_whole, term=Term.YEAR, fee=120 * DOLLAR))
    somebody = market.buyer()
    guid = market.subscribed(somebody, plans["Basic"], "Basic")
    # 9,950; 20,000 are 10,000 more; 30,101 are 20,101 more.
    expected = [(12_000, 12_000), (10_000, 10_000), (10_200, 10_101)]
    for (month, emails_of_days, *_), (started, in_part) in zip(MONTHS, expected, strict=True):
        spread(market, guid, month=month, emails_of_days=emails_of_days)
        market.turn_to(datetime(2030, month + 1, 1, 1, tzinfo=UTC))
        assert market.invoiced_cents(somebody) == (started if is_started_whole else in_part)


def test_an_amendment_is_signed_and_on_the_next_invoice(market, sold):
    somebody, guid = sold
    reported = market.report(guid, 10_300).json()
    market.turn_to(datetime(2030, 2, 1, 1, tzinfo=UTC))
    assert market.invoiced_cents(somebody) == 300
    wanted = {
        "usageEventId": reported["usageEventId"],
        "newQuantity": 10_500,
        "reason": "the night run was forgotten",
    }
    answer = market.call("POST", "/usageEvent:amend", wanted)
    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, "Amended")
    assert (told["formerQuantity"], told["newQuantity"]) == (10_300, 10_500)
    assert '"kind":"debit_note"' in told["note"]["statement"]
    again = market.call("POST", "/usageEvent:amend", wanted).json()
    assert (again["status"], again["note"]) == ("Unchanged", None)
    market.turn_to(datetime(2030, 3, 1, 1, tzinfo=UTC))
    assert market.invoiced_cents(somebody) == 200


def test_an_amendment_of_what_nobody_reported_is_refused(market, sold):
    for body, status in (
        ({"usageEventId": sold[1], "newQuantity": 1, "reason": "r"}, 404),
        ({"usageEventId": sold[1], "newQuantity": -1, "reason": "r"}, 400),
        ({"usageEventId": sold[1], "newQuantity": 1}, 400),
    ):
        assert market.call("POST", "/usageEvent:amend", body).status_code == status


def test_parts_of_a_unit_are_added_up_and_never_rounded_up(market):
    each = PerUnit(DOLLAR * 1_000_000)
    plans = market.sell(Basic=PlanTerms("USD", (MeterCharge("email", each),)))
    somebody = market.buyer()
    guid = market.subscribed(somebody, plans["Basic"], "Basic")
    for _ in range(11):
        market.wait(hours=1)
        assert market.report(guid, 0.3).status_code == 200
    market.turn_to(datetime(2030, 2, 1, 1, tzinfo=UTC))
    assert market.invoiced_cents(somebody) == 300


def test_usage_after_a_change_of_plan_is_charged_by_the_plan_it_was_used_under(market):
    dear = PlanTerms("USD", (MeterCharge("email", Package(1, 2 * DOLLAR, True)),))
    cheap = PlanTerms("USD", (MeterCharge("email", Package(1, DOLLAR, True)),))
    plans = market.sell(Dear=dear, Cheap=cheap)
    somebody = market.buyer()
    guid = market.subscribed(somebody, plans["Dear"], "Dear")
    market.wait(hours=2)
    [row] = market.do(market.services.sales.list_own, somebody)
    market.do(
        market.services.sales.change_plan,
        somebody,
        ANN,
        row.subscription_id,
        plan_id=plans["Cheap"],
        confirmation=SAID,
    )
    market.wait(hours=2)
    earlier = START + timedelta(hours=1)
    assert market.report(guid, 1, plan="Cheap", at=earlier).status_code == 400
    assert market.report(guid, 1, plan="Dear", at=earlier).status_code == 200
    assert market.report(guid, 1, plan="Cheap").status_code == 200
    market.turn_to(datetime(2030, 2, 1, 1, tzinfo=UTC))
    assert market.invoiced_cents(somebody) == 300
