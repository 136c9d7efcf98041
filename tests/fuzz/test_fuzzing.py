"""Parsers under bytes that no client would send. A crash that is found becomes a named test."""

import importlib.util
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from targets import TARGETS

import tradewind

SECONDS = int(os.environ.get("TRADEWIND_TEST_FUZZ_S", "0"))
KEPT = os.environ.get("TRADEWIND_TEST_FUZZ_CORPUS")
CORPUS = Path(KEPT).absolute() if KEPT else Path("corpus")
LONG_RUN = (f"-max_total_time={SECONDS}",)
# As far as it can be repeated: what a run of all tests finds is then what a change has brought.
SHORT_RUN = ("-seed=1", "-reload=0", "-runs=50000", "-max_total_time=20")
FEWEST_RUNS = 500
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
def test_no_bytes_break_it(name, tmp_path):
    ended = subprocess.run(
        [
            *(sys.executable, str(HERE / "atheris_run.py"), name, str(CORPUS / name)),
            *(LONG_RUN if SECONDS else SHORT_RUN),
            f"-max_len={MOST_BYTES}",
            "-timeout=30",
            # What it measures is what the process that started it once took; see MOST_MEMORY.
            "-rss_limit_mb=0",
            "-print_final_stats=1",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # Findings are left here. The same words everywhere: their length moves what lies in memory.
        cwd=tmp_path,
        env={"PYTHONPATH": SOURCES, "PYTHONHASHSEED": "0"},
        check=False,
    )
    said = ended.stdout.decode("utf-8", "replace")
    found = [path.read_bytes() for path in tmp_path.glob("*-*") if is_finding(path)]
    assert ended.returncode == 0, f"{found}\n{said[-6000:]}"
    units = re.search(r"stat::number_of_executed_units: (\d+)", said)
    assert units, said
    assert int(units[1]) > FEWEST_RUNS


def is_finding(path: Path) -> bool:
    return path.name.startswith(("crash-", "timeout-", "oom-", "leak-"))
