"""The README's first command, as it stands there."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.platform, pytest.mark.timeout(600), pytest.mark.enable_socket]

_CHECKOUT = Path(__file__).parents[2]
_KEYS = {
    "ready_s", "ttft_ms", "model", "question", "answer", "usage", "cost", "currency",
    "base_url", "portal_url", "sign_in_url", "api_key",
}  # fmt: skip


def test_make_up_once_prints_one_json_line_last(data_root: Path) -> None:
    run = subprocess.run(
        ["make", "up", f"ARGS=--once --json --port 0 --data {data_root}/data"],
        cwd=_CHECKOUT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    light = json.loads(run.stdout.splitlines()[-1])
    assert light.keys() == _KEYS
    assert light["answer"]
    assert light["usage"]["completion_tokens"] > 0
    assert light["api_key"].startswith("sk-tw-")
