"""The catalog in both themes, wide and narrow: axe finds nothing, and the keyboard is enough to
filter, to open a model and to compare.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from sqlalchemy import insert

from tradewind.core.ids import ModelId, OfferId
from tradewind.features.catalog.schemas import NewVersion
from tradewind.features.catalog.tables import model, offer, publisher
from tradewind.readmodels.offer_stats.roll_up import sum_hour
from tradewind.testing.logged_calls import ended_call
from tradewind.testing.portal_browser import NARROW, WIDE, Tab
from tradewind.testing.portal_world import PortalWorld
from tradewind.usage.event import Attempt, Outcome, Trail, Usage, UsageSource

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

LONG = "a-name-that-is-much-longer-than-anybody-would-ever-need-to-read-in-a-table"
NOW = datetime.now(UTC)
PUBLISHERS = ("kestrel", "palisade", LONG[:60])


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def fill(world: PortalWorld, models: int = 30) -> None:
    """Add models of every kind, with offers, by three publishers."""
    kinds = ("chat", "embeddings", "images", None)
    lives = ("ga", "ga", "preview", "legacy", "deprecated", "retired")
    with world.database.transaction() as tx:
        for name in PUBLISHERS:
            tx.execute(insert(publisher).values(slug=name, name=name.title(), created_at=NOW))
        for number in range(models):
            life = lives[number % len(lives)]
            row: dict[str, Any] = {
                "id": ModelId.new(),
                "publisher_slug": PUBLISHERS[number % 3],
                "slug": f"wind-{number:02}",
                "display_name": f"Wind {number:02}" if number % 7 else f"{LONG} {number}",
                "description": "Thinks before it answers. " * (number % 4),
                "licence": ("MIT", "LicenseRef-Llama-3.3", "")[number % 3],
                "operation": kinds[number % 4],
                "context_tokens": (8_192, 128_000, None)[number % 3],
                "is_gated": number == 9,
                "card": "# About\n\nA model.\n\n- one\n- two" if number == 0 else "",
                "knowledge": "2026-03",
                "capabilities": ["tools", "reasoning", "structured_output"][: number % 4],
                "input_modalities": ["text", "image"],
                "output_modalities": ["text"],
                "lifecycle": life,
                "retires_on": date(2031, 1, 1) if life in {"deprecated", "retired"} else None,
                "replacement": "kestrel/wind-00" if life == "deprecated" else "",
                "origin": "synced",
                "created_at": NOW,
            }
            tx.execute(insert(model).values(row))
            for host in ("groq", "openai", "azure", "nobody-knows")[: number % 5]:
                tx.execute(
                    insert(offer).values(
                        id=OfferId.new(),
                        model_id=row["id"],
                        host=host,
                        upstream_model=f"{LONG}-{number}",
                        input_nanos=(number + 1) * 10_000_000,
                        output_nanos=None if number % 5 == 4 else number * 30_000_000,
                        meters={"images": 40_000_000_000_000} if number % 4 == 2 else {},
                        status=("active", "beta", "deprecated")[number % 3],
                        source="models_dev",
                        observed_on=NOW.date(),
                        first_seen_at=NOW,
                        changed_at=NOW,
                    )
                )
        found = world.catalog.find_model(tx, "kestrel/wind-00")
        assert found is not None
        world.catalog.add_version(tx, found.model_id, NewVersion("v1", "artifact:a", "ab" * 32))


def measure(world: PortalWorld, viewer: Any) -> None:
    """Have calls answered at a host of one of the models."""
    attempt = Attempt("t", "groq", "only target", 200, "", 2_000_000)
    world.add_calls(
        viewer,
        ended_call(
            NOW,
            trail=Trail("openai", "x", (attempt,)),
            model="kestrel/wind-03",
            is_stream=True,
            outcome=Outcome.COMPLETED,
            usage=Usage(400, 0, 180, UsageSource.UPSTREAM),
            first_token_us=200_000,
            duration_us=2_000_000,
        ),
    )
    with world.database.transaction() as tx:
        for hours in (0, 1):
            sum_hour(tx, NOW - timedelta(hours=hours))


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


PAGES = {
    "cards": "/models",
    "filtered": "/models?task=chat&publisher=kestrel&q=wind&sort=price",
    "table": "/models?view=table&sort=newest",
    "basket": "/models?view=cards&m=kestrel/wind-00&m=palisade/wind-01",
    "nothing": "/models?q=zzzzzzzz",
    "strange": "/models?sort=nothing&nothing=1",
    "typing error": "/models?q=wimd",
    "model": "/models/kestrel/wind-03",
    "versions": "/models/kestrel/wind-00",
    "gated": "/models/kestrel/wind-09",
    "ending": "/models/palisade/wind-04",
    "own": "/models/tw/small",
    "compared": "/compare?m=kestrel/wind-00&m=palisade/wind-01&m=tw/small&m=no/such",
    "one": "/compare?m=kestrel/wind-00",
    "none": "/compare",
    "typed": "/compare?m=kestrel/wind-00&m=kestrel/wind-12&chat_in=9&chat_out=9",
    "fitting": "/models?fits=yes&task=chat",
    "views": "/views",
    "save": "/views/new?q=wind&task=chat&fits=yes",
}


def test_full_pages(*, portal, open_tab, signed_in, theme, viewport):
    world, viewer = portal.world, signed_in.viewer
    fill(world)
    world.deploy("small")
    measure(world, viewer)
    world.add_usage(viewer)
    with world.database.transaction() as tx:
        for name, is_shared in (("Cheap chat", False), (f"{LONG}"[:80], True)):
            world.services.saved_views.save(
                tx, viewer, viewer.user_id, name, "task=chat", is_shared=is_shared
            )
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    problems = {}
    for name, path in PAGES.items():
        tab.open(path)
        if found := look(tab):
            problems[name] = found

    assert problems == {}
    assert tab.complaints == []


def test_empty_pages(*, portal, open_tab, signed_in, theme, viewport):
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)

    tab.open("/models")
    tab.page.get_by_text("The catalog is empty").wait_for()

    assert look(tab) == []


def tab_to(page: Page, is_there: str) -> None:
    """Press Tab until this is true of the element that has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(f"((it) => {is_there})(document.activeElement)"):
            return
    raise AssertionError(f"the keyboard does not come to where {is_there}")


