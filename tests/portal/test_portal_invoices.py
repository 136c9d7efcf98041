"""Invoices in the portal: none, not charged, one with its lines and papers, and who sees them."""

from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import insert, text

from tests.features.billing.billing_parts import ISSUER, TAX_RULES, buyer, event
from tradewind.core.permissions import Role
from tradewind.features.billing.schemas import BillingAccount, BuyerKind, Mode
from tradewind.features.market.tables import price
from tradewind.features.metering.repository import create_default_partition, store_events
from tradewind.plugins.payments.stripe import Stripe
from tradewind.testing.fake_stripe import SECRET_KEY, fake_stripe
from tradewind.testing.portal_world import PortalWorld

pytestmark = pytest.mark.postgres


@pytest.fixture
def stripe():
    with fake_stripe() as fake:
        yield fake


@pytest.fixture
def has_cards(request):
    return getattr(request, "param", False)


@pytest.fixture
def world(database, stripe, has_cards):
    processor = Stripe(SECRET_KEY, ("whsec_x",), address=stripe.address) if has_cards else None
    return PortalWorld(database, processor=processor)


@pytest.fixture
def hour():
    return (datetime.now(UTC) - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def charged(world, signed_in, hour):
    with world.database.transaction() as tx:
        world.billing.set_issuer(tx, ISSUER)
        for rule in TAX_RULES:
            world.billing.add_tax_rule(tx, rule)
        stored = world.billing.set_account(
            tx,
            BillingAccount(
                organization_id=signed_in.viewer.organization_id,
                mode=Mode.POSTPAID,
                currency="USD",
                party=buyer(),
                buyer_kind=BuyerKind.BUSINESS,
                buyer_reference="",
                payment_terms_days=14,
                billed_from=hour - timedelta(days=1),
                revision=0,
            ),
        )
    assert stored is not None
    return str(stored.organization_id)


@pytest.fixture
def draft(world, charged, hour):
    world.deploy("small")
    with world.database.transaction() as tx:
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
    with world.database.connect_raw() as connection:
        create_default_partition(connection, "usage_event")
        store_events(
            connection,
            [event(charged, "price_1", hour, cost_nanos=5_000_000_000, model="tw/<b>small")],
        )
    with world.database.transaction() as tx:
        world.billing.settle(tx)
    with world.database.transaction() as tx:
        [invoice_id] = world.billing.draft(tx, charged, hour + timedelta(hours=1))
    return str(invoice_id)


def main_of(answer):
    assert answer.status_code == 200
    return unescape(answer.text.split("<main", 1)[1])


def test_who_is_not_charged_is_told_so(browser):
    assert "This organization is not charged" in main_of(browser.get("/invoices"))


def test_before_the_first_invoice_the_page_says_when_it_comes(browser, charged):
    assert "There is no invoice yet" in main_of(browser.get("/invoices"))
    past = main_of(browser.get("/invoices?after=inv_0"))
    assert "The list ends before this page" in past


def test_an_invoice_is_listed_with_its_lines_and_papers(browser, world, draft):
    assert "Nothing of a draft is owed" in main_of(browser.get(f"/invoices/{draft}"))
    with world.database.transaction() as tx:
        row = world.billing.finalize(tx, draft)
    listed = main_of(browser.get("/invoices"))
    assert str(row.number) in listed
    assert "5.95 USD" in listed

    answer = browser.get(f"/invoices/{draft}")

    shown = main_of(answer)
    assert "<b>small" not in answer.text
    for words in ("5.95 USD are open", "1,000 input_tokens", "FOCUS"):
        assert words in shown
    file = browser.get(f"/invoices/{draft}/paper?format=pdf")
    assert file.content.startswith(b"%PDF-")
    assert f"{row.number}.pdf" in file.headers["content-disposition"]
    for form in ("html", "ubl", "csv", "focus", "json", "settlement", "events"):
        assert browser.get(f"/invoices/{draft}/paper?format={form}").status_code == 200


def test_a_credit_note_is_linked_and_taken_out(browser, world, draft):
    with world.database.transaction() as tx:
        row = world.billing.finalize(tx, draft)
        note = world.billing.credit(tx, row.invoice_id, reason="outage", key="k")

    shown = main_of(browser.get(f"/invoices/{draft}"))

    paper = f"/credit-notes/{note.credit_note_id}/paper"
    assert f'href="{paper}?format=ubl"' in shown
    for form in ("pdf", "html", "ubl", "csv", "focus", "json"):
        file = browser.get(f"{paper}?format={form}")
        assert note.number in file.headers["content-disposition"]
    assert browser.get(f"{paper}?format=events").status_code == 422
    assert browser.get("/credit-notes/cn_x/paper").status_code == 404


def test_an_invoice_that_is_not_there_is_not_found(browser):
    assert browser.get("/invoices/inv_x").status_code == 404
    assert browser.get("/invoices/inv_x/paper").status_code == 404


def test_who_may_not_see_the_bills_does_not(browser_of):
    viewer = browser_of(Role.VIEWER)
    for path in ("/cost-centres", "/invoices", "/invoices/inv_x", "/invoices/inv_x/paper"):
        assert viewer.get(path).status_code == 403


@pytest.mark.parametrize("has_cards", [True], indirect=True)
def test_an_open_invoice_is_paid_by_card_from_its_page_once(
    browser, world, signed_in, draft, stripe
):
    assert "by card" not in main_of(browser.get(f"/invoices/{draft}"))
    with world.database.transaction() as tx:
        row = world.billing.finalize(tx, draft)
    shown = main_of(browser.get(f"/invoices/{draft}"))
    assert "by card" in shown
    key = shown.split('name="key" value="')[1].split('"')[0]
    form = {"csrf_token": signed_in.viewer.csrf_token, "key": key}
    path = f"/wallet/invoices/{draft}/pay"
    assert browser.post(path, data={"key": key}).status_code == 403
    [payment] = {browser.post(path, data=form).headers["location"] for _ in range(2)}
    [session] = stripe.of_kind("checkout.session")
    stripe.pay(session["id"])
    browser.post(f"{payment}/look", data=form)
    with world.database.transaction() as tx:
        assert world.billing.invoice(tx, draft).paid_minor == row.total_minor
    assert "by card" not in main_of(browser.get(f"/invoices/{draft}"))


def test_without_a_processor_an_invoice_offers_no_card(browser, world, draft):
    with world.database.transaction() as tx:
        assert world.billing.finalize(tx, draft).open_minor > 0
    assert "by card" not in main_of(browser.get(f"/invoices/{draft}"))


# --- cost centres ----------------------------------------------------------------------------


@pytest.fixture
def project_id(browser):
    return main_of(browser.get("/cost-centres")).split('action="/cost-centres/')[1].split('"')[0]


@pytest.fixture
def label(browser, signed_in, project_id):
    def label(cost_centre, tags, project_id=project_id, token=None):
        form = {"cost_centre": cost_centre, "tags": tags}
        form["csrf_token"] = signed_in.viewer.csrf_token if token is None else token
        return browser.post(f"/cost-centres/{project_id}", data=form)

    return label


def test_a_cost_centre_and_tags_are_set_and_taken_away(
    browser, world, signed_in, project_id, label
):
    assert label("R&D 7", "team: research\r\n\r\nurl: a:b\r\n").status_code == 303
    shown = main_of(browser.get("/cost-centres"))
    assert 'value="R&D 7"' in shown
    assert "team: research\nurl: a:b</textarea>" in shown
    with world.database.transaction() as tx:
        stored = world.billing.labels(tx, signed_in.viewer.organization_id)[project_id]
    assert (stored.cost_centre, stored.tags) == ("R&D 7", {"team": "research", "url": "a:b"})
    label("", "")
    assert 'value="R&D 7"' not in main_of(browser.get("/cost-centres"))


@pytest.mark.parametrize(
    ("centre", "tags", "why"),
    [
        ("x" * 101, "", "longer than 100"),
        ("", "team", "has no colon"),
        ("", "a: 1\na: 2", "there twice"),
        ("", ": 1", "has no name"),
        ("", "\n".join(f"t{n}: 1" for n in range(17)), "more than 16"),
    ],
)
def test_what_is_no_label_is_said_and_stays_in_the_form(browser, label, centre, tags, why):
    answer = label(centre, tags)
    assert answer.status_code == 422
    shown = unescape(answer.text)
    assert why in shown
    assert (centre or tags.splitlines()[0]) in shown


def test_labels_of_others_and_forms_of_others_change_nothing(label):
    assert label("1", "", project_id="proj_x").status_code == 404
    assert label("1", "", token="").status_code == 403
