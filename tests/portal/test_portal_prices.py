"""The price book: what has no price first, one model's prices, files, and who may see it."""

import base64
import json
from datetime import UTC, datetime
from html import unescape

import pytest

from tests.features.market.price_parts import Signer, entry, price_file
from tradewind.core.permissions import Role
from tradewind.features.market.tables import price_alarm
from tradewind.readmodels.prices import find_priced

MODEL = "tw/small"
PATH = f"/prices/models/{MODEL}"
FORM = {"currency": "USD", "input_tokens": "2.50", "output_tokens": "10"}


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
def model(world, signed_in):
    world.deploy("small")
    return MODEL


def main_of(answer):
    return unescape(answer.text.split("<main", 1)[1])


def history(world):
    with world.database.transaction() as tx:
        found = find_priced(tx, MODEL, everything=True)
        assert found is not None
        return world.prices.book.history(tx, found.model_id)


def test_an_empty_book_says_what_to_do(browser):
    text = main_of(browser.get("/prices"))
    assert "No model has a price yet" in text
    assert 'href="/prices/file"' in text


def test_the_book_lists_and_finds_prices(browser, model):
    assert MODEL in main_of(browser.get("/prices"))
    assert MODEL in main_of(browser.get("/prices?q=SMALL"))
    assert "No model is called “nothing”" in main_of(browser.get("/prices?q=nothing"))
    assert "The list ends before this page" in main_of(browser.get("/prices?after=z/z"))


def test_a_price_is_previewed_and_nothing_is_set_by_that(browser, send, world, model):
    before = history(world)
    text = main_of(send(PATH, action="preview", is_meant="yes", **FORM))
    assert "What would change" in text
    assert "Set this price" in text
    assert history(world) == before


def test_a_price_is_set_by_the_form(send, world, model):
    expected = history(world)[0].price_id
    answer = send(
        PATH,
        action="set",
        expected=expected,
        is_meant="yes",
        waives_notice="yes",
        others="images 40\npages 0.5",
        **FORM,
    )
    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    newest = history(world)[0]
    assert newest.terms.meters["input_tokens"] == 2_500_000_000
    assert newest.meters == {"images": 40_000_000_000, "pages": 500_000_000}
    assert newest.created_by == "Ada Lovelace"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input_tokens": "a lot"}, "Input tokens is not an amount"),
        ({"input_tokens": "", "output_tokens": ""}, "does not say that it is free"),
        ({"others": "images"}, "'images' is not a meter and its price"),
        ({"from_day": "tomorrow"}, "The day is none"),
        ({"from_day": "2000-01-01"}, "has passed"),
        ({"action": "set"}, "looks like a mistake"),
        ({"action": "set", "expected": "price_x"}, "has changed meanwhile"),
    ],
)
def test_what_cannot_be_set_is_told_in_its_place(send, world, model, fields, words):
    before = history(world)
    form = FORM | {"action": "preview", "expected": before[0].price_id} | fields
    answer = send(PATH, **form)
    assert answer.status_code == 422
    assert words in main_of(answer)
    assert history(world) == before


def test_a_file_is_looked_at_and_then_applied(browser, viewer, send, world, model):
    signer = Signer()
    with world.database.transaction() as tx:
        world.prices.files.add_key(
            tx, viewer, name="Ops", pem=signer.public_pem, publisher="", by="Ada"
        )
    content = price_file(entry(prices="{images: '3'}")).encode()
    key_id, signature = signer.sign(content)
    signed = json.dumps(
        {"key_id": key_id, "signature": base64.b64encode(signature).decode()}
    ).encode()
    looked = browser.post(
        "/prices/file",
        data={"csrf_token": viewer.csrf_token},
        files={"file": ("p.yaml", content), "signature": ("p.yaml.sig", signed)},
    )
    assert "What it would do" in main_of(looked)
    before = len(history(world))
    applied = send(
        "/prices/file/apply",
        content=base64.b64encode(content).decode(),
        signature=base64.b64encode(signed).decode(),
    )
    assert applied.headers["location"] == "/prices"
    assert len(history(world)) + len(_waiting(world, viewer)) == before + 1
    assert key_id[:16] in main_of(browser.get("/prices"))


def _waiting(world, viewer):
    with world.database.transaction() as tx:
        return world.prices.proposals.waiting(tx, viewer)


def test_a_file_that_is_refused_says_why(browser, viewer, world, model):
    signer = Signer()
    with world.database.transaction() as tx:
        world.prices.files.add_key(
            tx, viewer, name="Ops", pem=signer.public_pem, publisher="", by="Ada"
        )
    content = price_file(entry("tw/none")).encode()
    key_id, signature = signer.sign(content)
    signed = json.dumps(
        {"key_id": key_id, "signature": base64.b64encode(signature).decode()}
    ).encode()

    def post(file, signature):
        return browser.post(
            "/prices/file",
            data={"csrf_token": viewer.csrf_token},
            files={"file": ("p", file), "signature": ("s", signature)},
        )

    assert "there is no model 'tw/none'" in main_of(post(content, signed))
    assert "not of this file" in main_of(post(content + b"\n", signed))
    assert "is not readable" in main_of(post(content, b"{}"))
    assert "longer than 40 KiB" in main_of(post(b"#" * 41_000, signed))


def test_a_model_that_is_not_there_is_no_page(browser):
    assert browser.get("/prices/models/tw/none").status_code == 404


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
@pytest.mark.parametrize("path", ["/prices", "/prices/file", PATH])
def test_others_do_not_see_the_book(browser_of, role, path):
    assert browser_of(role).get(path).status_code == 403


def test_home_is_loud_about_models_without_a_price(browser, world, signed_in):
    assert "without a price" not in browser.get("/").text
    now = datetime.now(UTC)
    with world.database.transaction() as tx:
        tx.execute(price_alarm.insert().values(day=now.date(), model=MODEL, told_at=now))
    assert "1 model was called without a price" in main_of(browser.get("/"))
