"""Run the whole test suite in groups: `python -m scripts.run_tests [--kills N] [-- PYTEST ARGS]`.

Most tests share the machine well and run side by side, those of pages among themselves. Those that
start the whole platform or kill processes at random moments run one after another, so that each has
the machine to itself. The stateful machines try a few examples beside the others, and thousands in
a group of their own.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from scripts import chromium, debian

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "test-reports"
CRASH = "tests/crash"
CHROMIUM_VARIABLE = "TRADEWIND_TEST_CHROMIUM"
NO_CHROMIUM_VARIABLE = "TRADEWIND_TEST_NO_CHROMIUM"
EXAMPLES_VARIABLE = "TRADEWIND_MACHINE_EXAMPLES"
# Past a few workers the PostgreSQL cluster that each of them starts costs more than it brings.
WORKERS = min(os.cpu_count() or 1, 6)
PYTEST_INTERRUPTED = 2
# 5 is "no test collected", which is right for a group that ARGS leaves empty.
GOOD = (0, 5)


class Group(NamedTuple):
    """Tests that run in one pytest, chosen by their markers."""

    name: str
    markers: str
    is_parallel: bool = False
    is_crash: bool = False
    """Takes the tests below CRASH, which no other group takes."""
    examples: int = 0
    """How many examples each stateful machine tries; 0 is the few that it tries by itself."""


class Result(NamedTuple):
    group: str
    status: int
    passed: int
    failed: int
    skipped: int
    duration_s: float

    @property
    def is_good(self) -> bool:
        return self.status in GOOD


GROUPS = (
    Group("side by side", "not platform and not browser", is_parallel=True),
    Group("platform", "platform and not browser"),
    Group("browser", "browser", is_parallel=True),
    Group("machines", "machine", is_parallel=True, examples=2_500),
    Group("crash", "", is_crash=True),
)


def main() -> int:
    options = _parse_options()
    environment = os.environ | _browser_environment()
    _get_redis()
    results: list[Result] = []
    try:
        for group in GROUPS:
            selection = select(group, options.pytest)
            if selection is not None:
                results.append(_run(group, selection, options.kills, environment))
    except KeyboardInterrupt:
        _print_summary(results)
        return 130
    _print_summary(results)
    has_run_a_test = any(result.passed + result.failed for result in results)
    return 0 if has_run_a_test and all(result.is_good for result in results) else 1


def _get_redis() -> None:
    """Have a server for the tests of limits that hosts share; without one they are skipped."""
    if shutil.which("valkey-server") is None and shutil.which("redis-server") is None:
        problem = debian.install("redis-server")
        if problem:
            print(f"the tests of shared limits are skipped: {problem}", file=sys.stderr)


def select(group: Group, arguments: list[str]) -> list[str] | None:
    """Return pytest's arguments for a group, or None when the paths among them leave it nothing.

    The crash test has options of its own, which pytest knows only when its folder is named.
    """
    paths = [word for word in arguments if (ROOT / word.partition("::")[0]).exists()]
    others = [word for word in arguments if word not in paths]
    if not paths:
        own = [CRASH] if group.is_crash else [f"--ignore={CRASH}"]
    else:
        own = [path for path in paths if path.startswith(CRASH) == group.is_crash]
    if not own:
        return None
    return [*(("-m", group.markers) if group.markers else ()), *own, *others]


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make test", description="Run all tests.")
    parser.add_argument("--kills", type=int, help="how often the crash test kills each part")
    parser.add_argument("pytest", nargs="*", help="after --: handed on to pytest")
    return parser.parse_args()


def _browser_environment() -> dict[str, str]:
    """Tell the browser tests which Chromium to drive, or why they must skip."""
    if CHROMIUM_VARIABLE in os.environ:
        return {}
    found = chromium.find_or_install()
    if found.path is None:
        print(f"browser tests will be skipped: {found.problem}", file=sys.stderr, flush=True)
        return {NO_CHROMIUM_VARIABLE: found.problem or "there is no Chromium"}
    return {CHROMIUM_VARIABLE: found.path}


def _run(
    group: Group, selection: list[str], kills: int | None, environment: dict[str, str]
) -> Result:
    print(f"\n== {group.name}: {' '.join(selection)} ==", flush=True)
    report = REPORTS / f"{group.name.replace(' ', '-')}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}", *selection]
    if group.is_parallel:
        command += ["-n", str(WORKERS)]
    if group.is_crash and kills is not None:
        command += ["--kills", str(kills)]
    if group.examples:
        # Whoever asks for more, or for fewer, has asked for that.
        environment = {EXAMPLES_VARIABLE: str(group.examples)} | environment
    started = time.monotonic()
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    duration_s = time.monotonic() - started
    if status == PYTEST_INTERRUPTED and not report.exists():
        raise KeyboardInterrupt
    return Result(group.name, status, *counts(report, status), duration_s)


def counts(report: Path, status: int) -> tuple[int, int, int]:
    """Return passed, failed, skipped. A run that broke without a failed test counts as one."""
    total = failed = skipped = 0
    try:
        suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it
    except (OSError, ET.ParseError):
        suites = []
    for suite in suites:
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    passed = max(total - failed - skipped, 0)
    if status not in GOOD:
        failed = max(failed, 1)
    return (passed, failed, skipped)


def _print_summary(results: list[Result]) -> None:
    print("\n== all groups ==")
    for result in results:
        mark = "ok " if result.is_good else f"FAILED (pytest ended with {result.status}) "
        print(
            f"{result.group:14}{mark}{result.passed} passed, {result.failed} failed,"
            f" {result.skipped} skipped in {result.duration_s:.0f} s"
        )
    totals = [sum(column) for column in zip(*(result[2:5] for result in results), strict=True)]
    passed, failed, skipped = totals or (0, 0, 0)
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)


if __name__ == "__main__":
    sys.exit(main())
