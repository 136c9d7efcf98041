"""Find a Chromium for the browser tests, or get one."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from scripts import debian

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DOWNLOAD_TIMEOUT_S = 600


class Chromium(NamedTuple):
    """`path` of a program that starts, or why there is none."""

    path: str | None
    problem: str | None = None


def find_or_install() -> Chromium:
    """The system's, else Debian's package, else Playwright's own download."""
    if path := _on_path() or _of_playwright():
        return Chromium(path)
    problem = debian.install("chromium")
    if path := _on_path():
        return Chromium(path)
    _download_with_playwright()
    if path := _of_playwright():
        return Chromium(path)
    return Chromium(None, f"there is no Chromium and none could be downloaded; {problem}")


def _on_path() -> str | None:
    """Return the first that starts: Ubuntu's `chromium-browser` may be a stub that wants snap."""
    for name in PROGRAMS:
        if (path := shutil.which(name)) and _starts(path):
            return path
    return None


def _starts(path: str) -> bool:
    try:
        run = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0


def _of_playwright() -> str | None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow, and rarely needed

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() and _starts(path) else None


def _download_with_playwright() -> None:
    print("downloading Chromium with Playwright", file=sys.stderr, flush=True)
    try:
        subprocess.run(
            [sys.executable, "-m", "playwright", "install", "chromium", "--only-shell"],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print("Playwright's download took too long", file=sys.stderr, flush=True)
