"""`tradewind safety evaluate` and `train`, as a shell sees them; no platform runs."""

import json
import os
import subprocess
import sys

import pytest

PATIENCE_S = 110


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the command in an empty folder and an empty home."""

    def run_command(*arguments, **environment):
        clean = {
            name: value
            for name, value in os.environ.items()
            if name != "DATABASE_URL" and not name.startswith(("TRADEWIND_", "PIP_", "UV_"))
        }
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", *map(str, arguments)],
            cwd=tmp_path,
            env={**clean, "HOME": str(tmp_path), "NO_COLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run_command


def test_an_organizations_own_texts_are_measured_without_a_network(run, tmp_path):
    rows = [
        {"text": "I will kill you and your family.", "labels": {"violence": 6, "hate": 0}},
        {"text": "Good morning to all of you.", "labels": {"violence": 0, "hate": 0}},
    ]
    (tmp_path / "ours.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = run("safety", "evaluate", "--data", "kept", "--set", "ours.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert {"harm_mae", "benign_fpr", "injection", "cpu_ms_per_kb"} <= set(told)
    assert set(told["harm_mae"]) == {"hate", "self_harm", "sexual", "violence"}
    assert told["cpu_ms_per_kb"] > 0
    card = json.loads((tmp_path / "kept/safety/quality_card.json").read_text())
    measured = card["checks"]["harms"]["sets"]["ours"]["violence"]
    assert (measured["n"], measured["positives"]) == (2, 1)
    assert "ours" in done.stderr


def test_people_read_a_table(run, tmp_path):
    row = {"text": "Good morning.", "labels": {"profanity": False}}
    (tmp_path / "ours.jsonl").write_text(json.dumps(row))
    done = run("safety", "evaluate", "--set", "ours.jsonl", "--card", "card.json")
    assert done.returncode == 0, done.stderr
    assert "profanity" in done.stdout
    assert (tmp_path / "card.json").is_file()


def test_a_file_that_is_no_set_is_told(run, tmp_path):
    (tmp_path / "ours.jsonl").write_text("no JSON")
    done = run("safety", "evaluate", "--set", "ours.jsonl")
    assert done.returncode != 0
    assert "line 1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["evaluate", "train"])
def test_without_a_package_index_the_way_out_is_told(run, verb):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull}
    done = run("safety", verb, "--data", "kept", **nowhere)
    assert done.returncode != 0
    assert "PIP_INDEX_URL" in done.stderr
    assert "Traceback" not in done.stderr
