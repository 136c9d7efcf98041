"""The portal in a real browser: how Chromium is found and started, and the pages as objects.

A page object knows where things are; what is right is for the test to say. The same objects drive
the portal alone and the whole platform.
"""

import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Playwright,
    ViewportSize,
)

WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
PATIENCE_MS = 60_000
"""How long anything may take; the machines that run this are shared and slow."""

_EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
)


def launch_chromium(playwright: Playwright) -> Browser:
    """Start the system's Chromium, else the one Playwright has. Nothing is downloaded."""
    executable = next((path for name in _EXECUTABLES if (path := shutil.which(name))), None)
    return playwright.chromium.launch(
        executable_path=executable, args=list(_ARGUMENTS), timeout=PATIENCE_MS
    )


@cache
def _axe_source() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text()


@dataclass
class Tab:
    """A page and what it complained about."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list[str])
    """Errors of scripts, and what the content policy refused."""

    def __post_init__(self) -> None:
        self.page.on("pageerror", self._add_error)
        self.page.on("console", self._add_message)

    def open(self, path: str) -> Page:
        self.page.goto(self.origin + path)
        return self.page

    @property
    def overflow_px(self) -> int:
        """By how much the page is wider than its window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return max(0, width)

    def violations(self) -> list[str]:
        """What axe finds wrong, as text that says where."""
        # Through the browser's debugger, which the page's content policy does not bind.
        self.page.evaluate(_axe_source())
        found: list[dict[str, Any]] = self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)"
        )
        return [
            f"{violation['id']}: {node['html'][:200]}"
            for violation in found
            for node in violation["nodes"]
        ]

    def _add_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _add_message(self, message: ConsoleMessage) -> None:
        # A refused request is logged as an error too, and some tests want to be refused.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


@contextmanager
def new_tab(
    chromium: Browser,
    origin: str,
    *,
    session_token: str | None = None,
    theme: str = "light",
    viewport: ViewportSize = WIDE,
    has_scripts: bool = True,
) -> Generator[Tab]:
    """Open a tab in a context of its own, without motion; signed in when there is a token."""
    context = chromium.new_context(
        viewport=viewport,
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        java_script_enabled=has_scripts,
    )
    try:
        yield Tab(_page(context, origin, session_token), origin)
    finally:
        context.close()


def _page(context: BrowserContext, origin: str, session_token: str | None) -> Page:
    context.set_default_timeout(PATIENCE_MS)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
    if session_token is not None:
        context.add_cookies([{"name": "tradewind_session", "value": session_token, "url": origin}])
    return context.new_page()


@dataclass(frozen=True)
class SignIn:
    """The pages before everything else."""

    page: Page

    def with_link(self, address: str) -> None:
        """Open a one-time link and press its button."""
        self.page.goto(address)
        self.page.get_by_role("button", name="Sign in").click()

    def set_up(self, *, name: str, email: str, password: str) -> None:
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Open Tradewind").click()

    def with_password(self, *, email: str, password: str) -> None:
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()


@dataclass(frozen=True)
class Playground:
    """One conversation."""

    page: Page

    @property
    def answer(self) -> Locator:
        """The text of the last answer."""
        return self.page.locator(".message-answer .answer").last

    @property
    def meter(self) -> Locator:
        """The figures below the last answer."""
        return self.page.locator(".message-meter").last

    def ask(self, text: str) -> None:
        """Type and send, without waiting for the answer."""
        self.page.get_by_label("Message").fill(text)
        self.page.get_by_role("button", name="Send").click()

    def stop(self) -> None:
        self.page.get_by_role("button", name="Stop").click()

    def wait_for_text(self, text: str) -> None:
        """Return once the last answer holds `text`."""
        self.answer.filter(has_text=text).wait_for()

    def wait_until_idle(self) -> None:
        """Return once the answer has ended, however it did."""
        self.page.get_by_role("button", name="Send").wait_for()

    def code(self, language: str) -> str:
        """Return the conversation as a program: `curl`, `Python` or `JS`."""
        self.page.get_by_role("tab", name="Code").click()
        self.page.locator("#language").get_by_text(language, exact=True).click()
        return self.page.locator("#code").inner_text()


@dataclass(frozen=True)
class Keys:
    """The list of keys and its dialogs."""

    page: Page

    def create(self, name: str) -> str:
        """Create a key in the dialog and return its text as it is shown."""
        self.page.get_by_role("link", name="Create key").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Name").fill(name)
        dialog.get_by_role("button", name="Create key").click()
        return dialog.locator("#new-key").inner_text()

    def done(self) -> None:
        self.page.get_by_role("dialog").get_by_role("link", name="Done").click()

    def names(self) -> Iterator[str]:
        for cell in self.page.get_by_role("rowheader").all():
            yield cell.inner_text()

    def revoke(self, name: str) -> None:
        """Revoke a key through its dialog."""
        self.page.get_by_role("link", name=f"Revoke {name}").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Revoke key").click()
        dialog.wait_for(state="hidden")


@dataclass(frozen=True)
class Requests:
    """The list of calls."""

    page: Page

    @property
    def rows(self) -> Locator:
        return self.page.locator("[data-live-rows] > tr")

    @property
    def live(self) -> Locator:
        """The switch."""
        return self.page.get_by_role("button", name="Live")

    @property
    def said(self) -> Locator:
        """What a screen reader is told of the live list."""
        return self.page.locator("[data-live-status]")

    def ids(self) -> list[str]:
        """The ids of the calls that are shown, from the top."""
        return self.rows.evaluate_all("(rows) => rows.map((row) => row.id)")
