"""A model is called through a provider: from its card to an answer, with a key that is wrong first,
in a real browser against the real gateway and the shipped fake of a provider; and from the shell.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.running_platform import RunningPlatform
from tests.features.endpoints.offer_parts import NOW
from tradewind.core.ids import ModelId, OfferId
from tradewind.plugins.providers.fakes.base import WORDS
from tradewind.plugins.providers.fakes.host import FakeHost
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.testing.portal_browser import PATIENCE_MS, SignIn, launch_chromium, new_tab

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]

ANSWER = "".join(WORDS).strip()
PATIENCE_S = 300


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture
def provider() -> Iterator[str]:
    """The base URL of the shipped fake, which runs beside the test."""
    addresses: list[str] = []
    is_up, loop, end = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with FakeHost(fakes()["openai_compatible"]) as host:
            addresses.append(host.address)
            is_up.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert is_up.wait(PATIENCE_S)
    yield f"http://{addresses[0]}/v1"
    loop.call_soon_threadsafe(end.set)
    thread.join()
    loop.close()


@pytest.fixture
def model(platform: RunningPlatform) -> str:
    """A model that a list tells of, offered by one provider. The list is not the one that comes
    with the platform: its import, which may be under way, would take it for one that has gone.
    """
    model_id = ModelId.new()
    slug = model_id[-8:]
    with platform.connect() as connection:
        connection.execute(
            "INSERT INTO publisher (slug, name, created_at) VALUES ('kestrel', 'Kestrel', %s)"
            " ON CONFLICT DO NOTHING",
            (NOW,),
        )
        connection.execute(
            "INSERT INTO model (id, publisher_slug, slug, display_name, description, licence,"
            " operation, context_tokens, origin, created_at)"
            " VALUES (%s, 'kestrel', %s, 'Sirocco', '', 'MIT', 'chat', 8192, 'synced', %s)",
            (model_id, slug, NOW),
        )
        connection.execute(
            "INSERT INTO offer (id, model_id, host, upstream_model, currency, input_nanos,"
            " output_nanos, context_tokens, status, source, observed_on, first_seen_at, changed_at)"
            " VALUES (%s, %s, 'groq', %s, 'USD', 500000000, 1500000000, 8192, 'active',"
            " 'openrouter', %s, %s, %s)",
            (OfferId.new(), model_id, slug, NOW.date(), NOW, NOW),
        )
    return f"kestrel/{slug}"


def command(platform: RunningPlatform, *arguments: str, **environment: str):
    return subprocess.run(
        [sys.executable, "-m", "tradewind.cli", *arguments, "--data", str(platform.data)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, **environment},
    )


def signed_in(platform: RunningPlatform, page: Page) -> None:
    """Sign in as the administrator, who may have set a password in another test before."""
    SignIn(page).with_link(command(platform, "sign-in-link").stdout.strip())
    page.wait_for_load_state()
    if "/set-up" in page.url:
        SignIn(page).set_up(name="Ada", email="ada@example.org", password="a long enough password")
    expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible()


def test_from_the_card_to_an_answer_with_a_key_that_is_wrong_first(
    chromium: Browser, platform: RunningPlatform, provider: str, model: str, tmp_path: Path
) -> None:
    with new_tab(chromium, platform.light["portal_url"]) as tab:
        signed_in(platform, tab.page)
        page = tab.open(f"/models/{model}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sirocco")
        page.get_by_role("link", name="Call through Groq").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Call Sirocco through Groq")

        # Another test may have added an account at this provider, which is then picked beforehand.
        page.get_by_label("add its key here").check()
        page.get_by_label("API key of Groq").fill("a-wrong-key-0123456789")
        page.get_by_text("Address", exact=True).click()
        page.get_by_label("Base URL").fill(provider)
        page.get_by_label("This host is in a private network").check()
        page.get_by_label("This price is right").check()
        page.get_by_role("button", name="Set up and make one call").click()

        expect(page.get_by_role("heading", level=1)).to_have_text(model)
        expect(page.get_by_text("does not take the key.")).to_be_visible()
        expect(page.locator("#try-failure")).to_contain_text("status 401")
        page.get_by_role("link", name="Type another one").click()
        page.get_by_label("API key", exact=True).fill("fake-key")
        page.get_by_role("button", name="Replace and call again").click()

        expect(page.locator("#try-answer")).to_contain_text(ANSWER)
        facts = page.locator("#try-facts")
        expect(facts).to_contain_text("groq")
        expect(facts).to_contain_text(re.compile(r"\d+ ms in all"))
        expect(facts).to_contain_text(re.compile(r"0\.\d+ USD"))
        expect(page.get_by_text("does not take the key.")).to_be_hidden()

        page.get_by_role("tab", name="Python").click()
        program = tmp_path / "sample.py"
        program.write_text(page.locator("#use-python").inner_text())
        assert "fake-key" not in page.content()
        expected = [complaint for complaint in tab.complaints if "502" not in complaint]
        assert [each for each in expected if "404" not in each and "401" not in each] == []
    ran = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "TRADEWIND_API_KEY": platform.api_key},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, ANSWER), ran.stderr


def test_the_command_sets_it_up_calls_it_and_changes_nothing_when_run_again(
    platform: RunningPlatform, provider: str, model: str, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("fake-key\n")
    name = f"{model}-from-the-shell"
    arguments = (
        *("models", "call-through", model, "--provider", "groq", "--name", name),
        *("--key-file", str(key), "--base-url", provider, "--private-network", "--json"),
    )
    done = command(platform, *arguments)
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    assert (first["name"], first["upstream_model"], first["is_new"]) == (
        name,
        model.rpartition("/")[2],
        True,
    )
    tried = first["tried"]
    assert (tried["status"], tried["answer"].strip(), tried["currency"]) == (200, ANSWER, "USD")
    assert tried["latency_ms"] > 0
    assert float(tried["cost"]) > 0
    again = json.loads(command(platform, *arguments).stdout)
    assert (again["endpoint"], again["is_new"]) == (first["endpoint"], False)
    assert again["connection"] == first["connection"]

    taken = command(platform, *arguments, TRADEWIND_PROVIDER_KEY="x")
    assert taken.returncode == 0, "the file is what counts"
    elsewhere = command(platform, *arguments[:3], "--provider", "mistral")
    assert elsewhere.returncode == 1
    assert "no provider 'mistral' is known to offer" in elsewhere.stderr


def test_a_wrong_key_at_the_command_ends_with_1_and_the_way_out(
    platform: RunningPlatform, provider: str, model: str
) -> None:
    done = command(
        platform,
        *("models", "call-through", model, "--provider", "Groq"),
        *("--base-url", provider, "--private-network"),
        TRADEWIND_PROVIDER_KEY="a-wrong-key-0123456789",
    )
    assert done.returncode == 1
    assert "The first call was not answered (502)" in done.stderr
    assert "Replace the key on /providers/conn_" in done.stderr
    assert "a-wrong-key" not in done.stdout + done.stderr
