"""A model called at a provider, by one form."""

import re

import pytest

from tests.features.endpoints.offer_parts import add_listed_model, add_offer
from tradewind.core.permissions import Role
from tradewind.features.endpoints.schemas import Callers

pytestmark = pytest.mark.postgres

HERE = "/models/kestrel/sirocco/call"
KEY = "gsk-0123456789-abcdefgh-wxyz"


@pytest.fixture
def model(world):
    with world.database.transaction() as tx:
        model_id = add_listed_model(tx)
        add_offer(tx, model_id)
        add_offer(
            tx, model_id, "openai", upstream_model="sirocco-eu", region="eu", input_nanos=1_000_000
        )
    return model_id


@pytest.fixture
def post(browser, signed_in, model):
    def post(path=HERE, status=303, **fields):
        offer = re.search(r'name="offer" value="(off_\w+)"', browser.get(f"{HERE}?host=groq").text)
        assert offer is not None
        filled = {
            "csrf_token": signed_in.viewer.csrf_token,
            "offer": offer[1],
            "account": "new",
            "credential": KEY,
            "base_url": "https://api.groq.com/openai/v1",
            "endpoint_name": "kestrel/sirocco",
            "callers": "organization",
            "currency": "USD",
            "price_input": "0.5",
            "price_output": "1.5",
            "confirm": "yes",
        }
        answer = browser.post(path, data=filled | fields)
        assert answer.status_code == status, answer.text
        assert KEY not in answer.text
        return answer

    return post


def test_the_card_leads_to_the_form_with_its_offer_picked(browser, model):
    card = browser.get("/models/kestrel/sirocco").text
    assert "Call through OpenAI" in card, "the cheapest"
    page = browser.get(f"{HERE}?host=groq&model=sirocco-1").text
    assert "Call Sirocco through Groq" in page
    assert "API key of Groq" in page
    assert 'value="kestrel/sirocco"' in page
    assert 'name="price_input" value="0.5"' in page
    assert "$0.50" in page
    assert "1M input tokens" in page
    assert "sirocco-eu" in page, "the others can be picked"


def test_one_form_sets_it_all_up_and_leads_to_a_first_call(post, browser, world, signed_in):
    done = post()
    assert re.fullmatch(rf"{HERE}/ep_\w+\?account=conn_\w+", done.headers["location"])
    page = browser.get(done.headers["location"]).text
    assert 'data-auto="new"' in page
    assert 'id="try-model" value="kestrel/sirocco"' in page
    assert "http://testserver/v1/chat/completions" in page
    found = world.endpoint(signed_in.viewer, "kestrel/sirocco")
    assert found.organization_id == signed_in.viewer.organization_id
    again = post()
    assert again.headers["location"] == done.headers["location"], "twice is once"


def test_a_project_of_its_own_and_the_account_that_is_there(post, browser, world, signed_in):
    connection = world.connect(signed_in.viewer)
    page = browser.get(f"{HERE}?host=groq").text
    assert f'value="{connection.id}" checked' in page
    assert "…wxyz" in page
    post(account=connection.id, credential="", callers=Callers.PROJECT.value)
    found = world.endpoint(signed_in.viewer, "kestrel/sirocco")
    assert found.project_id == signed_in.viewer.project_id
    assert found.targets[0].connection_id == connection.id


def test_a_key_typed_beside_an_account_that_has_one_is_not_dropped(post, world, signed_in):
    connection = world.connect(signed_in.viewer)
    answer = post(account=connection.id, status=422)
    assert "This account has a key, and another one was typed." in answer.text


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"credential": ""}, 422, "The key is missing."),
        ({"credential": "two\nlines"}, 422, "has characters that no key has"),
        ({"endpoint_name": "no spaces please"}, 422, "cannot be the name of an endpoint"),
        ({"confirm": ""}, 422, "The price is not confirmed."),
        ({"price_input": "cheap"}, 422, "The price of input is not an amount."),
        ({"price_output": ""}, 422, "The price of output is missing."),
        ({"callers": "all"}, 422, "Nobody is chosen."),
        ({"account": "conn_other"}, 422, "This is no account at Groq."),
        ({"offer": "off_gone"}, 409, "This offer has gone meanwhile."),
        ({"base_url": "http://127.0.0.1/v1"}, 422, "The base URL is not encrypted"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(post, fields, status, told):
    answer = post(status=status, **fields)
    assert told in answer.text
    assert "two\nlines" not in answer.text


def test_a_name_that_is_taken_is_told_at_the_name_with_one_that_is_free(post):
    post()
    answer = post(status=409, credential="gsk-another-key-0123456789").text
    assert "Take kestrel/sirocco-groq, or another name." in answer
    assert "Type the key again" in answer


def test_a_price_that_changed_meanwhile_is_shown_and_confirmed_anew(post, browser):
    post(callers="everybody")
    other = {"endpoint_name": "another", "price_input": "0.4", "callers": "everybody"}
    answer = post(status=409, **other).text
    assert "Confirm that one." in answer
    assert 'name="price_input" value="0.5"' in answer, "the price in force, which nobody types"
    assert 'id="confirm" name="confirm" value="yes" checked' not in answer


def test_a_key_that_was_wrong_is_replaced_in_place(post, browser, world, signed_in):
    place = post(credential="gsk-wrong-0123456789-aaaa").headers["location"]
    page, _, query = place.partition("?")
    account = query.removeprefix("account=")
    bad = post(f"{page}/key", 422, account=account, credential="")
    assert "The credential is not 1 to" in bad.text
    done = post(f"{page}/key", account=account)
    assert done.headers["location"] == f"{page}?account={account}&key=new"
    text = browser.get(done.headers["location"]).text
    assert 'data-auto="key"' in text
    assert "…wxyz" in text


def test_without_the_right_the_page_says_who_could_give_it(browser_of, model):
    browser = browser_of(Role.DEVELOPER)
    answer = browser.get(HERE)
    assert answer.status_code == 403
    assert "endpoints:write" in answer.text
    assert "Call through" not in browser.get("/models/kestrel/sirocco").text


def test_a_model_that_nobody_offers_leads_to_adding_a_provider(browser, world):
    with world.database.transaction() as tx:
        add_listed_model(tx)
    page = browser.get(HERE).text
    assert "No provider is known that offers it" in page
    assert 'href="/providers/new"' in page
    assert browser.get("/models/kestrel/nothing/call").status_code == 404


def test_a_gated_model_asks_for_its_licence_first(browser, world, model, post):
    with world.database.transaction() as tx:
        tx.exec_driver_sql("UPDATE model SET is_gated = true")
    assert "Its licence has to be accepted first" in browser.get(HERE).text
    assert "licence" in post(status=403).text
