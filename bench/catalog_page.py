"""The page of the catalog in Chromium, on a whole platform with every model that is shipped.

    python -m bench.catalog_page

Two figures: what passes from the request of the page to the first paint of its content, in a
browser that has never seen it, and from the click on a filter to the paint of what it leaves.
"""

import contextlib
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Error, Page, sync_playwright

from bench.processes import BenchError
from tradewind.testing.portal_browser import WIDE, launch_chromium

LOADS = 15
CLICKS = 20
_START_TIMEOUT_S = 240
_STOP_TIMEOUT_S = 60
_IMPORT_TIMEOUT_S = 300
_POLL_S = 1.0
_FIRST_PAINT = """
() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null
"""
# The frame after the change paints it, and what is put off until then runs once it has.
_CLICK = """
(box) => new Promise((done) => {
  const count = () => document.getElementById('model-count').textContent;
  const before = count();
  const began = performance.now();
  const watch = new MutationObserver(() => {
    if (count() === before) return;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  });
  watch.observe(document.getElementById('catalog'),
    { subtree: true, childList: true, characterData: true });
  box.click();
})
"""


class PageFigures(NamedTuple):
    """Milliseconds by the clock; everything that the machine does at the time is in them."""

    models: int
    first_paint_ms_p50: float
    first_paint_ms_max: float
    filter_ms_p50: float
    filter_ms_max: float
    page_kb: float
    """Of HTML."""

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 1) for name, value in self._asdict().items()}


def measure_page(folder: Path, loads: int = LOADS, clicks: int = CLICKS) -> PageFigures | None:
    """Return the figures; None where there is no Chromium. Raises BenchError."""
    with sync_playwright() as playwright:
        try:
            browser = launch_chromium(playwright)
        except Error:
            return None
        with contextlib.closing(browser), _platform(folder) as address:
            _wait_for_import(address)
            return _measure(browser, address, loads, clicks)


def _measure(browser: Browser, address: str, loads: int, clicks: int) -> PageFigures:
    painted: list[float] = []
    size = 0
    # The first is of a server that has not answered yet, and is not counted.
    for number in range(1 + loads):
        with _new_page(browser) as page:
            answer = page.goto(f"{address}/models", wait_until="load")
            if answer is None or not answer.ok:
                raise BenchError("the page of the catalog was not answered")
            # A function, since the page forbids to evaluate a text.
            page.wait_for_function(f"() => ({_FIRST_PAINT.strip()})() !== null")
            size = len(answer.body())
            if number:
                painted.append(page.evaluate(_FIRST_PAINT))
    with _new_page(browser) as page:
        page.goto(f"{address}/models", wait_until="load")
        box = 'input[name="task"][value="{}"]'
        values = ("embeddings", "images")
        filtered = [
            page.eval_on_selector(box.format(values[number // 2 % 2]), _CLICK)
            for number in range(2 + clicks)
        ][2:]
        words = page.inner_text("#model-count")
    return PageFigures(
        models=int("".join(filter(str.isdigit, words))),
        first_paint_ms_p50=statistics.median(painted),
        first_paint_ms_max=max(painted),
        filter_ms_p50=statistics.median(filtered),
        filter_ms_max=max(filtered),
        page_kb=size / 1024,
    )


@contextlib.contextmanager
def _new_page(browser: Browser) -> Iterator[Page]:
    """Yield a page of a browser that remembers nothing."""
    context = browser.new_context(viewport=WIDE)
    try:
        yield context.new_page()
    finally:
        context.close()


@contextlib.contextmanager
def _platform(folder: Path) -> Iterator[str]:
    """Yield the address of a platform whose catalog anybody may read."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tradewind.cli", "up", "--json", "--port", "0"]
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--data", str(folder / "data")],
            env=os.environ | {"TRADEWIND_CATALOG_IS_PUBLIC": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield _address(process, folder / "up.log")
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    line = ""
    if select.select([process.stdout], [], [], _START_TIMEOUT_S)[0]:
        line = process.stdout.readline()
    if not line:
        end = " | ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
        raise BenchError(f"tradewind up did not start: {end}")
    return json.loads(line)["base_url"].removesuffix("/v1")


def _wait_for_import(address: str) -> None:
    """Return once all that is shipped has been read, and is found."""
    deadline = time.monotonic() + _IMPORT_TIMEOUT_S
    before = -1
    while time.monotonic() < deadline:
        found = _search(address)["total"]
        # Two lists are shipped; what is found stands still when both are in.
        if found == before and found > 1_000:
            return
        before = found
        time.sleep(5 * _POLL_S)
    raise BenchError("the shipped lists of models were not imported")


def _search(address: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{address}/api/catalog/search", timeout=30) as answer:
        return json.load(answer)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as folder:
        # PostgreSQL runs as another user when we are root, and has to get through.
        Path(folder).chmod(0o711)
        try:
            figures = measure_page(Path(folder))
        except BenchError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    print("there is no Chromium" if figures is None else json.dumps(figures.as_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
