"""The catalog, a model's page and the comparison: full, empty, forbidden, public, hostile."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from tradewind.core.ids import ModelId, OfferId
from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn
from tradewind.features.catalog.schemas import NewVersion, Visibility
from tradewind.features.catalog.tables import model, offer, publisher
from tradewind.features.providers.hosts import known_hosts
from tradewind.portal import formats
from tradewind.portal.app import create_portal
from tradewind.readmodels.catalog_search.ranking import RANKING_RULE
from tradewind.readmodels.models import get_model
from tradewind.readmodels.offer_stats.roll_up import sum_hour
from tradewind.testing.logged_calls import ended_call
from tradewind.testing.portal_world import PortalWorld
from tradewind.usage.event import Attempt, Outcome, Trail, Usage, UsageSource

HOSTILE = '<script>alert("x")</script>'
NOW = datetime.now(UTC)


@pytest.fixture
def world(world: PortalWorld) -> PortalWorld:
    """What is served is told by the database, as on a real platform."""
    world.services = replace(world.services, get_model=get_model)
    world.app = create_portal(world.services)
    return world


def add_model(world: PortalWorld, name: str = "kestrel/sirocco", **values: Any) -> ModelId:
    """Add a chat model that only a list tells of."""
    owner, _, slug = name.partition("/")
    model_id = ModelId.new()
    row: dict[str, Any] = {
        "id": model_id,
        "publisher_slug": owner,
        "slug": slug,
        "display_name": slug.title(),
        "description": "",
        "licence": "MIT",
        "operation": "chat",
        "context_tokens": 128_000,
        "origin": "synced",
        "created_at": NOW,
    }
    with world.database.transaction() as tx:
        if world.catalog.find_publisher(tx, owner) is None:
            tx.execute(insert(publisher).values(slug=owner, name=owner.title(), created_at=NOW))
        tx.execute(insert(model).values(row | values))
    return model_id


def add_offer(world: PortalWorld, model_id: str, host: str = "groq", **values: Any) -> None:
    row: dict[str, Any] = {
        "id": OfferId.new(),
        "model_id": model_id,
        "host": host,
        "upstream_model": "sirocco-1",
        "input_nanos": 500_000_000,
        "output_nanos": 1_500_000_000,
        "context_tokens": 64_000,
        "status": "active",
        "source": "models_dev",
        "observed_on": NOW.date(),
        "first_seen_at": NOW,
        "changed_at": NOW,
    }
    with world.database.transaction() as tx:
        tx.execute(insert(offer).values(row | values))


def public(world: PortalWorld) -> TestClient:
    """Return the browser of somebody who is not signed in, where the catalog is public."""
    services = replace(world.services, catalog_is_public=True)
    return TestClient(create_portal(services), base_url=world.public_url, follow_redirects=False)


def main_of(text: str) -> str:
    return text.split("<main")[1]


def names_in(text: str) -> list[str]:
    return re.findall(r'<h2><a href="/models/([^"]+)"', text)


# --- the catalog ----------------------------------------------------------------------------


def test_an_empty_catalog_says_why_and_what_to_do(browser: TestClient):
    text = browser.get("/models").text

    assert "The catalog is empty" in text
    assert 'href="/providers/new"' in text


def test_models_of_every_kind_are_listed_whoever_serves_them(
    browser: TestClient, world: PortalWorld
):
    add_offer(world, add_model(world))
    add_model(world, "kestrel/mistral-wind", operation=None, lifecycle="preview")
    world.deploy("small")

    text = browser.get("/models").text

    assert set(names_in(text)) == {"kestrel/sirocco", "kestrel/mistral-wind", "tw/small"}
    assert "3 models" in text
    assert "$0.50" in text
    assert "Callable now" in text
    assert "Preview" in text


def test_facets_count_what_a_choice_would_leave(browser: TestClient, world: PortalWorld):
    add_model(world)
    add_model(world, "kestrel/embedder", operation="embeddings")
    add_model(world, "palisade/drift", licence="Apache-2.0")

    text = browser.get("/models?task=chat&publisher=kestrel").text

    assert names_in(text) == ["kestrel/sirocco"]
    assert re.search(r'name="publisher" value="palisade">.*?>1<', text, re.DOTALL)
    assert re.search(r'name="task" value="embeddings">.*?>1<', text, re.DOTALL)
    assert 'href="/models?publisher=kestrel"' in text, "the chip of the task takes it back"


def test_a_facet_that_would_not_split_is_left_out(browser: TestClient, world: PortalWorld):
    add_model(world)
    add_model(world, "kestrel/other")

    text = browser.get("/models").text

    assert 'id="facet-task"' not in text
    assert 'id="facet-publisher"' not in text


def test_a_search_corrects_what_nothing_matches(browser: TestClient, world: PortalWorld):
    add_model(world)

    text = browser.get("/models?q=siroco").text

    assert names_in(text) == ["kestrel/sirocco"]
    assert "No model matches" in browser.get("/models?q=zzzzzzzz").text


@pytest.mark.parametrize(
    ("sort", "first"), [("price", "kestrel/cheap"), ("context", "kestrel/long")]
)
def test_what_is_sorted_by_is_marked_on_the_card(
    browser: TestClient, world: PortalWorld, sort: str, first: str
):
    add_offer(world, add_model(world, "kestrel/cheap", context_tokens=8_192), input_nanos=1)
    add_offer(world, add_model(world, "kestrel/long"), upstream_model="long")

    text = browser.get(f"/models?sort={sort}").text

    assert names_in(text)[0] == first
    assert 'class="is-sorted"' in text


def test_a_page_behind_the_last_shows_the_last(browser: TestClient, world: PortalWorld):
    for number in range(30):
        add_model(world, f"kestrel/m{number:02}")

    text = browser.get("/models?page=9&sort=name").text

    assert len(names_in(text)) == 6
    assert "Page 2 of 2" in text


def test_the_view_is_remembered(browser: TestClient, world: PortalWorld):
    add_model(world)

    assert "catalog-table" not in browser.get("/models").text
    assert "catalog-table" in browser.get("/models?view=table").text
    assert "catalog-table" in browser.get("/models").text
    assert "catalog-table" not in browser.get("/models?view=cards").text
    assert "catalog-table" not in browser.get("/models").text


def test_the_basket_stays_through_a_search_and_holds_four(browser: TestClient, world: PortalWorld):
    for number in range(5):
        add_model(world, f"kestrel/m{number}")
    chosen = "&".join(f"m=kestrel/m{number}" for number in range(4))

    text = browser.get(f"/models?q=m4&{chosen}").text

    assert names_in(text) == ["kestrel/m4"]
    assert text.count('<input type="hidden" name="m"') == 4
    assert re.search(r'value="kestrel/m4" disabled', text)
    assert 'href="/compare?m=kestrel%2Fm0&amp;m=kestrel%2Fm1' in text


def test_the_rule_of_the_order_is_published(browser: TestClient, world: PortalWorld):
    add_model(world)

    text = " ".join(browser.get("/models").text.split())

    assert RANKING_RULE.split(".", maxsplit=1)[0].strip() in text
    assert "play no part" in text


def test_the_form_answers_with_the_address_of_what_was_chosen(
    browser: TestClient, world: PortalWorld
):
    add_model(world)

    answer = browser.get("/models?q=&task=chat&sort=relevance&view=cards")

    assert answer.headers["hx-replace-url"] == "/models?task=chat"


# --- who may see what -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/models", "/models/kestrel/sirocco", "/compare"])
def test_nobody_reads_the_catalog_unless_an_administrator_chose_it(
    anonymous: TestClient, world: PortalWorld, path: str
):
    add_model(world)

    assert anonymous.get(path).headers["location"].startswith("/sign-in")
    answer = public(world).get(path)
    assert answer.status_code == 200
    assert "Sign in" in answer.text


def test_a_private_model_is_for_its_organization_alone(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    own = add_model(world, "kestrel/own")
    add_model(world)
    with world.database.transaction() as tx:
        world.catalog.set_visibility(tx, own, Visibility.PRIVATE, signed_in.viewer.organization_id)

    assert "kestrel/own" in names_in(browser.get("/models").text)
    assert browser.get("/models/kestrel/own").status_code == 200
    stranger = public(world)
    assert names_in(stranger.get("/models").text) == ["kestrel/sirocco"]
    assert stranger.get("/models/kestrel/own").status_code == 404
    assert "There is no model" in stranger.get("/compare?m=kestrel/own").text


def test_offers_at_an_account_of_ones_own_are_nobody_elses_business(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    model_id = add_model(world)
    connection = world.connect(
        signed_in.viewer, base_url="https://llm.example.org/v1", name="Basement", is_shared=False
    )
    add_offer(world, model_id, connection.id, upstream_model="secret-deal")

    assert "secret-deal" in browser.get("/models/kestrel/sirocco").text
    assert "secret-deal" not in public(world).get("/models/kestrel/sirocco").text


def test_the_public_sees_no_usage_and_no_way_to_change_anything(
    world: PortalWorld, signed_in: SignedIn
):
    add_offer(world, add_model(world, is_gated=True))
    world.add_usage(signed_in.viewer)

    text = public(world).get("/models/kestrel/sirocco").text

    assert "<form" not in text
    assert "Your usage" not in text
    assert "/providers/connect" not in text
    assert "Sign in to call" in text


def test_a_viewer_is_told_who_can_connect(
    browser_of: Callable[[Role], TestClient], world: PortalWorld
):
    add_offer(world, add_model(world))

    text = browser_of(Role.VIEWER).get("/models/kestrel/sirocco").text

    assert "Ask an administrator to connect" in text
    assert "/providers/connect" not in text


# --- a model --------------------------------------------------------------------------------


def test_a_model_that_nothing_answers_for_says_what_it_takes(
    browser: TestClient, world: PortalWorld
):
    add_offer(world, add_model(world))

    text = browser.get("/models/kestrel/sirocco").text

    assert "Nothing here answers for this model yet" in text
    assert re.search(r'href="/models/kestrel/sirocco/call\?offer=off_[0-9a-z]+"', text)
    assert "Call through Groq" in text
    assert "curl " not in main_of(text), "a sample that cannot run is no sample"
    assert "Groq" in text
    assert "models.dev" in text


def test_a_model_at_a_connected_host_is_one_step_from_a_call(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    add_offer(world, add_model(world))
    world.connect(signed_in.viewer)

    text = browser.get("/models/kestrel/sirocco").text

    assert re.search(r'href="/models/kestrel/sirocco/call\?offer=off_[0-9a-z]+"', text)


def test_a_model_that_is_called_shows_programs_that_run(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    connection = world.connect(signed_in.viewer)
    hosted = next(one for one in known_hosts()["groq"].models if one.id == "llama-3.1-8b-instant")
    world.add_hosted(signed_in.viewer, connection, hosted.id)
    with world.database.transaction() as tx:
        [row] = world.endpoints.list_endpoints(tx, signed_in.viewer)
        found = world.catalog.find_model(tx, row.name)
    assert found is not None
    add_offer(world, found.model_id, upstream_model=hosted.id)

    text = browser.get(f"/models/{row.name}").text

    assert f"{world.public_url}/v1/chat/completions" in text
    assert row.name in text
    assert "Callable</span>" in text


def test_a_deprecation_ahead_is_said_with_both_days(browser: TestClient, world: PortalWorld):
    day, last = NOW.date() + timedelta(days=10), NOW.date() + timedelta(days=100)
    add_model(world, lifecycle="legacy", deprecates_on=day, retires_on=last)

    text = main_of(browser.get("/models/kestrel/sirocco").text)

    assert "This model will be deprecated on" in text
    assert f"on {formats.day(day)}" in text
    assert f"on {formats.day(last)}" in text
    assert 'href="/calendar"' in text


def test_own_weights_say_that_no_run_stands_behind_them(browser: TestClient, world: PortalWorld):
    world.deploy("small", ready=0)
    assert "no run stands behind it" in browser.get("/models/tw/small").text


def test_own_weights_can_be_deployed_from_the_page(browser: TestClient, world: PortalWorld):
    world.deploy("small", ready=0)

    text = browser.get("/models/tw/small").text

    assert 'href="/deployments/new?model=tw%2Fsmall"' in text
    assert "This platform" in text


def test_what_was_measured_is_shown_with_its_host(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    add_offer(world, add_model(world))
    calls = [
        ended_call(
            NOW - timedelta(minutes=minute),
            trail=Trail("openai", "x", (Attempt("t", "groq", "only", 200, failure, 2_000_000),)),
            model="kestrel/sirocco",
            is_stream=True,
            outcome=Outcome.FAILED if failure else Outcome.COMPLETED,
            usage=Usage(400, 0, 180, UsageSource.UPSTREAM),
            first_token_us=None if failure else 200_000,
            duration_us=2_000_000,
        )
        for minute, failure in enumerate(["", "", "", "failed"])
    ]
    world.add_calls(signed_in.viewer, *calls)
    with world.database.transaction() as tx:
        for hours in (0, 1):
            sum_hour(tx, NOW - timedelta(hours=hours))

    text = browser.get("/models/kestrel/sirocco").text

    assert re.search(r"(19\d|20\d|21\d)\u00a0ms / (19\d|20\d|21\d)\u00a0ms", text)
    assert "25.00%" in text, "one of four failed"
    assert "75.00%" in text, "three minutes of four"
    assert re.search(r"(19\d|20\d|21\d)\u00a0ms", browser.get("/models").text)


def test_the_average_chat_is_priced_at_every_offer(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    add_offer(world, add_model(world))
    world.add_usage(signed_in.viewer, requests=10, failed=0, cached_input_tokens=0)

    text = browser.get("/models/kestrel/sirocco").text

    # 400 in at 0.50 and 150 out at 1.50 for a million, a thousand times.
    assert "$0.4250" in text
    assert "400 tokens in" in text


def test_a_gated_model_is_accepted_once_and_by_whoever_may(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    add_model(world, is_gated=True, licence="LicenseRef-Llama-3.3")
    before = browser.get("/models/kestrel/sirocco").text
    assert "Its licence has to be accepted first" in before

    answer = browser.post(
        "/models/kestrel/sirocco/licence",
        data={"csrf_token": signed_in.viewer.csrf_token, "licence": "LicenseRef-Llama-3.3"},
    )

    assert answer.headers["location"] == "/models/kestrel/sirocco#licence"
    after = browser.get("/models/kestrel/sirocco").text
    assert "Its licence has to be accepted first" not in after
    assert "Your organization has accepted it" in after


def test_another_licence_than_the_one_that_was_read_is_not_accepted(
    browser: TestClient, world: PortalWorld, signed_in: SignedIn
):
    add_model(world, is_gated=True)

    answer = browser.post(
        "/models/kestrel/sirocco/licence",
        data={"csrf_token": signed_in.viewer.csrf_token, "licence": "Apache-2.0"},
    )

    assert answer.status_code == 409
    assert "MIT" in answer.text
    assert browser.post("/models/kestrel/sirocco/licence").status_code == 403, "no token"


def test_whoever_may_not_accept_is_told_who_may(
    browser_of: Callable[[Role], TestClient], world: PortalWorld
):
    add_model(world, is_gated=True)

    text = browser_of(Role.DEVELOPER).get("/models/kestrel/sirocco").text

    assert "An administrator of your organization can accept it" in text
    assert "/licence" not in main_of(text)


def test_versions_show_their_digests(browser: TestClient, world: PortalWorld):
    model_id = add_model(world)
    with world.database.transaction() as tx:
        world.catalog.add_version(
            tx,
            model_id,
            NewVersion("v1", "artifact:x", "ab" * 32, is_sealed=True, size_bytes=4_900_000_000),
        )

    text = browser.get("/models/kestrel/sirocco").text

    assert f"sha256:{'ab' * 32}" in text
    assert "Sealed" in text
    assert "4.9\u00a0GB" in text


def test_a_model_that_ends_says_when_and_what_to_take_instead(
    browser: TestClient, world: PortalWorld
):
    add_model(world, "kestrel/next")
    add_model(
        world,
        lifecycle="deprecated",
        retires_on=datetime(2031, 3, 1, tzinfo=UTC).date(),
        replacement="kestrel/next",
    )

    text = browser.get("/models/kestrel/sirocco").text

    assert "This model ends on 1 Mar 2031" in text
    assert 'href="/models/kestrel/next"' in text


def test_an_alias_leads_to_the_one_address(browser: TestClient, world: PortalWorld):
    model_id = add_model(world)
    with world.database.transaction() as tx:
        world.catalog.set_alias(tx, "old/name", model_id)

    answer = browser.get("/models/old/name")

    assert (answer.status_code, answer.headers["location"]) == (308, "/models/kestrel/sirocco")


def test_an_offer_that_vanished_is_counted_and_not_shown(browser: TestClient, world: PortalWorld):
    add_offer(world, add_model(world), status="vanished", upstream_model="gone-1")

    text = browser.get("/models/kestrel/sirocco").text

    assert "gone-1" not in text
    assert "1 that were there have gone" in text


# --- comparing ------------------------------------------------------------------------------


def test_nothing_to_compare_says_how_to_choose(browser: TestClient):
    assert "Nothing to compare yet" in browser.get("/compare").text


def test_what_differs_comes_first_and_the_best_is_said_in_words(
    browser: TestClient, world: PortalWorld
):
    add_offer(world, add_model(world))
    add_offer(
        world,
        add_model(world, "palisade/drift", context_tokens=8_192),
        upstream_model="drift",
        input_nanos=100_000_000,
    )

    text = main_of(browser.get("/compare?m=kestrel/sirocco&m=palisade/drift&m=no/such").text)

    assert text.index("What differs") < text.index("Context") < text.index("The same for all")
    assert re.search(r"\$0\.10 <span class=\"best\">.*?lowest</span>", text)
    assert re.search(r"128,000 tokens <span class=\"best\">.*?longest</span>", text)
    assert "There is no model “no/such”" in text
    assert 'href="/compare?m=palisade%2Fdrift"' in text, "the address without the first"


def test_one_model_asks_for_another(browser: TestClient, world: PortalWorld):
    add_model(world)

    assert "Add another" in browser.get("/compare?m=kestrel/sirocco").text


# --- hostile --------------------------------------------------------------------------------


def test_texts_of_models_never_become_markup(browser: TestClient, world: PortalWorld):
    model_id = add_model(
        world,
        display_name=HOSTILE,
        description=HOSTILE,
        licence=HOSTILE,
        licence_url='javascript:alert("x")',
        family=HOSTILE,
        card=HOSTILE,
        knowledge=HOSTILE,
        is_gated=True,
        input_modalities=[HOSTILE],
        capabilities=[HOSTILE],
        replacement=HOSTILE,
    )
    add_offer(
        world, model_id, HOSTILE, upstream_model=HOSTILE, region=HOSTILE, variant=HOSTILE,
        source=HOSTILE, meters={HOSTILE: 1},
    )  # fmt: skip
    with world.database.transaction() as tx:
        tx.execute(update(publisher).values(name=HOSTILE))

    for path in (
        "/models",
        "/models?view=table",
        "/models?m=kestrel/sirocco",
        "/models/kestrel/sirocco",
        "/compare?m=kestrel/sirocco",
    ):
        text = browser.get(path).text
        assert "<script>" not in text
        assert "javascript:" not in text
        assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    "query",
    [
        f"q={HOSTILE}",
        f"task={HOSTILE}",
        f"{HOSTILE}=1",
        f"m=a/{HOSTILE}",
        "page=99999999999&per_page=-1&sort=%00",
        "q=%00%ff" + "x" * 5000,
        "&".join(f"publisher=p{number}" for number in range(80)),
    ],
)
def test_any_address_is_a_page(browser: TestClient, world: PortalWorld, query: str):
    add_model(world)

    for path in (f"/models?{query}", f"/compare?{query}"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "<script>" not in answer.text
