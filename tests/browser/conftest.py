"""The portal with a fake gateway, served on loopback, and a real Chromium."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tradewind.db.database import Database
from tradewind.features.accounts.schemas import SignedIn
from tradewind.testing.portal_browser import PATIENCE_MS, Tab, launch_chromium, new_tab
from tradewind.testing.portal_world import FakeGateway, PortalWorld, serve_on_loopback


# For each module and not for the session: while Playwright runs, its event loop counts as running
# in this thread, and asynchronous tests of other modules could not start theirs.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        yield browser
        browser.close()


@dataclass(frozen=True)
class RunningPortal:
    """What a test looks behind the browser with."""

    world: PortalWorld
    gateway: FakeGateway
    url: str


@pytest.fixture
def portal(database: Database, tmp_path: Path) -> Generator[RunningPortal]:
    """The portal on a free port of loopback, with nobody in it yet."""
    world = PortalWorld(database, logs=tmp_path, artifacts_folder=tmp_path / "artifacts")
    gateway = FakeGateway()
    with serve_on_loopback(world, gateway) as url:
        yield RunningPortal(world, gateway, url)


@pytest.fixture
def signed_in(portal: RunningPortal) -> SignedIn:
    """An administrator who has set a password."""
    return portal.world.sign_in()


@pytest.fixture
def open_tab(chromium: Browser, portal: RunningPortal) -> Generator[Callable[..., Tab]]:
    """Open tabs; at the end none of them may have complained."""
    tabs: list[Tab] = []
    with ExitStack() as stack:

        def open_one(**options: object) -> Tab:
            tab = stack.enter_context(new_tab(chromium, portal.url, **options))  # type: ignore[arg-type]
            tabs.append(tab)
            return tab

        yield open_one
        assert [complaint for tab in tabs for complaint in tab.complaints] == []


@pytest.fixture
def tab(open_tab: Callable[..., Tab], signed_in: SignedIn) -> Tab:
    """A tab of the administrator: wide and light."""
    return open_tab(session_token=signed_in.session_token)
