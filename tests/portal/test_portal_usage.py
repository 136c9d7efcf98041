"""The usage page shows what the roll-up holds, to the nano."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

from starlette.testclient import TestClient

from tradewind.features.accounts.schemas import SignedIn
from tradewind.features.catalog.builtin import BUILTIN_MODELS
from tradewind.testing.portal_world import CHAT_MODEL, EMBEDDING_MODEL, PortalWorld


def test_the_sums_the_table_and_the_chart_agree(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    world.add_usage(signed_in.viewer, cost_nanos=1_000_000_001)
    world.add_usage(
        signed_in.viewer, model=EMBEDDING_MODEL.name, cost_nanos=234_000_000, requests=5
    )

    text = browser.get("/usage").text

    assert "$1.234000001" in text, "the exact sum is on hover"
    assert "$1.23<" in text
    assert 'data-value="1000000001"' in text
    assert 'data-value="234000000"' in text
    chart, models, binding = 1 + 120, 1 + 2, 3
    assert text.count("<tr>") == chart + models + binding


def test_the_filters_live_in_the_address(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    world.add_usage(signed_in.viewer)

    text = browser.get("/usage?range=7d&by=key&show=requests").text

    assert 'href="/usage?range=7d&amp;by=key" ' in text or (
        'href="/usage?range=7d&amp;by=key"' in text
    )
    assert 'href="/usage?range=24h&amp;by=key&amp;show=requests"' in text
    assert "Requests by API key" in text
    assert "Earlier short-lived keys" in text


def test_amounts_of_two_currencies_are_shown_apart(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    world.add_usage(signed_in.viewer, cost_nanos=2_000_000_000, requests=20)
    world.add_usage(
        signed_in.viewer, cost_nanos=3_000_000_000, currency="EUR", price_id="price_euro"
    )

    text = browser.get("/usage").text
    assert "$2.00" in text
    assert "€3.00" in text
    assert not re.search(r"[$€]5\.00", text)
    assert "in USD" in text
    assert "in EUR" in browser.get("/usage?currency=EUR").text


def test_the_export_is_exact_and_harmless_in_a_spreadsheet(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    key_id = world.add_key(signed_in.viewer, "=HYPERLINK(1)")
    world.add_usage(signed_in.viewer, key_id=key_id, cost_nanos=155_001)

    answer = browser.get("/usage.csv?range=24h")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["cost"] == "0.000155001"
    assert row["currency"] == "USD"
    assert row["model"] == CHAT_MODEL.name
    assert row["key_name"] == "'=HYPERLINK(1)"
    assert row["requests"] == "10"


def test_usage_past_the_range_is_left_out(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    world.add_usage(signed_in.viewer, hour=hour - timedelta(days=3))

    assert "No usage in this range" in browser.get("/usage?range=24h").text
    assert "No usage in this range" not in browser.get("/usage?range=7d").text


def test_the_model_page_shows_its_own_usage(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    with world.database.transaction() as tx:
        for entry in BUILTIN_MODELS:
            world.catalog.add_builtin(tx, entry)
    world.add_usage(signed_in.viewer, requests=4321)

    assert "4,321" in browser.get(f"/models/{CHAT_MODEL.name}").text
    other = browser.get(f"/models/{EMBEDDING_MODEL.name}").text
    assert "4,321" not in other
    assert "Nobody called this model yet" in other
