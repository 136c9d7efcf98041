"""The usage page shows what the roll-up holds, to the nano."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

from starlette.testclient import TestClient

from tradewind.features.accounts.schemas import SignedIn
from tradewind.features.catalog.builtin import BUILTIN_MODELS
from tradewind.testing.logged_calls import OWN_ATTEMPT, ended_call
from tradewind.testing.portal_world import CHAT_MODEL, EMBEDDING_MODEL, PortalWorld
from tradewind.usage.event import Trail


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


def test_any_days_are_shown_and_kept_in_every_link(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    hour = datetime(2026, 3, 2, 5, tzinfo=UTC)
    world.add_usage(signed_in.viewer, hour=hour, cost_nanos=1_000_000_001)

    text = browser.get("/usage?from=2026-03-01&to=2026-03-31").text

    assert "One-day buckets" in text
    assert 'data-value="1000000001"' in text
    assert 'href="/usage?from=2026-03-01&amp;to=2026-03-31&amp;by=project"' in text
    assert 'href="/usage.json?from=2026-03-01&amp;to=2026-03-31"' in text
    assert browser.get("/usage?from=2026-03-01").status_code == 422
    assert browser.get("/usage?from=2026-03-31&to=2026-03-01").status_code == 422
    assert browser.get("/usage?range=90d&step=hour").status_code == 422


def test_usage_is_narrowed_and_the_list_of_requests_with_it(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    project = signed_in.viewer.project_id
    world.add_usage(signed_in.viewer)
    world.add_usage(signed_in.viewer, model=EMBEDDING_MODEL.name)

    text = browser.get(f"/usage?range=7d&by=model&project={project}").text

    assert f"/requests?since=7d&amp;project={project}&amp;model=" in text
    assert signed_in.viewer.project_name in text
    assert "only this" in text
    alone = browser.get(f"/usage?model={EMBEDDING_MODEL.name}").text
    assert "Model: <b>" in alone
    assert EMBEDDING_MODEL.name in alone
    assert CHAT_MODEL.name not in alone.split("<main", 1)[1].split("usage-binding")[0]


def test_regions_and_tags_say_where_they_are_read_from(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    assert "No call had a tag lately" in browser.get("/usage?by=tag").text
    trail = Trail("openai", "small", (OWN_ATTEMPT,), tags={"team": "<red>"})
    world.add_calls(
        signed_in.viewer, ended_call(trail=trail, region="eu-central", cost_nanos=5_000_000_000)
    )
    world.add_usage(signed_in.viewer, model="tw/only-in-sums", requests=3)

    tags = browser.get("/usage?by=tag").text
    assert "Spend by tag team" in tags
    assert "&lt;red&gt;" in tags
    assert "3 calls of this time are kept in sums alone" in tags
    assert "/requests?q=%3Cred%3E" in tags
    regions = browser.get("/usage?by=region").text
    assert "eu-central" in regions
    assert "read from single calls" in regions
    answer = browser.get("/usage.csv?by=region&range=24h")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["region"], row["cost"]) == ("eu-central", "5")


def test_the_month_is_foretold_with_its_method(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    yesterday = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    world.add_usage(signed_in.viewer, hour=yesterday, cost_nanos=1_000_000_000)

    text = browser.get("/usage").text

    assert "expected by the end of" in text
    assert "the mean of the 1 whole day since the first use" in text


def test_the_same_rows_come_as_json(browser: TestClient, world: PortalWorld, signed_in: SignedIn):
    world.add_usage(signed_in.viewer, cost_nanos=155_001)

    answer = browser.get("/usage.json?range=24h")

    assert answer.headers["content-type"] == "application/json"
    [row] = answer.json()["rows"]
    assert (row["cost"], row["requests"]) == ("0.000155001", 10)
    assert row["project_name"] == signed_in.viewer.project_name
