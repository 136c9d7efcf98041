"""Where the log lines of a process go. Each test uses a process of its own: logging is global."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

PATIENCE_S = 60
LINE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO part one line with “quotes”\n"


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        # A locale of ASCII alone, which Python would else replace by itself.
        env={
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONUTF8": "0",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )


WRITE = """
import logging, sys
from pathlib import Path
from tradewind.telemetry.logs import log_to_file, log_to_stderr
"""


def test_a_file_gets_every_line_in_any_locale_and_the_terminal_none(tmp_path: Path):
    path = tmp_path / "logs" / "up.log"
    log = r'logging.getLogger("part").info("one line with \u201cquotes\u201d")'
    ended = run(f"{WRITE}log_to_file(Path(sys.argv[1]))\n{log}", str(path))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert re.fullmatch(LINE, path.read_text("utf-8"))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_child_writes_to_stderr(tmp_path: Path):
    log = r'logging.getLogger("part").info("one line with \u201cquotes\u201d")'
    ended = run(f"{WRITE}sys.stderr.reconfigure(encoding='utf-8')\nlog_to_stderr()\n{log}")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert re.fullmatch(LINE, ended.stderr)


def test_a_file_is_bounded(tmp_path: Path):
    path = tmp_path / "up.log"
    log = "for _ in range(48): logging.getLogger('part').info('x' * 1024 * 1024)"
    assert run(f"{WRITE}log_to_file(Path(sys.argv[1]))\n{log}", str(path)).returncode == 0
    sizes = sorted(file.stat().st_size for file in tmp_path.iterdir())
    assert len(sizes) == 2
    assert sum(sizes) <= 2 * 16 * 1024 * 1024
