"""Margins and the keys of price files: tried, set, stopped, decided, and who may see them."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from sqlalchemy import update

from tests.features.market.price_parts import Signer
from tradewind.core.clock import SystemClock
from tradewind.core.permissions import Role
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.ledger.schemas import FxRate
from tradewind.features.ledger.service import Ledger

MODEL = "openai/gpt-4o"
FORM = {"scope": "model", "target": MODEL, "percent": "50", "least": "", "step": ""}


@pytest.fixture
def viewer(signed_in):
    return signed_in.viewer


@pytest.fixture
def send(browser, viewer):
    """Post a form of our own page."""

    def post(path, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


@pytest.fixture
def called(world, viewer):
    """A model of everybody's, called at two hosts that take the same."""
    world.add_hosted(viewer, world.connect(viewer, "openai"), "gpt-4o")
    costs = {
        "cost_currency": "USD",
        "cost_input_nanos": 2_000_000_000,
        "cost_output_nanos": 8_000_000_000,
        "cost_cached_input_nanos": None,
        "cost_cache_write_nanos": None,
        "cost_meters": {},
    }
    with world.database.transaction() as tx:
        tx.execute(update(endpoint).values(organization_id=None))
        tx.execute(update(endpoint_target).values(**costs))


def in_euros(world):
    with world.database.transaction() as tx:
        tx.execute(update(endpoint_target).values(cost_currency="EUR"))


def run(world):
    with world.database.transaction() as tx:
        return tuple(world.prices.margins.run(tx))


def margins(world, viewer):
    with world.database.transaction() as tx:
        return world.prices.margins.all(tx, viewer)


def main_of(answer):
    return unescape(answer.text.split("<main", 1)[1])


def test_without_margins_the_page_says_what_to_do(browser):
    text = main_of(browser.get("/margins"))
    assert "No margin holds" in text
    assert "Add or change a margin" in text


def test_a_margin_is_tried_on_todays_costs_and_nothing_is_set_by_that(send, world, viewer, called):
    text = main_of(send("/margins", action="preview", **FORM))
    assert "What it would make of today's costs" in text
    assert "$3.00" in text
    assert "$12.00" in text
    assert "Set this margin" in text
    assert margins(world, viewer) == []


def test_a_preview_of_what_prices_nothing_says_so(send, called):
    text = main_of(send("/margins", action="preview", **FORM | {"target": "tw/other"}))
    assert "It would price no model today" in text


def test_a_margin_is_set_shown_and_stopped(browser, send, world, viewer):
    done = send("/margins", action="set", **FORM | {"percent": "12.5", "step": "0.01"})
    assert (done.status_code, done.headers["location"]) == (303, "/margins")
    [row] = margins(world, viewer)
    assert (row.margin.percent, row.margin.step_nanos) == (1250, 10_000_000)
    text = main_of(browser.get("/margins"))
    assert "12.5 %" in text
    assert MODEL in text
    send(f"/margins/{row.margin_id}/stop")
    assert "No margin holds" in main_of(browser.get("/margins"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"percent": "much"}, "not a percentage"),
        ({"target": ""}, "The name is missing"),
        ({"scope": "all"}, "has no name"),
        ({"scope": "everything"}, "nothing a margin can be for"),
        ({"least": "-1"}, "The least price is not an amount"),
        ({"step": "a cent"}, "The step is not an amount"),
        ({"percent": "-100.5"}, "between -100 and 100,000 percent"),
    ],
)
def test_what_is_no_margin_is_told_in_its_place(send, world, viewer, fields, words):
    answer = send("/margins", action="set", **FORM | fields)
    assert answer.status_code == 422
    assert words in main_of(answer)
    assert margins(world, viewer) == []


def test_what_waits_for_a_rate_says_so_and_is_left_out(browser, send, world, called):
    in_euros(world)
    send("/margins", action="set", **FORM)
    # The model has a price in USD since it was put up; whoever speaks last is heard.
    assert run(world) == (0, 1)
    text = main_of(browser.get("/margins"))
    assert "No rate of EUR in USD is stored." in text
    assert 'href="/fx"' in text
    assert "Set it" not in text
    [place] = set(re.findall(r"/margins/proposals/[a-z0-9_]+", text))
    refused = send(place, decision="accept")
    assert refused.status_code == 422
    assert "There is no price to set" in main_of(refused)
    assert send(place, decision="refuse").status_code == 303
    assert send(place, decision="refuse").status_code == 409
    assert "Waits for a review" not in main_of(browser.get("/margins"))


def test_a_cost_in_another_currency_is_shown_exchanged(send, world, called):
    in_euros(world)
    rate = FxRate("EUR", "USD", 1_500_000_000, "ECB", datetime(2020, 1, 1, tzinfo=UTC))
    with world.database.transaction() as tx:
        Ledger(SystemClock()).set_rate(tx, rate)
    text = main_of(send("/margins", action="preview", **FORM | {"percent": "0"}))
    assert "$3.00" in text
    assert "$12.00" in text


def test_a_key_is_trusted_and_revoked_for_good(browser, send):
    assert "No key is trusted yet" in main_of(browser.get("/price-keys"))
    signer = Signer()
    key_id, _ = signer.sign(b"")
    form = {"name": "Price <desk>", "pem": signer.public_pem.decode(), "publisher": "acme"}
    done = send("/price-keys", **form)
    text = main_of(browser.get(done.headers["location"]))
    assert "Price <desk> are believed from now on" in text
    assert f"{key_id[:4]} {key_id[4:8]} " in text
    assert "Models of acme" in text
    assert "<desk>" not in browser.get("/price-keys").text
    assert send(f"/price-keys/{key_id}/revoke").status_code == 303
    text = main_of(browser.get("/price-keys"))
    assert "Revoked" in text
    assert "Revoke for good" not in text
    assert send("/price-keys/none/revoke").status_code == 404


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "The name is missing"),
        ({"pem": "-----BEGIN NOTHING"}, "This is no Ed25519 public key in PEM."),
    ],
)
def test_what_is_no_key_is_told_in_its_place(send, browser, fields, words):
    form = {"name": "Ops", "pem": Signer().public_pem.decode()} | fields
    answer = send("/price-keys", **form)
    assert answer.status_code == 422
    assert words in main_of(answer)
    assert "No key is trusted yet" in main_of(browser.get("/price-keys"))


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
@pytest.mark.parametrize("path", ["/margins", "/price-keys"])
def test_others_do_not_see_them(browser_of, role, path):
    assert browser_of(role).get(path).status_code == 403


@pytest.mark.parametrize("path", ["/margins", "/margins/x/stop", "/price-keys"])
def test_forms_of_other_sites_change_nothing(browser, path):
    assert browser.post(path, data={"csrf_token": "guessed"} | FORM).status_code == 403
