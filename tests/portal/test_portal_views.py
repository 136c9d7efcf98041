"""Saved views, and the switch to what works with one's budget and regions, as pages show them."""

import html
import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from tests.portal.test_portal_catalog import add_model, add_offer, main_of, names_in, public
from tradewind.core.ids import UserId
from tradewind.features.accounts.schemas import SignedIn
from tradewind.features.accounts.tables import user_account
from tradewind.features.budgets.schemas import NewBudget, NewTerms, PeriodKind
from tradewind.snapshot.contents import Conditions
from tradewind.testing.portal_world import PortalWorld

NOW = datetime.now(UTC)
DOLLAR = 10**9


def post(browser: TestClient, signed_in: SignedIn, path: str, **fields: str):
    return browser.post(path, data={"csrf_token": signed_in.viewer.csrf_token, **fields})


def said(text: str) -> str:
    """Return the sentence on what was left out."""
    found = re.search(r'id="fit-told">(.*?)</p>', text, re.DOTALL)
    assert found is not None
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", found[1])).split())


@pytest.fixture
def offers(world: PortalWorld) -> None:
    """Models in two regions, at two prices of 1,000,000 tokens, and one of which little is told."""
    for slug, region, dollars in (
        ("eu-cheap", "eu", 1),
        ("eu-dear", "eu", 10_000),
        ("us-cheap", "us", 1),
    ):
        nanos = dollars * DOLLAR
        add_offer(
            world,
            add_model(world, f"kestrel/{slug}"),
            upstream_model=slug,
            region=region,
            input_nanos=nanos,
            output_nanos=nanos,
        )
    add_model(world, "kestrel/silent")


def add_budget(world: PortalWorld, signed_in: SignedIn, dollars: int, **more) -> None:
    values = {"name": "Team", "currency": "USD", "period": PeriodKind.TOTAL} | more
    with world.database.transaction() as tx:
        world.budgets.add_budget(
            tx, signed_in.viewer, NewBudget(amount_nanos=dollars * DOLLAR, **values)
        )


def allow(world: PortalWorld, signed_in: SignedIn, subject_id: str, *regions: str) -> None:
    terms = NewTerms(conditions=Conditions(regions=frozenset(regions)))
    with world.database.transaction() as tx:
        world.budgets.put_terms(tx, signed_in.viewer, subject_id, terms)


# --- saved views -----------------------------------------------------------------------------


