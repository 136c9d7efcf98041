"""Parts of the real platform are away for a while under load, and no caller notices.

Calls go on without a failure meanwhile; what they used is in the books afterwards, once.
`TRADEWIND_TEST_OUTAGE_S=60` keeps the database away for as long as the proof.
"""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from tests.e2e.conftest import CHAT_MODEL
from tests.e2e.running_platform import RunningPlatform

# It knows only promises and tables, and lies with the tests that kill at random moments.
sys.path.append(str(Path(__file__).parents[1] / "crash"))

from accounting import Account, Ended, Promises, account_for

pytestmark = [pytest.mark.platform, pytest.mark.enable_socket, pytest.mark.timeout(900)]
OUTAGE_S = float(os.environ.get("TRADEWIND_TEST_OUTAGE_S", "15"))
CLIENTS = 4
PATIENCE_S = 180
GATEWAY = "tradewind.gateway.process"
WORKER = "tradewind.serve.worker"
CONTROL = "tradewind.serve.control"


class Caller(threading.Thread):
    """Makes one call after the other until told to stop. Every call has to go well."""

    def __init__(self, port: int, key: str, number: int) -> None:
        super().__init__(name=f"caller-{number}")
        self.promises = Promises()
        self.failures: list[str] = []
        self._port, self._key = port, key
        self._is_stream = number % 2 == 0
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self._call()
            except (OSError, http.client.HTTPException, KeyError, ValueError) as error:
                self.failures.append(repr(error))

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(PATIENCE_S)
        assert not self.is_alive()

    def _call(self) -> None:
        answer = ask(self._port, self._key, is_stream=self._is_stream)
        if answer.status != 200:
            self.failures.append(f"{answer.status}: {answer.body[:300]!r}")
            return
        if self._is_stream:
            events = [line[6:] for line in answer.body.splitlines() if line[:6] == b"data: "]
            if events[-1] != b"[DONE]" or b'"error"' in answer.body:
                self.failures.append(f"cut: {answer.body[-300:]!r}")
                return
            ended = Ended(json.loads(events[-2])["usage"]["completion_tokens"], None)
        else:
            whole, _, nanos = answer.headers["x-tradewind-cost"].partition(".")
            tokens = json.loads(answer.body)["usage"]["completion_tokens"]
            ended = Ended(tokens, int(whole) * 10**9 + int(nanos))
        self.promises.ended[answer.event_id] = ended


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> UUID:
        return UUID(hex=self.headers["x-request-id"].removeprefix("req_"))


def ask(port: int, key: str, *, is_stream: bool = False, path: str = "") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        if path:
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        else:
            members: dict[str, Any] = {
                "model": CHAT_MODEL,
                "messages": [{"role": "user", "content": "Say yes."}],
                "max_tokens": 3,
            }
            if is_stream:
                members |= {"stream": True, "stream_options": {"include_usage": True}}
            connection.request(
                "POST",
                "/v1/chat/completions",
                json.dumps(members),
                {"Authorization": f"Bearer {key}"},
            )
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())
    finally:
        connection.close()


@contextlib.contextmanager
def load(port: int, key: str) -> Iterator[list[Caller]]:
    """Keep callers calling for the time of the block. None of their calls may fail."""
    callers = [Caller(port, key, number) for number in range(CLIENTS)]
    for caller in callers:
        caller.start()
    try:
        yield callers
    finally:
        for caller in callers:
            caller.stop()
    assert [failure for caller in callers for failure in caller.failures] == []


@pytest.fixture(scope="module")
def running() -> Iterator[RunningPlatform]:
    root = Path(tempfile.mkdtemp(prefix="tradewind-outages-"))
    platform = RunningPlatform(root / "data")
    yield platform
    status = platform.stop()
    shutil.rmtree(root)
    assert status == 0


@pytest.fixture(scope="module")
def promises() -> Promises:
    """Of all tests of this file, since all calls are in the same books."""
    return Promises()


def port_of(platform: RunningPlatform) -> int:
    return int(platform.light["portal_url"].rpartition(":")[2].rstrip("/"))


def postmaster(platform: RunningPlatform) -> int:
    file = platform.data / "postgres" / "18" / "postmaster.pid"
    return int(file.read_text().split("\n", 1)[0])


@contextlib.contextmanager
def held_still(platform: RunningPlatform) -> Iterator[None]:
    """Hold `up` still, so that it starts nothing again that ends meanwhile.

    What its engines log is read here instead: they would wait for room in a full pipe.
    """
    logs = [
        os.open(output, os.O_RDONLY | os.O_NONBLOCK)
        for output in outputs_of_children(platform.process.pid)
        if output.is_fifo()
    ]
    is_over = threading.Event()
    reader = threading.Thread(target=read_away, args=(logs, is_over))
    platform.process.send_signal(signal.SIGSTOP)
    reader.start()
    try:
        yield
    finally:
        platform.process.send_signal(signal.SIGCONT)
        is_over.set()
        reader.join()
        for log in logs:
            os.close(log)


def outputs_of_children(pid: int) -> list[Path]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [Path(f"/proc/{child}/fd/1") for each in lists for child in each.read_text().split()]


def read_away(pipes: list[int], is_over: threading.Event) -> None:
    while not is_over.wait(0.02):
        for pipe in pipes:
            with contextlib.suppress(BlockingIOError):
                os.read(pipe, 1024 * 1024)


