"""Install other gateways, each by itself below `build/peers`; `make clean` throws them away."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.processes import BenchError
from scripts.client_environments import InstallError, find_node

FOLDER = Path(__file__).resolve().parent.parent / "build" / "peers"
INSTALL_TIMEOUT_S = 600
Say = Callable[[str], object]


def python_peer(name: str, packages: list[str], say: Say) -> Path:
    """Return an environment that has these packages. Raises BenchError."""
    folder = FOLDER / name
    _install(
        folder,
        [
            [sys.executable, "-m", "venv", str(folder)],
            [
                *(str(folder / "bin" / "pip"), "install", "--quiet", "--no-input"),
                *("--disable-pip-version-check", "--only-binary", ":all:", *packages),
            ],
        ],
        say,
    )
    return folder


def node_peer(name: str, package: str, say: Say) -> tuple[Path, Path]:
    """Return Node.js and a folder with this package. Raises BenchError."""
    try:
        node, npm = find_node()
    except InstallError as error:
        raise BenchError(str(error)) from error
    folder = FOLDER / name
    command = [
        *(str(node), str(npm), "install", "--prefix", str(folder)),
        *("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error", package),
    ]
    _install(folder, [command], say)
    return node, folder


def _install(folder: Path, commands: list[list[str]], say: Say) -> None:
    """Run the commands unless the same have made this folder before."""
    recipe = repr(commands)
    stamp = folder / "made-by"
    if stamp.exists() and stamp.read_text() == recipe:
        return
    # What was left half-made is not gone on with: peers are measured as their users get them.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    say(f"installing {folder.name}, which may take some minutes")
    begun = time.monotonic()
    for command in commands:
        _run(command, folder.name)
    stamp.write_text(recipe)
    say(f"installed {folder.name} in {time.monotonic() - begun:.0f} s")


def _run(command: list[str], name: str) -> None:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{name} was not installed within {INSTALL_TIMEOUT_S} s") from error
    except OSError as error:
        raise BenchError(f"{name} cannot be installed: {error}") from error
    if ended.returncode:
        lines = [line for line in ended.stdout.splitlines() if "error" in line.lower()]
        raise BenchError(f"{name} cannot be installed: {(lines or ['no reason told'])[-1][:300]}")
