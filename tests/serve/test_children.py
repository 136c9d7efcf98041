"""Child processes of `up`: started, restarted, stopped, and never left behind."""

import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tradewind.serve.children import Child

PATIENCE_S = 60.0
MIB = 1024 * 1024

MakeChild = Callable[..., Child]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeChild]:
    """Return a function that makes a child out of the text of a program."""
    made: list[Child] = []

    def make_child(program: str, *arguments: str, **options: object) -> Child:
        (tmp_path / "acting_part.py").write_text(program)
        child = Child(
            "part",
            "acting_part",
            arguments,
            **{
                "log_folder": tmp_path / "logs",
                "environment": {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]},
                **options,
            },
        )
        made.append(child)
        return child

    yield make_child
    for child in made:
        if child.is_alive():
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
        child.wait_stopped()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def says(child: Child, line: str) -> bool:
    return child.log_path.exists() and line in child.log_path.read_text().splitlines()


def has_ended(pid: int) -> bool:
    """Wait for the end of a process that is not ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE_S)[0])
    finally:
        os.close(descriptor)


WAITS = "import sys, time; print('up', flush=True); time.sleep(1000)"
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("heard it", flush=True))
print("up", flush=True)
while True:
    time.sleep(1000)
"""


def test_it_is_told_its_arguments_and_whose_child_it_is(make: MakeChild):
    child = make("import sys; print(sys.argv[1:])", "--socket", "/a b")
    assert child.pid is None
    assert not child.is_alive()
    child.start()
    child.wait_stopped()
    assert not child.is_alive()
    assert child.last_words() == str(["--socket", "/a b", "--parent", str(os.getpid())])


def test_it_gets_the_environment_the_files_and_nothing_else(make: MakeChild, tmp_path: Path):
    program = (
        "import os, sys; print(sorted(os.environ), os.read(int(sys.argv[1]), 9),"
        " sys.stdin.read() == '', os.getsid(0) == os.getpid())"
    )
    reader, writer = os.pipe()
    os.write(writer, b"inherited")
    os.close(writer)
    environment = {"PYTHONPATH": str(tmp_path), "TRADEWIND_DATA": "/d", "LC_CTYPE": "C.UTF-8"}
    child = make(program, str(reader), environment=environment, inherited_fds=[reader])
    child.start()
    child.wait_stopped()
    os.close(reader)
    assert child.last_words() == f"{sorted(environment)} b'inherited' True True"


def test_one_that_runs_is_left_alone(make: MakeChild):
    child = make(WAITS)
    child.start()
    pid = child.pid
    assert child.keep_alive() is False
    assert (child.pid, child.is_alive()) == (pid, True)


def test_one_that_was_never_started_stays_so(make: MakeChild):
    child = make(WAITS)
    assert child.keep_alive() is False
    child.ask_to_stop()
    child.wait_stopped()
    assert child.pid is None
    assert child.last_words() == ""


def test_one_that_died_is_started_again(make: MakeChild):
    child = make(WAITS)
    child.start()
    former = child.pid
    assert former is not None
    os.kill(former, signal.SIGKILL)
    until(lambda: not child.is_alive())
    assert child.keep_alive() is True
    until(lambda: not child.keep_alive())
    assert child.is_alive()
    assert child.pid != former


def test_one_that_dies_at_once_is_started_ever_more_slowly(
    make: MakeChild, caplog: pytest.LogCaptureFixture
):
    child = make("raise SystemExit('the port is gone')")
    child.start()
    with caplog.at_level(logging.WARNING, "tradewind.serve.children"):
        until(lambda: child.keep_alive() and len(caplog.messages) == 4)
    assert caplog.messages == [
        f"part ended with status 1; starting it again in {delay} s"
        for delay in ("0.1", "0.2", "0.4", "0.8")
    ]
    assert child.last_words() == "the port is gone"


def test_one_that_cannot_be_started_is_tried_again(
    make: MakeChild, caplog: pytest.LogCaptureFixture
):
    child = make("print('up')")
    child.start()
    child.wait_stopped()
    folder = child.log_path.parent
    folder.rename(folder.with_name("aside"))
    folder.write_text("in the way")
    until(lambda: child.keep_alive() and "part cannot be started" in caplog.text)
    assert not child.is_alive()
    folder.unlink()
    until(lambda: child.keep_alive() and says(child, "up"))