def test_the_keyboard_filters_opens_and_compares(portal, tab):
    fill(portal.world)
    page = tab.open("/models")

    # `/` goes to the search, and the list follows what is typed.
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("wind")
    page.wait_for_url("**/models?q=wind")

    # A box is chosen with the space bar, keeps the focus, and the counts follow.
    tab_to(page, "it.name === 'publisher' && it.value === 'kestrel'")
    page.keyboard.press("Space")
    page.wait_for_url("**/models?q=wind&publisher=kestrel")
    expect(page.locator("#model-count")).to_have_text("10 models")
    expect(page.locator("#facet-publisher-kestrel")).to_be_focused()
    expect(page.locator("#facet-publisher-kestrel")).to_be_checked()

    # Two are put aside, and the basket follows.
    tab_to(page, "it.name === 'm'")
    page.keyboard.press("Space")
    expect(page.get_by_text("1 of 4")).to_be_visible()
    tab_to(page, "it.name === 'm' && !it.checked")
    page.keyboard.press("Space")
    expect(page.get_by_text("2 of 4")).to_be_visible()

    tab_to(page, "it.matches('.basket .button')")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Compare").wait_for()
    expect(page.get_by_text("What differs")).to_be_visible()

    tab_to(page, "it.matches('.compare-head a')")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Use it").wait_for()


def wait_until_it_stands(page: Page) -> float:
    """Return how far the models are scrolled, in px, once that has not changed for 300 ms.

    Scrolling may be animated, and may begin some frames after the key. The page's own policy
    forbids what waits by evaluating text.
    """
    return page.evaluate(
        "() => new Promise((done) => {"
        " const region = document.querySelector('.compare-scroll');"
        " let left = region.scrollLeft, since = performance.now();"
        " const look = () => {"
        "  const now = performance.now();"
        "  if (region.scrollLeft !== left) { left = region.scrollLeft; since = now; }"
        "  if (now - since > 300) { done(left); } else { requestAnimationFrame(look); }"
        " };"
        " look(); })"
    )


