"""A person's first minutes: sign in, ask, watch the answer come, stop one, run the sample."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import openai
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.running_platform import RunningPlatform, running_platform
from tradewind.testing.portal_browser import (
    NARROW,
    PATIENCE_MS,
    WIDE,
    Keys,
    Playground,
    SignIn,
    Tab,
    launch_chromium,
    new_tab,
)

pytestmark = [pytest.mark.platform, pytest.mark.timeout(600), pytest.mark.enable_socket]

_SEVERAL_WORDS = re.compile(r"\w+ \w+ \w+")
_PAGES = ("/", "/models", "/models/huggingfacetb/smollm2-135m-instruct", "/playground", "/keys")


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningPlatform]:
    """One that nobody has signed in to: the printed link opens once, and for its first person."""
    with running_platform() as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()


def test_from_the_printed_link_to_a_sample_that_runs(
    chromium: Browser, platform: RunningPlatform
) -> None:
    with new_tab(chromium, platform.light["portal_url"]) as tab:
        SignIn(tab.page).with_link(platform.light["sign_in_url"])
        SignIn(tab.page).set_up(
            name="Ada", email="ada@example.org", password="a long enough password"
        )
        expect(tab.page.get_by_role("heading", name="Home", level=1)).to_be_visible()

        watch_an_answer_and_stop_another(tab)
        key = run_the_python_sample(tab)
        see_the_cost_on_the_usage_page(tab)
        revoke_and_be_refused(tab, platform, key)
        assert tab.complaints == []

        (session,) = [
            cookie.get("value")
            for cookie in tab.page.context.cookies()
            if cookie.get("name") == "tradewind_session"
        ]
    for theme in ("light", "dark"):
        check_every_page(chromium, platform, session, theme)


def watch_an_answer_and_stop_another(tab: Tab) -> None:
    playground = Playground(tab.open("/playground"))
    playground.ask("Explain what a trade wind is.")
    # Several words, and the answer is not at its end: they came as a stream.
    playground.answer.filter(has_text=_SEVERAL_WORDS).wait_for()
    playground.wait_until_idle()
    meter = playground.meter.inner_text()
    assert re.search(r"TTFT \d+ ms", meter), meter
    assert re.search(r"Out \d+", meter), meter
    assert "Cost $0.0000" in meter

    playground.ask("Write a very long story about the sea and all who sail it.")
    playground.answer.filter(has_text=_SEVERAL_WORDS).wait_for()
    playground.stop()
    playground.wait_until_idle()
    expect(tab.page.locator(".message-answer").last).to_contain_text("topped")
    assert _SEVERAL_WORDS.search(playground.answer.inner_text()), "what came before stays"


def run_the_python_sample(tab: Tab) -> str:
    program = Playground(tab.page).code("Python")
    tab.open("/keys")
    key = Keys(tab.page).create("Sample")
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TRADEWIND_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert _SEVERAL_WORDS.search(answer.stdout)
    return key


def see_the_cost_on_the_usage_page(tab: Tab) -> None:
    def is_there() -> bool:
        page = tab.open("/usage?range=24h&by=key")
        return page.get_by_role("table").get_by_text("Sample").count() > 0

    for _ in range(100):
        if is_there():
            break
        tab.page.wait_for_timeout(200)
    assert is_there()
    tab.page.locator("[data-chart][data-ready]").wait_for()


def revoke_and_be_refused(tab: Tab, platform: RunningPlatform, key: str) -> None:
    with openai.OpenAI(base_url=platform.base_url, api_key=key, max_retries=0) as client:
        client.models.list()
        tab.open("/keys")
        Keys(tab.page).revoke("Sample")
        for _ in range(100):
            try:
                client.models.list()
            except openai.AuthenticationError:
                return
            tab.page.wait_for_timeout(100)
    pytest.fail("a revoked key still works")


def check_every_page(
    chromium: Browser, platform: RunningPlatform, session: str | None, theme: str
) -> None:
    url = platform.light["portal_url"]
    for viewport in (WIDE, NARROW):
        with new_tab(chromium, url, session_token=session, theme=theme, viewport=viewport) as tab:
            for path in (*_PAGES, "/usage"):
                tab.open(path)
                assert tab.violations() == [], f"{path}, {theme}"
                assert tab.overflow_px == 0, f"{path}, {theme}"
            assert tab.complaints == []
