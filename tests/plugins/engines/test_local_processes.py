import signal
import sys
import threading
from pathlib import Path

import pytest

from tests.plugins.engines.asking import PATIENCE_S, SECRET, Answer, ask, chat, wait_gone
from tests.plugins.engines.fake_replicas import FakeReplicas
from tradewind.core.errors import StartupError
from tradewind.plugins.engines.base import Launch, LaunchFile
from tradewind.plugins.engines.fake_server import CRASH_STATUS
from tradewind.plugins.engines.health import await_ready, pauses
from tradewind.plugins.engines.local import LocalProcesses


def script(run: Path, program: str, *, files: tuple[LaunchFile, ...] = ()) -> Launch:
    return Launch(
        argv=(sys.executable, "-I", "-S", "-c", program),
        env={},
        address=str(run / "engine.sock"),
        credential=SECRET,
        files=files,
    )


def test_crash_is_known_at_once_with_its_reason(fakes: FakeReplicas):
    launch, process = fakes.ready()
    with pytest.raises(OSError):
        ask(launch, "/v1/chat/completions", chat("[[crash]]"))
    ended = process.wait(PATIENCE_S)
    assert ended is not None
    assert ended.status == CRASH_STATUS
    assert ended.reason == "ended with status 70: fake engine: asked to crash"


def test_failed_start_is_told_and_not_waited_for(fakes: FakeReplicas):
    launch = fakes.plan("--fail-start", "the model is broken")
    seen = await_ready(fakes.engine, launch, fakes.start(launch), PATIENCE_S)
    assert seen == (False, "ended with status 1: the model is broken")


def test_loading_replica_is_not_ready_and_says_so(fakes: FakeReplicas):
    launch = fakes.plan("--never-ready")
    process = fakes.start(launch)
    details = {await_ready(fakes.engine, launch, process, 0.0).detail}
    while "is loading the model" not in details:
        assert process.exit is None
        details.add(fakes.engine.probe(launch).detail)
    assert details <= {"does not listen yet", "is loading the model"}


def test_deaf_replica_is_killed_after_its_grace(fakes: FakeReplicas):
    _, process = fakes.ready("--ignore-sigterm")
    ended = fakes.engine.stop(process, grace_s=0.2)
    assert ended.status == -signal.SIGKILL
    assert "SIGTERM ignored, as asked" in fakes.log.read_text()


def test_log_is_bounded_however_much_is_written(fakes: FakeReplicas):
    launch, process = fakes.ready()
    for _ in range(20):
        ask(launch, "/v1/chat/completions", chat("[[log=100000]]"))
    fakes.engine.stop(process, PATIENCE_S)
    former = fakes.log.with_name("engine.log.1")
    assert 0 < fakes.log.stat().st_size <= 64 * 1024
    assert former.stat().st_size == 64 * 1024


def test_log_that_cannot_be_written_does_not_stop_the_answers(fakes: FakeReplicas):
    fakes.log.parent.mkdir()
    fakes.log.symlink_to("/dev/full")
    launch = fakes.plan()
    with pytest.raises(StartupError):
        fakes.start(launch)
    assert not Path(launch.files[0].path).exists(), "its key is not left behind"


def test_program_that_is_missing_is_named(processes: LocalProcesses, run_folder: Path):
    launch = Launch(argv=("/nowhere/engine",), env={}, address="/none", credential=SECRET)
    with pytest.raises(StartupError, match="'/nowhere/engine' is not a program"):
        processes.start(launch, run_folder / "log")


def test_program_that_cannot_be_executed_ends_with_a_reason(
    processes: LocalProcesses, run_folder: Path
):
    program = run_folder / "engine"
    program.write_bytes(b"\x7fELF nonsense")
    program.chmod(0o700)
    launch = Launch(argv=(str(program),), env={}, address="/none", credential=SECRET)
    ended = processes.start(launch, run_folder / "log").wait(PATIENCE_S)
    assert ended is not None
    assert ended.reason == f"ended with status 1: cannot start {program}: Exec format error"


def test_what_a_replica_started_ends_with_it(processes: LocalProcesses, run_folder: Path):
    program = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(1000)"])
print(child.pid, flush=True)
"""
    log = run_folder / "log"
    process = processes.start(script(run_folder, program), log)
    assert process.wait(PATIENCE_S) is not None
    assert wait_gone(int(log.read_text()))


def test_environment_of_the_platform_is_not_inherited(
    processes: LocalProcesses, run_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:password@host/db")
    log = run_folder / "log"
    program = "import os; print(sorted(os.environ), os.getsid(0) == os.getpid(), os.umask(0))"
    process = processes.start(script(run_folder, program), log)
    assert process.wait(PATIENCE_S) is not None
    assert "DATABASE_URL" not in log.read_text()
    assert log.read_text().endswith("True 63\n"), "a session of its own, and umask 077"


def test_link_is_placed_over_a_former_one_and_left(processes: LocalProcesses, run_folder: Path):
    link = run_folder / "libraries" / "libgomp.so.1"
    for target in ("/usr/lib/one", "/usr/lib/two"):
        file = LaunchFile(link, link_to=Path(target))
        launch = script(run_folder, "pass", files=(file,))
        assert processes.start(launch, run_folder / "log").wait(PATIENCE_S) is not None
        assert link.readlink() == Path(target)
    assert len(list(link.parent.iterdir())) == 1


def test_many_replicas_are_started_from_many_threads_and_all_closed(
    processes: LocalProcesses, run_folder: Path
):
    started: list[int] = []

    def start(number: int) -> None:
        launch = script(run_folder, "import time; time.sleep(1000)")
        process = processes.start(launch, run_folder / f"log-{number}")
        started.append(process.pid)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    processes.close(grace_s=PATIENCE_S)
    assert len(set(started)) == 8
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)
    again = processes.start(script(run_folder, "pass"), run_folder / "log")
    assert again.wait(PATIENCE_S) is not None, "after closing it can be used anew"


def test_closing_without_a_replica_does_nothing():
    LocalProcesses().close()


def test_probing_grows_slower():
    waits = [pause for pause, _ in zip(pauses(), range(60), strict=False)]
    assert waits[0] <= 0.03
    assert waits == sorted(waits)
    assert waits[-1] == 1.0


def test_answers_come_while_another_replica_floods_its_log(fakes: FakeReplicas):
    loud, _ = fakes.ready()
    quiet, _ = fakes.ready()
    flood = threading.Thread(
        target=ask, args=(loud, "/v1/chat/completions", chat("[[log=20000000]]"))
    )
    flood.start()
    answer: Answer = ask(quiet, "/v1/chat/completions", chat("hello"))
    flood.join()
    assert answer.status == 200