def test_one_that_is_asked_to_stop_may_end_by_itself(make: MakeChild):
    program = """
import signal, sys, time
def end(*_):
    print("put away", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
while True:
    time.sleep(1000)
"""
    child = make(program)
    child.start()
    until(lambda: says(child, "up"))
    child.ask_to_stop()
    child.wait_stopped()
    assert not child.is_alive()
    assert child.last_words() == "put away"


def test_one_that_does_not_stop_is_killed_when_its_grace_is_over(
    make: MakeChild, caplog: pytest.LogCaptureFixture
):
    child = make(DEAF, grace_s=0.5)
    child.start()
    pid = child.pid
    assert pid is not None
    until(lambda: says(child, "up"))
    child.ask_to_stop()
    until(lambda: says(child, "heard it"))
    assert child.is_alive()
    child.wait_stopped()
    assert not child.is_alive()
    assert has_ended(pid)
    assert "part did not stop in 0 s and is killed" in caplog.messages


def test_a_log_that_is_full_when_it_starts_is_moved_aside(make: MakeChild):
    child = make("print('anew')")
    child.log_path.parent.mkdir()
    child.log_path.write_bytes(b"former\n" * (16 * MIB // 7 + 1))
    child.start()
    child.wait_stopped()
    assert child.log_path.read_text() == "anew\n"
    assert child.log_path.with_name("part.log.1").read_bytes()[:7] == b"former\n"


def test_the_log_of_one_that_never_ends_is_bounded(make: MakeChild, tmp_path: Path):
    program = """
import os, sys, time
for number in range(3):
    os.write(1, (b"%d" % number * 1023 + b"\\n") * (16 * 1024 + 1))
    os.write(1, b"end of %d\\n" % number)
    while not os.path.exists(f"{sys.argv[1]}/go-{number}"):
        time.sleep(0.01)
os.write(1, b"last words\\n")
time.sleep(1000)
"""
    child = make(program, str(tmp_path))
    child.start()
    former = child.log_path.with_name("part.log.1")
    for number in range(3):
        until(lambda number=number: child.last_words() == f"end of {number}")
        assert child.keep_alive() is False
        assert child.log_path.stat().st_size == 0
        assert former.read_text().endswith(f"end of {number}\n")
        assert former.stat().st_size < 17 * MIB
        (tmp_path / f"go-{number}").touch()
    until(lambda: child.last_words() == "last words")
    assert child.log_path.read_text() == "last words\n", "it goes on at the new beginning"
    child.keep_alive()
    assert child.log_path.read_text() == "last words\n"


@pytest.mark.parametrize("content", ["", "one\n\ntwo\n\n"])
def test_last_words_are_the_last_line_there_is(make: MakeChild, content: str):
    child = make(WAITS)
    child.log_path.parent.mkdir()
    child.log_path.write_text(content)
    assert child.last_words() == "two" * bool(content)


def test_last_words_are_few(make: MakeChild):
    child = make(WAITS)
    child.log_path.parent.mkdir()
    child.log_path.write_bytes(b"\xff" * 10_000)
    assert len(child.last_words()) == 300


CHILD = """
import sys, time
from tradewind.core.parent_death import end_with_parent
end_with_parent(int(sys.argv[sys.argv.index("--parent") + 1]))
print("up", flush=True)
time.sleep(1000)
"""
PARENT = """
import os, sys, time
from pathlib import Path
from tradewind.serve.children import Child
child = Child("part", "acting_part", [], log_folder=Path(sys.argv[1]), environment=dict(os.environ))
child.start()
print(child.pid, flush=True)
time.sleep(1000)
"""


def test_a_child_ends_with_a_parent_that_was_killed(tmp_path: Path):
    (tmp_path / "acting_part.py").write_text(CHILD)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        log = tmp_path / "part.log"
        until(lambda: log.exists() and "up" in log.read_text())
        parent.kill()
        parent.wait(PATIENCE_S)
    assert has_ended(pid)


def test_a_child_whose_parent_ended_before_it_could_ask_ends_at_once():
    program = "from tradewind.core.parent_death import end_with_parent; end_with_parent(1 << 30)"
    ended = subprocess.run(
        [sys.executable, "-c", f"{program}; raise SystemExit(9)"],
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 0


def test_a_child_whose_parent_lives_goes_on():
    program = (
        "import os; from tradewind.core.parent_death import end_with_parent;"
        " end_with_parent(os.getppid())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"{program}; raise SystemExit(9)"],
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 9
