"""The command in a process of its own, on the database of a platform that runs."""

import json
import os
import subprocess
import sys

import pytest

PATIENCE_S = 100


@pytest.fixture
def run(tmp_path, database_url):
    """Return a function that runs `tradewind` on the database of a platform that runs."""
    clean = {name: value for name, value in os.environ.items() if "TRADEWIND" not in name}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", *map(str, arguments)],
            cwd=tmp_path,
            env={
                **clean,
                "NO_COLOR": "1",
                "TRADEWIND_DATA": str(tmp_path / "data"),
                "DATABASE_URL": database_url,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@pytest.fixture
def told(run):
    """Run with `--json`, and return what was told."""

    def told(*arguments):
        ended = run(*arguments, "--json")
        assert (ended.returncode, ended.stderr) == (0, "")
        return json.loads(ended.stdout.splitlines()[-1])

    return told
