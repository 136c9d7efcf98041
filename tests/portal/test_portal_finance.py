"""Billing runs, taxes and exchange rates in the portal: by hand, and for finance alone."""

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import insert, text

from tests.features.billing.billing_parts import ISSUER, TAX_RULES, buyer, event
from tradewind.core.clock import SystemClock
from tradewind.core.permissions import Role
from tradewind.features.billing.closing import Closing
from tradewind.features.billing.rules import periods
from tradewind.features.billing.schemas import BillingAccount, BuyerKind, Mode
from tradewind.features.market.tables import price
from tradewind.features.metering.repository import create_default_partition, store_events

pytestmark = pytest.mark.postgres
RULE = {
    "seller_country": "de",
    "buyer_country": "*",
    "buyer_kind": "",
    "treatment": "S",
    "rate": "19",
    "jurisdiction": "DE",
    "reason": "",
    "valid_from": "2020-01-01",
    "valid_until": "",
}
RATE = {
    "base": "eur",
    "quote": "USD",
    "rate": "1.0812",
    "source": "ECB",
    "valid_from": "2030-01-31T12:00",
}


@pytest.fixture
def send(browser, signed_in):
    def post(path, files=None, **fields):
        token = {"csrf_token": signed_in.viewer.csrf_token}
        return browser.post(path, data=token | fields, files=files, follow_redirects=False)

    return post


@pytest.fixture
def hour():
    return (datetime.now(UTC) - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def used(world, signed_in, hour):
    """An organization that is charged and used something, in a country that no rule fits."""
    organization_id = signed_in.viewer.organization_id
    world.deploy("small")
    with world.database.transaction() as tx:
        world.billing.set_issuer(tx, ISSUER)
        world.billing.set_account(
            tx,
            BillingAccount(
                organization_id=organization_id,
                mode=Mode.POSTPAID,
                currency="USD",
                party=buyer(),
                buyer_kind=BuyerKind.BUSINESS,
                buyer_reference="",
                payment_terms_days=14,
                billed_from=hour - timedelta(days=70),
                revision=0,
            ),
        )
        model_id = tx.execute(text("SELECT id FROM model LIMIT 1")).scalar_one()
        tx.execute(
            insert(price).values(
                id="price_1",
                model_id=model_id,
                currency="USD",
                input_nanos=1,
                output_nanos=1,
                cached_input_nanos=1,
                created_at=hour,
                effective_at=hour,
            )
        )
    last_month = periods.newest_closable(datetime.now(UTC)) - timedelta(days=1)
    with world.database.connect_raw() as connection:
        create_default_partition(connection, "usage_event")
        store_events(
            connection,
            [
                event(str(organization_id), "price_1", at, cost_nanos=5_000_000_000)
                for at in (last_month, hour)
            ],
        )
    return str(organization_id)


def main_of(answer):
    return unescape(answer.text.split("<main", 1)[1])


def test_a_platform_that_cannot_bill_says_what_is_missing(browser):
    shown = main_of(browser.get("/billing"))

    assert "Nobody said in whose name invoices are written" in shown
    assert "There is no tax rule" in shown
    assert "No draft waits" in shown
    assert "No month was closed yet" in shown


def test_a_month_is_closed_stopped_and_begun_again(browser, world, send, used):
    end = periods.newest_closable(datetime.now(UTC))

    closing = Closing(world.billing, SystemClock())
    assert send("/billing/closes", period_end=end.isoformat()).status_code == 303

    shown = main_of(browser.get("/billing"))
    assert "is being closed" in shown
    assert "0 of 1 organizations" in shown
    with world.database.transaction() as tx:
        running = closing.running(tx)
        assert running is not None
        world.billing.settle(tx)
    assert send(f"/billing/closes/{running.close_id}/cancel").status_code == 303
    assert "cancelled" in main_of(browser.get("/billing"))
    send("/billing/closes", period_end=end.isoformat())
    closing.close_period(world.database, end, lambda _: None)
    troubled = main_of(browser.get("/billing"))
    assert "Without an invoice for" in troubled
    assert used in troubled
    assert "no tax rule fits" in troubled.lower()


def test_a_draft_is_drawn_up_and_finalized_or_thrown_away(browser, world, send, used):
    with world.database.transaction() as tx:
        for rule in TAX_RULES:
            world.billing.add_tax_rule(tx, rule)
        world.billing.settle(tx)
    for decision in ({"void": "1"}, {}):
        assert send("/billing/drafts", organization=used).status_code == 303
        shown = main_of(browser.get("/billing"))
        assert "11.90 USD" in shown
        draft = "inv_" + shown.split("/billing/drafts/inv_", 1)[1].split('"', 1)[0]
        assert send(f"/billing/drafts/{draft}", **decision).status_code == 303
        assert "No draft waits" in main_of(browser.get("/billing"))
    with world.database.transaction() as tx:
        states = [row.state.value for row in world.billing.list_invoices(tx)]
    assert states == ["finalized", "void"]
    nothing = send("/billing/drafts", organization="org_nobody")
    assert nothing.status_code == 422
    assert "is not charged" in main_of(nothing)
    assert "org_nobody" in main_of(nothing)


def test_a_tax_rule_is_added_ended_and_one_of_later_removed(browser, send):
    assert "There is no rule yet" in main_of(browser.get("/taxes"))
    assert send("/taxes", **RULE).status_code == 303
    later = {**RULE, "rate": "20", "valid_from": "2099-01-01"}
    assert send("/taxes", **later).status_code == 303

    shown = main_of(browser.get("/taxes"))

    assert "19 %" in shown
    assert "in force" in shown
    assert "from later on" in shown
    rules = [part.split('"', 1)[0] for part in shown.split('action="/taxes/')[1:]]
    assert send(f"/taxes/{rules[0]}", valid_until="2021-01-01").status_code == 303
    assert send(f"/taxes/{rules[1]}", remove="1").status_code == 303
    ended = main_of(browser.get("/taxes"))
    assert "until 2021-01-01" in ended
    assert "20 %" not in ended
    early = send(f"/taxes/{rules[0]}", valid_until="2019-01-01")
    assert early.status_code == 422
    assert "it ends later" in main_of(early)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"buyer_country": "Germany"}, "This is no country"),
        ({"rate": "much"}, "is not a percentage"),
        ({"rate": "0"}, "goes with treatment S"),
        ({"treatment": "AE", "rate": ""}, "why no tax is taken"),
        ({"valid_from": "soon"}, "This is no day"),
        ({"valid_until": "2019-01-01"}, "It ends before it begins"),
        ({"jurisdiction": ""}, "to whom the tax is owed"),
        ({"treatment": "X"}, "none of the choices"),
    ],
)
def test_a_tax_rule_that_cannot_be_is_refused_beside_its_field(send, wrong, said):
    answer = send("/taxes", **{**RULE, **wrong})

    assert answer.status_code == 422
    assert said in main_of(answer)


