"""Python environments made on first use: programs too heavy, or too demanding, to live beside us.

PyRIT brings a hundred packages and pins that fight with ours; whoever never attacks a model should
not install it. Each *list* in `environment_lists` pins packages with hashes and names no index, so
that it installs from whatever index or mirror pip is set up for here. A list becomes either an
environment (an interpreter with those packages and nothing of ours) or a folder of data (the
packages unpacked, without what they depend on, to be read and never imported).

Made once and kept until its list changes. Two processes that ask at once wait for each other by a
lock, which the kernel lets go when its holder dies. What a killed install left is thrown away; what
pip had fetched stays in pip's own cache, so that the next try goes on from there.
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import IO, ClassVar

from tradewind.core.errors import NotFound, Unavailable

Progress = Callable[[str], None]

LISTS = Path(__file__).resolve().parent / "environment_lists"
_INSTALL_TIMEOUT_S = 3600
_MOST_OUTPUT_LINES = 400
_FETCHING = re.compile(r"(?:Downloading|Using cached|Processing) (\S+?)(?: \((\S+ \S?B)\))?\s*$")
_WHEEL = re.compile(r"([A-Za-z0-9_.]+?)-(\d[^-]*)-\S+\.whl$")
_UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolution|ConnectTimeout|ReadTimeout|ProxyError|Max retries"
)
# Settings of the platform (keys, the database's password) are no business of an installer.
_PASSED_ON = re.compile(
    r"(?:PIP_|UV_|SSL_|REQUESTS_|LC_|XDG_)\w+|(?:https?|no|all)_proxy|PATH|HOME|LANG|TMPDIR|NETRC",
    re.IGNORECASE,
)


class EnvironmentUnavailable(Unavailable):
    """The packages of a list could not be fetched or unpacked. Says what to do about it."""

    code: ClassVar[str] = "environment_unavailable"


def ensure_environment(folder: Path, name: str, progress: Progress, lists: Path = LISTS) -> Path:
    """Return the interpreter of `<folder>/<name>`, which has the packages of a list.

    Fast when it is there already; the first time it takes minutes, which `progress` tells line by
    line. Safe to call from several processes. Raises EnvironmentUnavailable, and NotFound for a
    name that has no list.
    """
    packages = _list(lists, name)
    home = folder.resolve() / name
    python = home / "bin" / "python"
    with made_once(home, _recipe(packages), progress) as is_needed:
        if is_needed:
            pip = _pip()
            _run([sys.executable, "-m", "venv", "--without-pip", str(home)], name, progress, 0)
            _run(
                [*pip, "--python", str(python), "install", *_pinned(packages)],
                name,
                progress,
                _count(packages),
            )
            sources = packages.with_name(f"{name}.source.txt")
            if sources.exists():
                # Pinned like the rest and built by the pinned setuptools of the list itself: a
                # build in isolation would fetch whatever setuptools is the newest.
                build = ("--no-binary", ":all:", "--no-build-isolation")
                command = [*pip, "--python", str(python), "install", *_pinned(sources), *build]
                _run(command, name, progress, _count(sources))
    return python


def ensure_data(folder: Path, name: str, progress: Progress, lists: Path = LISTS) -> Path:
    """Return `<folder>/<name>`, where the packages of a list lie unpacked, as data.

    They lie as they would on an import path (`pyrit/datasets/…`), without their dependencies, so
    importing them mostly fails: read their files. Raises as `ensure_environment` does.
    """
    packages = _list(lists, name)
    home = folder.resolve() / name
    with made_once(home, packages.read_bytes(), progress) as is_needed:
        if is_needed:
            options = ("--no-deps", "--ignore-requires-python", "--target", str(home))
            _run(
                [*_pip(), "install", *_pinned(packages), *options], name, progress, _count(packages)
            )
    return home


def is_made(folder: Path, name: str) -> bool:
    """Say whether a list was made into something here before, for whoever only wants to tell."""
    return _stamp(folder.resolve() / name).exists()


@contextmanager
def made_once(folder: Path, recipe: bytes, progress: Progress) -> Generator[bool]:
    """Say whether a folder is still to be made, and remember it as made when the block ends well.

    The folder is empty when it is to be made: what was left half-made is thrown away first. It is
    made anew when the recipe changes, or when it was moved (an interpreter knows its place).
    """
    made = hashlib.sha256(str(folder).encode() + b"\0" + recipe).hexdigest()
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    stamp = _stamp(folder)
    with folder.with_name(f"{folder.name}.lock").open("wb") as lock:
        _take(lock, folder.name, progress)
        if stamp.exists() and stamp.read_text() == made:
            yield False
            return
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder)
        folder.mkdir(mode=0o755)
        yield True
        stamp.write_text(made)


def explain_failure(name: str, said: Sequence[str]) -> EnvironmentUnavailable:
    """Return what went wrong for what pip said, with the way out."""
    text = "\n".join(said)
    if "DO NOT MATCH THE HASHES" in text:
        return EnvironmentUnavailable(
            f"a package of {name!r} does not have the hash its list pins; nothing was installed",
            hint="use an index that serves the original files",
        )
    if "No space left on device" in text:
        return EnvironmentUnavailable(
            f"the disk is full: {name!r} was not installed", hint="free 3 GB and try again"
        )
    if _UNREACHABLE.search(text):
        return EnvironmentUnavailable(
            f"no package index can be reached, so {name!r} was not installed",
            hint="check the network, or set PIP_INDEX_URL to a mirror, then try again",
        )
    missing = re.search(r"No matching distribution found for (\S+)", text)
    if missing:
        return EnvironmentUnavailable(
            f"the package index has no {missing[1]} for this machine, so {name!r} was not"
            " installed",
            hint="Linux on x86-64 with glibc is needed, and an index or mirror that has all files",
        )
    errors = [line for line in said if re.search("error", line, re.IGNORECASE)]
    last = (errors or list(said) or ["no reason told"])[-1][:300]
    return EnvironmentUnavailable(f"{name!r} was not installed: {last}", hint="try again")


def _stamp(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.made")


def _list(lists: Path, name: str) -> Path:
    path = lists / f"{name}.txt"
    if not re.fullmatch(r"[a-z0-9-]{1,40}", name) or not path.is_file():
        raise NotFound(f"there is no list of packages named {name[:40]!r}")
    return path


def _recipe(packages: Path) -> bytes:
    sources = packages.with_name(f"{packages.stem}.source.txt")
    built = sources.read_bytes() if sources.exists() else b""
    return b"\0".join((packages.read_bytes(), built, sys.version.encode()))


def _count(packages: Path) -> int:
    return len(re.findall(r"^[\w.-]+==", packages.read_text(), re.MULTILINE))


def _pip() -> list[str]:
    if find_spec("pip") is None:
        raise EnvironmentUnavailable(
            "the Python that Tradewind runs in has no pip, so nothing can be installed",
            hint=f"run {sys.executable} -m ensurepip, then try again",
        )
    return [sys.executable, "-m", "pip"]


def _pinned(packages: Path) -> tuple[str, ...]:
    # Without dependencies' resolution: a lock names everything, and what it leaves out is left out.
    return (
        *("--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile"),
        *("--retries", "2", "--progress-bar", "off", "-r", str(packages)),
    )


def _take(lock: IO[bytes], name: str, progress: Progress) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress(f"{name}: waiting for another process that installs it")
        fcntl.flock(lock, fcntl.LOCK_EX)


def _run(command: Sequence[str], name: str, progress: Progress, count: int) -> None:
    """Run an installer in a process group of its own, niced, telling what it fetches."""
    environment = {key: value for key, value in os.environ.items() if _PASSED_ON.fullmatch(key)}
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}
    environment |= {"PIP_ROOT_USER_ACTION": "ignore", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", _NICED, *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    watchdog = Timer(_INSTALL_TIMEOUT_S, _end_group, [process])
    watchdog.daemon = True
    watchdog.start()
    said: list[str] = []
    fetched = 0
    try:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            said = [*said[-_MOST_OUTPUT_LINES:], line]
            fetching = _FETCHING.match(line.strip())
            if fetching is not None and not fetching[1].endswith(".metadata"):
                fetched += 1
                progress(f"{name}: {_named(fetching)} ({fetched} of {count})")
            elif line.startswith("Installing collected packages"):
                progress(f"{name}: unpacking {count} packages")
        status = process.wait()
    finally:
        watchdog.cancel()
        _end_group(process)
        if process.stdout is not None:
            process.stdout.close()
    if status:
        raise explain_failure(name, said)


# An interpreter that makes itself polite and becomes the installer: no code runs between fork and
# exec in a process that has threads.
_NICED = "import os,sys; os.nice(10); os.execv(sys.argv[1], sys.argv[1:])"


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _named(fetching: re.Match[str]) -> str:
    wheel = _WHEEL.search(fetching[1].rsplit("/", 1)[-1])
    label = f"{wheel[1]} {wheel[2]}" if wheel else fetching[1].rsplit("/", 1)[-1]
    return f"fetching {label}" + (f", {fetching[2]}" if fetching[2] else "")