def test_the_present_question_is_kept_by_a_name_and_opened_by_it(
    browser: TestClient, signed_in: SignedIn, offers: None
):
    text = browser.get("/models?q=cheap&task=chat&page=1&m=kestrel/eu-cheap").text
    (link,) = re.findall(r'href="(/views/new[^"]*)"', text)
    form = browser.get(html.unescape(link)).text
    assert "“cheap”; Task: Chat" in main_of(form)

    answer = post(
        browser, signed_in, "/views", name="Cheap chat", query="q=cheap&task=chat", is_shared="yes"
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/models?q=cheap&task=chat")
    text = browser.get(answer.headers["location"]).text
    (view,) = re.findall(r'<a class="chip chip-on" href="(/views/view_[^"]+)"', text)
    assert "Cheap chat" in text
    assert browser.get(view).headers["location"] == "/models?q=cheap&task=chat"
    assert "“cheap”; Task: Chat" in browser.get("/views").text


def test_an_empty_list_of_views_says_what_to_do(browser: TestClient):
    assert "No view is saved yet" in browser.get("/views").text


def test_a_view_is_renamed_and_deleted(browser: TestClient, signed_in: SignedIn):
    post(browser, signed_in, "/views", name="Old", query="")
    (path,) = re.findall(r'href="(/views/view_[^"]+)/edit"', browser.get("/views").text)
    assert 'value="Old"' in browser.get(f"{path}/edit").text

    assert post(browser, signed_in, path, name="New", is_shared="yes").status_code == 303
    text = browser.get("/views").text
    assert ("New" in text, "With everybody" in text) == (True, True)

    assert post(browser, signed_in, f"{path}/delete").status_code == 303
    assert browser.get(path).status_code == 404


def test_what_is_wrong_with_a_name_stands_beside_it(browser: TestClient, signed_in: SignedIn):
    post(browser, signed_in, "/views", name="Mine", query="")

    taken = post(browser, signed_in, "/views", name="mine", query="q=x")
    empty = post(browser, signed_in, "/views", name=" ", query="q=x")

    assert (taken.status_code, empty.status_code) == (409, 422)
    assert "already" in taken.text
    assert "1 to 80" in empty.text
    assert 'name="query" value="q=x"' in taken.text, "nothing is to be chosen again"


def test_a_view_that_somebody_shares_is_there_for_all_and_theirs_to_change(
    world: PortalWorld, browser: TestClient, signed_in: SignedIn
):
    ada = UserId.new()
    with world.database.transaction() as tx:
        tx.execute(
            insert(user_account).values(
                id=ada, email="somebody.else@example.org", name="Ada", created_at=NOW
            )
        )
        for name, is_shared in (("<b>Shared</b>", True), ("Secret", False)):
            world.services.saved_views.save(
                tx, signed_in.viewer, ada, name, "", is_shared=is_shared
            )

    text = main_of(browser.get("/views").text)

    assert "&lt;b&gt;Shared&lt;/b&gt;" in text
    assert "by Ada" in text
    assert "Secret" not in text
    assert "/edit" not in text
    assert text.count("/delete") == 1, "an administrator may, when she has left"


def test_a_stored_question_of_an_older_release_opens_what_of_it_there_is(
    browser: TestClient, signed_in: SignedIn
):
    answer = post(browser, signed_in, "/views", name="Old", query="task=dance&colour=red&q=x")

    assert answer.headers["location"] == "/models?q=x"


def test_who_is_not_signed_in_is_offered_no_views(world: PortalWorld, offers: None):
    visitor = public(world)

    text = visitor.get("/models?fits=yes").text

    assert "Saved views" not in text
    assert "Works with my budget" not in text
    assert "nothing was left out" in said(text)
    assert len(names_in(text)) == 4
    assert visitor.get("/views").status_code in {303, 401}


# --- what works for a project ----------------------------------------------------------------


def test_without_regions_and_budgets_everything_works_and_the_page_says_so(
    browser: TestClient, offers: None
):
    text = browser.get("/models?fits=yes").text

    assert len(names_in(text)) == 4
    assert "allows every region" in said(text)
    assert "No budget stops its calls" in said(text)
    assert "Works for me" in text


def test_only_regions_that_organization_and_project_allow_are_left(
    world: PortalWorld, browser: TestClient, signed_in: SignedIn, offers: None
):
    allow(world, signed_in, signed_in.viewer.organization_id, "eu", "ch")

    text = browser.get("/models?fits=yes").text

    assert set(names_in(text)) == {"kestrel/eu-cheap", "kestrel/eu-dear"}
    assert "Offered or running in ch, eu" in said(text)
    allow(world, signed_in, signed_in.viewer.project_id, "us")
    text = browser.get("/models?fits=yes").text
    assert names_in(text) == []
    assert "no region in common" in said(text)
    assert "No model matches" in text


def test_what_a_typical_chat_costs_has_to_fit_the_tightest_budget(
    world: PortalWorld, browser: TestClient, signed_in: SignedIn, offers: None
):
    add_budget(world, signed_in, 1_000)
    add_budget(world, signed_in, 2, name="Tight")
    add_budget(world, signed_in, 1, name="Soft", is_hard=False)

    text = browser.get("/models?fits=yes").text

    # 1,300 tokens at $10,000 for a million cost $13, at $1 a tenth of a cent.
    assert set(names_in(text)) == {"kestrel/eu-cheap", "kestrel/us-cheap"}
    assert "$2.00 left of the budget Tight" in said(text)
    assert "1,000 tokens in and 300 out" in said(text)
    assert "without a known price is left out" in said(text)


def test_a_budget_in_another_currency_is_not_compared_and_said(
    world: PortalWorld, browser: TestClient, signed_in: SignedIn, offers: None
):
    add_budget(world, signed_in, 1, currency="EUR")

    text = browser.get("/models?fits=yes").text

    assert len(names_in(text)) == 4
    assert "EUR, which prices in USD are not compared with" in said(text)


def test_the_switch_stays_while_one_filters(browser: TestClient, offers: None):
    text = browser.get("/models?fits=yes&task=chat").text

    assert re.search(r'name="fits" value="yes" checked', text)
    assert 'href="/models?task=chat"' in text, "the chip takes it back"


# --- compare ---------------------------------------------------------------------------------


def test_the_chat_that_costs_are_compared_by_is_typed_on_the_page(
    browser: TestClient, offers: None
):
    names = "m=kestrel/eu-cheap&m=kestrel/eu-dear"

    typical = browser.get(f"/compare?{names}").text
    typed = browser.get(f"/compare?{names}&chat_in=2000&chat_out=500").text
    wrong = browser.get(f"/compare?{names}&chat_in=many&chat_out=5").text

    assert "1,000 tokens in, 300 out, a typical chat" in typical
    assert "$1.30" in typical
    assert "2,000 tokens in, 500 out, as you said" in typed
    assert "$2.50" in typed
    assert "chat_in=2000&amp;chat_out=500" in typed, "it stays when a model is taken away"
    assert "two whole numbers" in wrong
    assert "$1.30" in wrong