def test_names_of_facts_stay_while_models_are_scrolled_past_them(portal, open_tab, signed_in):
    fill(portal.world)
    tab = open_tab(session_token=signed_in.session_token, viewport=NARROW)
    names = "&".join(f"m=kestrel/wind-{number:02}" for number in (0, 3, 12, 15))
    page = tab.open(f"/compare?{names}")
    label = page.get_by_role("rowheader", name="Publisher")
    before = label.bounding_box()
    assert before is not None

    # By keyboard: the region itself scrolls, and a link in it comes out from under the names.
    page.locator(".compare-scroll").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert wait_until_it_stands(page) > 100
    after = label.bounding_box()
    assert after is not None
    assert abs(after["x"] - before["x"]) < 2

    page.locator(".compare-head a").first.focus()
    for _ in range(6):
        page.keyboard.press("Tab")
    for _ in range(4):
        page.keyboard.press("Shift+Tab")
    wait_until_it_stands(page)
    link = page.evaluate("document.activeElement.getBoundingClientRect().left")
    edge = page.evaluate(
        "document.querySelector('.compare-table tbody tr:not(.tier-row) th')"
        ".getBoundingClientRect().right"
    )
    assert link >= edge - 1
    assert tab.overflow_px == 0


def test_the_keyboard_keeps_a_view_and_asks_for_what_works(portal, tab):
    fill(portal.world)
    page = tab.open("/models?task=chat")

    tab_to(page, "it.name === 'fits'")
    page.keyboard.press("Space")
    page.wait_for_url("**/models?task=chat&fits=yes")
    expect(page.locator("#fit-told")).to_contain_text("allows every region")
    expect(page.locator("#fits")).to_be_focused()

    tab_to(page, "it.textContent.trim() === 'Save this view'")
    page.keyboard.press("Enter")
    expect(page.locator("#view-name")).to_be_focused()
    page.keyboard.type("What works")
    page.keyboard.press("Enter")
    page.wait_for_url("**/models?task=chat&fits=yes")
    expect(page.locator(".saved-views .chip-on")).to_have_text("What works")

    page.locator("#fits").uncheck()
    page.wait_for_url("**/models?task=chat")
    expect(page.locator(".saved-views .chip-on")).to_have_count(0)
    page.get_by_role("link", name="What works").click()
    page.wait_for_url("**/models?task=chat&fits=yes")


def test_a_fold_stays_as_it_was_left(portal, tab):
    fill(portal.world)
    page = tab.open("/models")
    page.locator("#facet-context > summary").click()
    page.locator("#facet-task > summary").click()

    page.locator("#sort").select_option("name")
    page.wait_for_url("**/models?sort=name")
    page.locator("#live:not(.htmx-request)").wait_for()

    expect(page.locator("#facet-context")).to_have_attribute("open", "")
    expect(page.locator("#facet-task")).not_to_have_attribute("open", "")


def test_without_a_script_the_same_form_finds_the_same(portal, chromium, signed_in):
    fill(portal.world)
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies(
        [{"name": "tradewind_session", "value": signed_in.session_token, "url": portal.url}]
    )
    page = context.new_page()
    page.goto(f"{portal.url}/models")

    page.locator("#q").fill("wind")
    page.locator("#facet-publisher-kestrel").check()
    page.get_by_text("Table", exact=True).click()
    page.get_by_role("button", name="Apply", exact=True).click()

    expect(page.locator("#model-count")).to_have_text("10 models")
    expect(page.locator(".catalog-table")).to_be_visible()
    context.close()


def test_a_list_that_cannot_be_loaded_says_so(portal, open_tab, signed_in):
    fill(portal.world)
    tab = open_tab(session_token=signed_in.session_token)
    page = tab.open("/models")
    page.context.clear_cookies()

    page.locator("#sort").select_option("name")

    page.get_by_role("heading", name="Sign in").wait_for()


def test_first_paint_with_real_content(portal, tab, capsys):
    """The figure is printed, not judged: machines differ."""
    fill(portal.world, models=200)
    tab.open("/models")
    page = tab.open("/models")
    page.locator(".model-card").first.wait_for()
    page.wait_for_function("performance.getEntriesByType('paint').length > 0")

    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")

    with capsys.disabled():
        print(f"\ncatalog: first contentful paint after {painted:.0f} ms")
    assert painted > 0
