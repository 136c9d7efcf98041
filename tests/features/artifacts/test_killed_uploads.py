"""An upload survives kill -9 of whoever receives it and of whoever checks it, at any step."""

import hashlib
import secrets
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tradewind.db.sealing import HeldKeys
from tradewind.features.artifacts.schemas import PART_BYTES, UploadState, Visibility
from tradewind.features.artifacts.service import verify
from tradewind.testing.model_files import GgufTensor, gguf_file

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]

_PROGRAM = Path(__file__).parent / "acting_process.py"
_PATIENCE_S = 120
ROWS = (2 * PART_BYTES + 3_000_000) // 1024
STEPS_OF_SENDING = [
    "started", "writing-1", "written-1", "recorded-1", "writing-2", "written-2", "writing-3",
    "recorded-3", "completed",
]  # fmt: skip
STEPS_OF_CHECKING = ["started", "before-put", "after-put", "checked"]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_file(tensors=[GgufTensor("token_embd.weight", (256, ROWS))]))
    return path


@pytest.fixture
def key():
    return secrets.token_bytes(32)


@pytest.fixture
def keys(key):
    return HeldKeys([key])


@pytest.fixture
def act(database, desk, key):
    """Run a process up to a step and kill it there; return the steps it reached."""

    def act(what, stop_at, *rest, hours=0):
        process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), database.url, str(desk.folder), key.hex(), what,
             str(hours), stop_at, *rest],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        guard = threading.Timer(_PATIENCE_S, process.kill)
        guard.start()
        reached = []
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                reached.append(line.strip())
                if reached[-1] == stop_at:
                    process.send_signal(signal.SIGKILL)
                    break
        status = process.wait()
        guard.cancel()
        assert status == (-signal.SIGKILL if stop_at in reached else 0), reached
        return reached

    return act


@pytest.mark.parametrize("visibility", Visibility)
def test_an_upload_goes_on_from_wherever_it_was_killed(desk, operator, act, source, visibility):
    content = source.read_bytes()
    desk.clock.time = datetime.now(UTC)
    row = desk.begin(operator, "model.gguf", content, visibility=visibility)
    told = set()
    for step in STEPS_OF_SENDING:
        reached = act("send", step, operator.organization_id, row.upload_id, str(source))
        told |= {int(each[-1]) for each in reached if each.startswith("recorded")}
        there = desk.get(operator, row)
        assert told <= set(there.part_numbers) or there.row.state is UploadState.CHECKING
    assert desk.get(operator, row).row.state is UploadState.CHECKING
    for hours, step in enumerate(STEPS_OF_CHECKING):
        act("check", step, hours=hours)
        assert all(
            path.stat().st_size >= len(content)
            for path in desk.folder.rglob("*")
            if path.is_file() and path.suffix != ".new"
        ), "a file in the store is whole"
    ended = desk.get(operator, row).row
    assert (ended.state, ended.sha256) == (UploadState.READY, hashlib.sha256(content).hexdigest())
    desk.sweep()
    assert len(desk.stored()) == 1
    made = desk.make(operator, {"model.gguf": content}, visibility=visibility)
    assert verify(desk.open(made.row.digest), made.manifest) == []
