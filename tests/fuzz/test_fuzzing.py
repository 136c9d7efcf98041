"""Parsers under bytes that no client would send. A crash that is found becomes a named test."""

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from targets import TARGETS

import tradewind

HERE = Path(__file__).parent
SOURCES = str(Path(tradewind.__file__).parents[1])
MOST_BYTES = 1024
every_target = pytest.mark.parametrize("name", sorted(TARGETS))


@pytest.fixture(autouse=True)
def quiet_log():
    # The application behind the connections fails on purpose.
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@every_target
def test_what_must_hold_holds_for_every_seed_cut_at_every_byte(name):
    for seed in TARGETS[name].seeds:
        for place in range(len(seed) + 1):
            TARGETS[name].check(seed[:place])


@every_target
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed here"
)
@pytest.mark.timeout(0)
def test_no_bytes_break_it(name, seconds, corpus, tmp_path):
    ended = subprocess.run(
        [
            sys.executable,
            str(HERE / "atheris_run.py"),
            name,
            str(corpus / name),
            f"-max_total_time={seconds}",
            f"-max_len={MOST_BYTES}",
            "-timeout=30",
            "-rss_limit_mb=1024",
            f"-artifact_prefix={tmp_path}/",
            "-print_final_stats=1",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": SOURCES},
        check=False,
    )
    said = ended.stdout.decode("utf-8", "replace")
    found = [
        path.read_bytes() for path in tmp_path.glob("*") if path.is_file() and is_finding(path)
    ]
    assert ended.returncode == 0, f"{found}\n{said[-6000:]}"
    assert "INFO: Instrumenting" in said or "stat::number_of_executed_units" in said


def is_finding(path: Path) -> bool:
    return path.name.startswith(("crash-", "timeout-", "oom-", "leak-"))