def test_a_tax_rule_there_is_already_is_refused(send):
    send("/taxes", **RULE)
    assert "have a rule from that day on" in main_of(send("/taxes", **RULE))


def test_rates_are_stored_by_hand_and_from_a_file(browser, send):
    assert "There is no rate" in main_of(browser.get("/fx"))
    assert send("/fx", **RATE).headers["location"] == "/fx?added=1"
    lines = ("EUR,USD,1.09,ECB,2030-02-01", "", "GBP,USD,1.3,B,2030-02-01")
    content = "\n".join(("base,quote,rate,source,valid_from", *lines)).encode()

    answer = send("/fx/file", files={"file": ("rates.csv", content, "text/csv")})

    assert answer.headers["location"] == "/fx?added=2"
    shown = main_of(browser.get("/fx?added=2"))
    assert "2 rates are stored" in shown
    for words in ("1.0812", "1.09", "GBP", "2030-01-31 12:00 UTC"):
        assert words in shown
    assert "GBP" not in main_of(browser.get("/fx?currency=EUR")).split("<table", 1)[1]
    other = main_of(send("/fx", **{**RATE, "rate": "1.0813"}))
    assert "has another rate from that moment on" in other.lower()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The first line is not"),
        (b"\xff\xfe", "no CSV in UTF-8"),
        (b"base,quote,rate,source,valid_from\n", "There is no rate in it"),
        (b"base,quote,rate,source,valid_from\nEUR,USD,1.1\n", "Line 2: There are 3 cells"),
        (b"base,quote,rate,source,valid_from\nEUR,USD,0,ECB,2030-01-01\n", "is no rate"),
        (b"base,quote,rate,source,valid_from\nEUR,EUR,1,ECB,2030-01-01\n", "has no rate"),
        (b"base,quote,rate,source,valid_from\nEUR,USD,1,,2030-01-01\n", "The source is empty"),
        (b"base,quote,rate,source,valid_from\nEUR,USD,1,ECB,soon\n", "is no time"),
        (b"x" * 50_000, "longer than 48 KiB"),
    ],
)
def test_a_file_with_something_wrong_stores_nothing(browser, send, content, said):
    answer = send("/fx/file", files={"file": ("rates.csv", content, "text/csv")})

    assert answer.status_code == 422
    assert said in main_of(answer)
    assert "There is no rate" in main_of(browser.get("/fx"))


def test_in_whose_name_invoices_are_written_is_said_on_its_page(browser, send):
    form = {
        "legal_name": "Tradewind <GmbH>",
        "country": "de",
        "city": "Ulm",
        "payment_details": "IBAN DE02\r\nBIC X",
    }
    assert 'href="/billing/issuer"' in main_of(browser.get("/billing"))
    assert 'name="legal_name" value=""' in main_of(browser.get("/billing/issuer"))
    for wrong in ({"country": "Germany"}, {"legal_name": ""}, {"payment_details": "x" * 1001}):
        answer = send("/billing/issuer", **{**form, **wrong})
        assert answer.status_code == 422
        assert 'value="Ulm"' in answer.text
    assert "Nobody said in whose name" in main_of(browser.get("/billing"))
    assert send("/billing/issuer", **form).status_code == 303
    page = browser.get("/billing/issuer")
    assert "Tradewind &lt;GmbH&gt;" in page.text
    assert 'name="country" value="DE"' in page.text
    assert "IBAN DE02\nBIC X</textarea>" in page.text
    assert "Nobody said in whose name" not in main_of(browser.get("/billing"))
    assert browser.post("/billing/issuer", data=form).status_code == 403


def test_only_finance_sees_these_pages(browser_of):
    developer = browser_of(Role.DEVELOPER)
    for path in ("/billing", "/billing/issuer", "/taxes", "/fx"):
        assert developer.get(path).status_code == 403
