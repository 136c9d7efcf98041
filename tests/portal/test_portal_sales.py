"""The pages of sellers and buyers: offers, plans, private offers, subscriptions, who pays."""

from datetime import UTC, datetime
from html import unescape

import pytest
from sqlalchemy import insert

from tradewind.core.ids import ModelId
from tradewind.core.permissions import Role
from tradewind.features.billing.schemas import BillingAccount, BuyerKind, Mode, Party
from tradewind.features.catalog.tables import model, publisher

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def viewer(signed_in):
    return signed_in.viewer


@pytest.fixture
def send(browser, viewer):
    def post(path, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


@pytest.fixture
def acme(world, viewer):
    now = datetime.now(UTC)
    with world.database.transaction() as tx:
        tx.execute(
            insert(publisher).values(
                slug="acme",
                name="Acme",
                organization_id=viewer.organization_id,
                verified_at=now,
                created_at=now,
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


@pytest.fixture
def offer(acme, send):
    """The path of a draft."""
    answer = send(
        "/sales",
        publisher="acme",
        kind="model",
        model="acme/small",
        name="Small for all",
        licensing="platform",
        is_subscription_only="yes",
    )
    assert answer.status_code == 303
    return answer.headers["location"]


PLAN = {
    "name": "Basic",
    "currency": "USD",
    "term": "month",
    "fee": "10",
    "notice_days": "30",
    "is_public": "yes",
    "rows": "2",
    "meter-0": "output_tokens",
    "kind-0": "graduated",
    "tiers-0": "1,000,000: 2.50\nrest: 2",
    "included-0": "1000",
    "is_new": "yes",
}


@pytest.fixture
def sold(offer, send):
    """An offer for sale with a plan."""
    assert send(f"{offer}/plan", **PLAN, action="save").status_code == 303
    assert send(f"{offer}/publish").status_code == 303
    return offer


@pytest.fixture
def plan_id(world, viewer, sold):
    with world.database.transaction() as tx:
        [(_, [plan])] = world.sale_offers.on_sale(tx, viewer)
    return plan.plan_id


def main_of(answer):
    return unescape(answer.text.split("<main", 1)[1])


def hidden(answer, *names):
    """Return what the form of a page sends unseen."""
    return {
        name: unescape(answer.text.split(f'name="{name}" value="', 1)[1].split('"', 1)[0])
        for name in names
    }


def agreed(answer, **fields):
    return hidden(answer, "payer", "cap", "terms_sha256") | {"is_agreed": "yes"} | fields


@pytest.fixture
def subscribed(browser, send, plan_id):
    """The path of a subscription."""
    page = browser.get(f"/subscriptions/new?plan={plan_id}")
    answer = send("/subscriptions/new", **agreed(page, plan=plan_id, quantity="2"))
    assert answer.status_code == 303, main_of(answer)
    return answer.headers["location"]


def test_before_there_is_a_publisher_the_page_says_what_to_do(browser):
    assert "become one" in browser.get("/sales").text
    assert "Nothing is for sale at this moment" in browser.get("/subscriptions").text


def test_an_offer_needs_a_plan_before_it_is_sold(browser, send, offer):
    assert "It needs a plan first" in browser.get(offer).text
    assert send(f"{offer}/publish").status_code == 409


def test_what_is_wrong_with_an_offer_is_said_beside_it(acme, send):
    wrong = send(
        "/sales",
        publisher="acme",
        kind="model",
        model="acme/none",
        name=HOSTILE,
        licensing="platform",
    )
    assert wrong.status_code == 422
    assert 'id="model-error"' in wrong.text, main_of(wrong)[:6000]
    assert HOSTILE not in wrong.text
    other = send("/sales", publisher="nobody", kind="app", name="A", licensing="direct")
    assert 'id="publisher-error"' in other.text


def test_a_plan_is_simulated_before_it_is_added(browser, send, offer):
    shown = send(f"{offer}/plan", **PLAN, action="simulate")
    text = main_of(shown)
    assert "10.00 USD each month, in advance" in text
    assert "up to 1,000,000 2.50 USD for 1,000,000" in text
    assert "Nobody called the model" in text
    assert "There is none yet" in browser.get(offer).text


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("fee", "much", "fee-error"),
        ("tiers-0", "up to: 3", "tiers-0-error"),
        ("meter-0", "", "meter-0-error"),
        ("windows-0", "someday 1-2: 3", "windows-0-error"),
        ("name", "", "name-error"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_beside_it(send, offer, field, value, error):
    answer = send(f"{offer}/plan", **PLAN | {field: value, "action": "save"})
    assert answer.status_code == 422
    assert f'id="{error}"' in answer.text


def test_a_next_version_opens_with_what_the_last_one_says(browser, sold, plan_id, send):
    page = browser.get(f"{sold}/plan?of={plan_id}")
    assert "1000000: 2.5" in page.text
    assert 'value="10"' in page.text
    cheaper = PLAN | {"fee": "8", "action": "save"}
    cheaper.pop("is_new")
    assert send(f"{sold}/plan", **cheaper).status_code == 303
    text = main_of(browser.get(sold))
    assert "Basic, version 2" in text
    assert "Former versions" in text


def test_who_subscribes_is_shown_who_pays_and_agrees(browser, send, plan_id, viewer):
    page = browser.get(f"/subscriptions/new?plan={plan_id}&quantity=3")
    text = main_of(page)
    assert "30.00 USD each month, in advance (3 x 10.00)" in text
    assert f"{viewer.organization_name}, by invoice" in text
    assert "No cap" in text
    fields = agreed(page, plan=plan_id, quantity="3")
    silent = send("/subscriptions/new", **{**fields, "is_agreed": ""})
    assert (silent.status_code, 'id="is-agreed-error"' in silent.text) == (422, True)
    assert send("/subscriptions/new", **fields | {"payer": "Somebody"}).status_code == 409
    assert send("/subscriptions/new", **fields | {"terms_sha256": "0" * 64}).status_code == 409
    made = send("/subscriptions/new", **fields)
    assert made.status_code == 303
    assert send("/subscriptions/new", **fields).status_code == 409
    assert "Small for all" in main_of(browser.get("/subscriptions")).split("For sale")[0]
    assert "Confirmed by Ada Lovelace" in browser.get("/subscriptions").text


def test_a_change_is_previewed_to_the_cent_and_made_by_who_agrees(browser, send, subscribed):
    shown = send(f"{subscribed}/change", plan="", quantity="5", action="preview")
    text = main_of(shown)
    assert "50.00 USD each month" in text
    assert "given back" in text
    assert "come onto the next invoice" in text
    fields = agreed(shown, quantity="5", action="change") | hidden(shown, "revision")
    assert send(f"{subscribed}/change", **{**fields, "is_agreed": ""}).status_code == 422
    assert send(f"{subscribed}/change", **fields).status_code == 303
    assert "Plan changed" in browser.get(subscribed).text
    assert send(f"{subscribed}/change", **fields).status_code == 422, "it has moved since"


def test_a_subscription_is_paused_goes_on_ends_and_is_kept(browser, send, subscribed):
    for move, said in (("pause", "Paused"), ("resume", "Active")):
        assert send(f"{subscribed}/{move}").status_code == 303
        assert said in main_of(browser.get(subscribed))
    send(f"{subscribed}/cancel", when="end")
    assert "it ends at" in browser.get(subscribed).text
    send(f"{subscribed}/renew")
    assert "With each term" in browser.get(subscribed).text
    assert send(f"{subscribed}/cancel", when="now").status_code == 422
    assert send(f"{subscribed}/cancel", when="now", is_sure="yes").status_code == 303
    assert "it has ended" in browser.get(subscribed).text
    assert send(f"{subscribed}/explode").status_code == 422


def test_a_seller_suspends_for_a_reason_that_the_buyer_reads(browser, send, sold, subscribed):
    path = f"{sold}/subscriptions/{subscribed.rpartition('/')[2]}"
    assert send(path, move="suspend").status_code == 422
    assert send(path, move="suspend", reason="odd traffic").status_code == 303
    assert "the seller: odd traffic" in browser.get(subscribed).text
    assert send(path, move="reinstate").status_code == 303
    assert send(path, move="cancel", reason="closed").status_code == 303
    assert "Ended" in main_of(browser.get(sold))


def test_a_private_offer_is_accepted_by_its_hash_and_then_subscribed_to(
    browser, send, sold, plan_id, viewer
):
    page = browser.get(f"{sold}/private-offers")
    dates = hidden(page, "starts_on", "ends_on", "accept_by")
    both = {"name": "For Ada", "buyers": viewer.organization_id, "percent": "50"} | dates
    assert send(f"{sold}/private-offers", **both | {"percent": ""}).status_code == 422
    assert send(f"{sold}/private-offers", **both | {"buyers": "somebody"}).status_code == 422
    assert send(f"{sold}/private-offers", **both).status_code == 303
    path = (
        "/private-offers/"
        + browser.get("/subscriptions").text.split('href="/private-offers/')[1].split('"')[0]
    )
    shown = browser.get(path)
    assert "5.00 USD each month" in main_of(shown)
    read = hidden(shown, "terms_sha256")
    assert send(f"{path}/accept", **read).status_code == 422
    wrong = {"terms_sha256": "0" * 64, "is_read": "yes"}
    assert send(f"{path}/accept", **wrong).status_code == 409
    assert send(f"{path}/accept", **read, is_read="yes").status_code == 303
    signed = main_of(browser.get(path))
    assert "Signed, Ed25519" in signed
    assert "accepted by Ada Lovelace" in browser.get(f"{sold}/private-offers").text
    private = path.rpartition("/")[2]
    form = browser.get(f"/subscriptions/new?plan={plan_id}&private={private}")
    made = send("/subscriptions/new", **agreed(form, plan=plan_id, private=private, quantity="1"))
    assert "Private price until" in browser.get(made.headers["location"]).text
    send(f"{sold}/private-offers/{private}/withdraw")
    assert "Withdrawn" in browser.get(f"{sold}/private-offers").text
    assert browser.get(path).status_code == 404


def test_who_is_charged_confirms_who_pays_before_calls(world, browser, send, viewer):
    party = Party("Ada & Co", "BE")
    with world.database.transaction() as tx:
        world.billing.set_account(
            tx,
            BillingAccount(
                viewer.organization_id,
                Mode.POSTPAID,
                "USD",
                party,
                BuyerKind.BUSINESS,
                "",
                14,
                datetime(2026, 1, 1, tzinfo=UTC),
                0,
            ),
        )
    page = browser.get("/subscriptions")
    assert "Ada & Co, by invoice within 14 days" in main_of(page)
    said = hidden(page, "payer", "cap")
    assert send("/subscriptions/payer", **said).status_code == 409
    assert (
        send("/subscriptions/payer", **said | {"payer": "x", "is_agreed": "yes"}).status_code == 409
    )
    assert send("/subscriptions/payer", **said, is_agreed="yes").status_code == 303
    assert "Confirmed by Ada Lovelace" in browser.get("/subscriptions").text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
def test_a_member_without_the_right_sees_none_of_it(browser_of, role):
    browser = browser_of(role)
    for path in (
        "/sales",
        "/sales/sale_x",
        "/sales/sale_x/plan",
        "/subscriptions",
        "/subscriptions/new",
        "/subscriptions/sub_x",
        "/private-offers/x",
    ):
        assert browser.get(path).status_code == 403


def test_what_is_not_there_is_404(browser, acme):
    for path in (
        "/sales/sale_x",
        "/sales/sale_x/plan",
        "/sales/sale_x/private-offers",
        "/subscriptions/new?plan=x",
        "/subscriptions/sub_x",
        "/private-offers/x",
    ):
        assert browser.get(path).status_code == 404