def end(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """End a process and wait until it has, also when its parent is held still."""
    descriptor = os.pidfd_open(pid)
    try:
        os.kill(pid, number)
        ended, _, _ = select.select([descriptor], [], [], PATIENCE_S)
    finally:
        os.close(descriptor)
    assert ended, f"process {pid} still runs"


def is_database_there(platform: RunningPlatform) -> bool:
    try:
        platform.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def wait_for_another_call(callers: list[Caller]) -> None:
    """Wait until each of them has made two calls more: the second one has begun after this."""
    before = [len(caller.promises.ended) for caller in callers]
    deadline = time.monotonic() + PATIENCE_S
    for caller, seen in zip(callers, before, strict=True):
        while len(caller.promises.ended) < seen + 2 and not caller.failures:
            assert time.monotonic() < deadline, f"{caller.name} still waits for an answer"
            time.sleep(0.05)


def gather(callers: list[Caller], promises: Promises) -> int:
    """Add what callers were told to what was promised; return how many calls they made."""
    made = 0
    for caller in callers:
        promises.ended |= caller.promises.ended
        made += len(caller.promises.ended)
    return made


def assert_all_is_in_the_books(platform: RunningPlatform, promises: Promises) -> None:
    """Once the gateway has sealed what it wrote and all of it was shipped."""
    with contextlib.suppress(LookupError):
        os.kill(platform.child_pid(GATEWAY), signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    account: Account | None = None
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError), platform.connect() as connection:
            account = account_for(connection, promises, torn_tails_at_most=0)
        # The segment of the gateway that runs now is open, and nothing is in it.
        if account and not [each for each in account.faults if "is not finished" not in each]:
            return
        time.sleep(0.2)
    log = (platform.data / "logs" / "worker.log").read_text(errors="replace")
    raise AssertionError(f"{account}\n{log[-3000:]}")


def other_than(key: str) -> str:
    """Return a key that nobody has."""
    return key[:-1] + ("y" if key.endswith("x") else "x")


def test_no_call_fails_while_the_database_is_stopped(running: RunningPlatform, promises: Promises):
    port, key = port_of(running), running.api_key
    with load(port, key) as callers:
        time.sleep(2)
        with held_still(running):
            end(postmaster(running), signal.SIGINT)
            assert not is_database_there(running)
            time.sleep(OUTAGE_S)
            wait_for_another_call(callers)
            assert not is_database_there(running), "it was away all that time"
            assert ask(port, key, path="/v1/models").status == 200
            assert ask(port, other_than(key), path="/v1/models").status == 401
        time.sleep(2)
    assert gather(callers, promises) > 0
    assert_all_is_in_the_books(running, promises)


def test_no_call_fails_while_the_database_hangs(running: RunningPlatform, promises: Promises):
    """Nothing is refused and nothing is closed: whoever asked it waits."""
    port, key = port_of(running), running.api_key
    server = postmaster(running)
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    with load(port, key) as callers:
        time.sleep(1)
        held = [server, *map(int, children)]
        for pid in held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(OUTAGE_S)
            wait_for_another_call(callers)
        finally:
            for pid in held:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    assert gather(callers, promises) > 0
    assert_all_is_in_the_books(running, promises)


def test_no_call_fails_while_the_worker_is_away(running: RunningPlatform, promises: Promises):
    port, key = port_of(running), running.api_key
    with load(port, key) as callers:
        time.sleep(1)
        with held_still(running):
            end(running.child_pid(WORKER))
            time.sleep(OUTAGE_S / 3)
            wait_for_another_call(callers)
    assert gather(callers, promises) > 0
    assert_all_is_in_the_books(running, promises)


def test_a_gateway_starts_alone_from_its_last_snapshot_and_serves(
    running: RunningPlatform, promises: Promises, tmp_path: Path
):
    """With no control plane, no worker and no database: as after a machine lost all but its disk
    and its engines.
    """
    key = running.api_key
    config = json.loads((running.data / "run" / "gateway.json").resolve().read_text())
    config |= {"listen_fd": None, "host": "127.0.0.1", "port": 0, "node": "alone"}
    path = tmp_path / "alone.json"
    path.write_text(json.dumps(config))
    # The tests before end the gateway, and `up` has to have started it again.
    assert ask(port_of(running), key, path="/healthz").status == 200
    with held_still(running):
        for module in (CONTROL, WORKER, GATEWAY):
            end(running.child_pid(module))
        end(postmaster(running))
        assert not is_database_there(running)
        with started(path) as port:
            assert ask(port, key, path="/healthz").status == 200
            models = json.loads(ask(port, key, path="/v1/models").body)["data"]
            assert CHAT_MODEL in [model["id"] for model in models]
            assert ask(port, other_than(key), path="/v1/models").status == 401
            assert ask(port, key, path="/sign-in").status in (502, 503)
            with load(port, key) as callers:
                time.sleep(OUTAGE_S / 3)
                wait_for_another_call(callers)
    assert gather(callers, promises) > 0
    assert_all_is_in_the_books(running, promises)
    with running.connect() as connection:
        writers = connection.execute("SELECT DISTINCT node FROM journal_segment").fetchall()
    assert ("alone",) in writers


@contextlib.contextmanager
def started(config: Path) -> Iterator[int]:
    """Run a gateway of its own; the value is its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", GATEWAY, "--config", str(config)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(b"listening "), line
        yield int(line.rpartition(b":")[2])
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout is not None
        process.stdout.close()
