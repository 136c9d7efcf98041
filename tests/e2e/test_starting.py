"""`tradewind up` from outside: it starts, says one line, or stops; and leaves nothing behind."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import psycopg
import pytest

from tests.e2e.conftest import CHAT_MODEL
from tests.e2e.running_platform import RunningPlatform
from tests.e2e.starting_parts import (
    COMMAND,
    NOBODY,
    PATIENCE_S,
    Ended,
    await_no_process_of,
    lasting_processes_of,
    plain_user,
    processes_of,
    tradewind,
)

pytestmark = [pytest.mark.platform, pytest.mark.timeout(600), pytest.mark.enable_socket]

ONCE = ("up", "--once", "--json", "--port", "0", "--data")
KEYS = {
    *("ready_s", "ttft_ms", "model", "question", "answer", "usage", "cost", "currency"),
    *("base_url", "portal_url", "sign_in_url", "api_key"),
}


class First(NamedTuple):
    data: Path
    temporary: Path
    """What it took for the system's temporary folder."""
    ended: Ended
    left: dict[int, str]
    """The processes that ran when it had ended."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tradewind-e2e-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def first(folder: Path) -> First:
    """What `up --once --json` did on an empty data folder."""
    data, temporary = folder / "data", folder / "tmp"
    temporary.mkdir()
    ended = tradewind(*ONCE, data, environment={"TMPDIR": str(temporary)})
    return First(data, temporary, ended, processes_of(data))


@pytest.fixture(scope="module")
def second(first: First) -> Iterator[RunningPlatform]:
    """The next `up` on that data folder."""
    assert first.ended.status == 0, first.ended.stderr
    running = RunningPlatform(first.data)
    yield running
    assert running.stop() == 0
    assert processes_of(first.data) == {}


def call(base_url: str, key: str, **members: object) -> http.client.HTTPResponse:
    """Make a small chat call; return its answer, read to the end."""
    parts = urlsplit(base_url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_S)
    question = {
        "model": CHAT_MODEL,
        "messages": [{"role": "user", "content": "Say yes."}],
        "max_tokens": 3,
        **members,
    }
    headers = {"Authorization": f"Bearer {key}"}
    connection.request("POST", f"{parts.path}/chat/completions", json.dumps(question), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def has_event(platform: RunningPlatform, request_id: str) -> bool:
    event_id = UUID(hex=request_id.removeprefix("req_"))
    try:
        return bool(platform.query("SELECT 1 FROM usage_event WHERE event_id = %s", event_id))
    except psycopg.OperationalError:
        return False  # it is just being started again


# What it prints.


def test_the_last_line_is_one_json_object_with_what_the_first_call_showed(first: First):
    light = first.ended.light
    assert set(light) == KEYS
    assert light["model"] == CHAT_MODEL
    assert light["question"] == "Why is the sky blue? Answer in one sentence."
    assert light["answer"]
    assert light["usage"]["total_tokens"] == (
        light["usage"]["prompt_tokens"] + light["usage"]["completion_tokens"]
    )
    assert float(light["cost"]) > 0
    assert light["currency"] == "USD"
    assert 0 < light["ttft_ms"] / 1000 < light["ready_s"]
    assert light["base_url"] == f"{light['portal_url']}/v1"
    assert light["sign_in_url"].startswith(f"{light['portal_url']}/sign-in?code=")
    assert light["api_key"].startswith("sk-tw-")


def test_once_ends_and_leaves_no_process_and_no_run_folder(first: First):
    assert first.ended.status == 0
    assert first.left == {}
    assert list(first.temporary.iterdir()) == []


def test_the_key_is_shown_and_nowhere_written_down(first: First):
    key = first.ended.light["api_key"].encode()
    for path in first.data.rglob("*"):
        if path.is_file():
            assert key not in path.read_bytes(), path


def test_a_person_is_told_how_to_go_on_and_the_curl_line_works_when_pasted(data_root: Path):
    if shutil.which("curl") is None:
        pytest.skip("curl is missing")
    told = data_root / "stdout"
    with told.open("wb") as stdout, (data_root / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "up", "--port", "0", "--data", data_root / "data"],
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, "COLUMNS": "40"},
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "Ctrl-C" not in told.read_text():
            assert process.poll() is None, (data_root / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        lines = told.read_text().splitlines()
        rows = {line[:14].strip(): line[14:] for line in lines if len(line) > 14}
        assert rows["Question"] == "Why is the sky blue? Answer in one sentence."
        assert rows["Answer"]
        assert re.fullmatch(r"[1-9][0-9]* in, [1-9][0-9]* out", rows["Tokens"])
        assert re.fullmatch(r"0\.0*[1-9][0-9]* USD", rows["Price"])
        assert rows["First token"].endswith(f" ms, by {CHAT_MODEL}")
        assert re.fullmatch(
            r"http://\S+/sign-in\?code=\S+  \(once, within an hour\)", rows["Sign in"]
        )
        assert rows["API key"].endswith("  (shown once)")
        key = rows["API key"].removesuffix("  (shown once)")
        assert call(rows["Base URL"], key).status == 200
        [pasted] = [line for line in lines if line.startswith("curl ")]
        answered = subprocess.run(
            ["sh", "-c", pasted], capture_output=True, timeout=PATIENCE_S, check=True
        )
        assert json.loads(answered.stdout)["choices"][0]["message"]["content"]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


# The next start.


def test_a_second_start_shows_no_key_and_the_first_one_still_works(
    first: First, second: RunningPlatform
):
    assert set(second.light) == KEYS
    assert second.light["api_key"] is None
    assert call(second.base_url, first.ended.light["api_key"]).status == 200


def test_a_second_start_keeps_usage_and_history(first: First, second: RunningPlatform):
    usage = first.ended.light["usage"]
    rows = second.query(
        "SELECT input_tokens, output_tokens FROM usage_event ORDER BY at, event_id LIMIT 1"
    )
    assert rows == [(usage["prompt_tokens"], usage["completion_tokens"])]
    assert second.query("SELECT count(*) FROM organization") == [(1,)]
    assert second.query("SELECT count(*) FROM price") == [(2,)]
    assert second.query("SELECT count(*) FROM api_key WHERE purpose = 'client'") == [(1,)]


def test_secrets_and_sockets_are_for_their_owner_alone(second: RunningPlatform):
    modes = {
        path: (second.data / path).stat().st_mode & 0o777
        for path in ("lock", "secrets", "secrets/pepper", "logs", "run/control.sock")
    }
    assert modes == {
        "lock": 0o600,
        "secrets": 0o700,
        "secrets/pepper": 0o600,
        "logs": 0o700,
        "run/control.sock": 0o600,
    }
    assert (second.data / "run").stat().st_mode & 0o066 == 0


# The way back in.


def test_a_new_sign_in_link_of_a_running_platform_opens_the_portal(second: RunningPlatform):
    ended = tradewind("sign-in-link", "--data", second.data)
    assert (ended.status, ended.stderr) == (0, "")
    link = urlsplit(ended.stdout.strip())
    origin = f"{link.scheme}://{link.netloc}"
    assert origin == second.light["portal_url"]
    former = urlsplit(second.light["sign_in_url"])
    assert press(origin, former.query) == (401, None)
    status, cookie = press(origin, link.query)
    assert status == 303
    assert cookie is not None


def press(origin: str, query: str) -> tuple[int, str | None]:
    """Press the button behind a sign-in link; return the status and the cookie."""
    connection = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=PATIENCE_S)
    code = query.removeprefix("code=")
    headers = {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/sign-in/link", urlencode({"code": code}), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers["set-cookie"]


def test_without_a_running_platform_a_sign_in_link_is_one_line(data_root: Path):
    (data_root / "lock").touch()
    ended = tradewind("sign-in-link", "--data", data_root)
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"tradewind: no platform runs on {data_root} (start it with `tradewind up`)\n"
    )


# What keeps it from starting.


def assert_one_line(ended: Ended, data: Path, line: str) -> None:
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"tradewind: {line}")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.endswith(")\n"), "what to do stands in brackets"
    assert processes_of(data) == {}
    assert not os.path.lexists(data / "run")


def test_a_port_in_use_is_one_line(data_root: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = tradewind("up", "--port", str(port), "--data", data_root / "data")
    assert_one_line(ended, data_root / "data", f"port {port} on 127.0.0.1 is in use")


def test_a_data_folder_in_use_is_one_line_and_its_platform_goes_on(platform: RunningPlatform):
    before = lasting_processes_of(platform.data)
    ended = tradewind("up", "--port", "0", "--data", platform.data)
    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"tradewind: the data folder {platform.data} is in use by process {platform.process.pid}"
        " (stop that one or choose another with --data)\n"
    )
    assert lasting_processes_of(platform.data) == before
    assert call(platform.base_url, platform.api_key).status == 200


def test_a_data_folder_of_somebody_else_is_one_line(data_root: Path):
    data = data_root / "data"
    data.mkdir(mode=0o555)
    data_root.chmod(0o755)
    ended = tradewind("up", "--port", "0", "--data", data, prefix=plain_user())
    assert_one_line(ended, data, f"the data folder {data} cannot be used: it is not writable")


def test_folders_of_somebody_else_within_the_data_folder_are_one_line(data_root: Path):
    """As after one start as root, when the folder itself was given away later."""
    prefix = plain_user()
    if not prefix:
        pytest.skip("only root can make folders of somebody else")
    data = data_root / "data"
    (data / "logs").mkdir(parents=True, mode=0o700)
    os.chown(data, NOBODY, NOBODY)
    data_root.chmod(0o755)
    ended = tradewind("up", "--port", "0", "--data", data, prefix=prefix)
    assert_one_line(ended, data, "the platform cannot start: [Errno 13] Permission denied")


def test_a_full_disk_is_one_line(data_root: Path):
    disk = data_root / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system, and not in every container")
    try:
        ended = tradewind("up", "--port", "0", "--data", disk / "data")
        assert_one_line(ended, disk / "data", "only 100 MiB are free where the data folder")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_lost_pepper_is_one_line_and_voids_no_key(data_root: Path):
    data = data_root / "data"
    key = tradewind("up", "--once", "--json", "--port", "0", "--data", data).light["api_key"]
    pepper = data / "secrets" / "pepper"
    kept = pepper.rename(data_root / "pepper")
    for _ in range(2):
        ended = tradewind("up", "--port", "0", "--data", data)
        told = ended._replace(stderr=ended.stderr.splitlines(keepends=True)[-1])
        assert_one_line(told, data, f"the key pepper {pepper} is missing")
    kept.rename(pepper)
    running = RunningPlatform(data)
    try:
        assert call(running.base_url, key).status == 200
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("TRADEWIND_MAX_BODY_BYTES", "much", "the setting TRADEWIND_MAX_BODY_BYTES is wrong: "),
        ("TRADEWIND_LLAMA_SERVER", "/nowhere/l", "there is no llama-server at '/nowhere/l' (see "),
    ],
)
def test_a_wrong_setting_is_one_line(data_root: Path, setting: str, value: str, line: str):
    data = data_root / "data"
    ended = tradewind("up", "--port", "0", "--data", data, environment={setting: value})
    assert_one_line(ended, data, line)


# Where it listens, lies and runs.


def test_before_there_is_an_administrator_it_listens_on_loopback_only(data_root: Path):
    platform = RunningPlatform(data_root / "data", "--host", "0.0.0.0")
    try:
        port = urlsplit(platform.base_url).port
        assert port is not None
        assert listening_addresses(port) == {"127.0.0.1"}
        assert urlsplit(platform.base_url).hostname == "127.0.0.1"
        assert "Listening on 127.0.0.1 only: no administrator" in platform.stderr()
        assert call(platform.base_url, platform.api_key).status == 200
    finally:
        status = platform.stop()
    assert status == 0


def listening_addresses(port: int) -> set[str]:
    """Return where this machine listens on a TCP port, as the kernel tells it (proc(5))."""
    found: set[str] = set()
    for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            address, _, number = fields[1].partition(":")
            if fields[3] == "0A" and int(number, 16) == port:
                words = [bytes.fromhex(address[at : at + 8]) for at in range(0, len(address), 8)]
                found.add(socket.inet_ntop(family, b"".join(word[::-1] for word in words)))
    return found


def test_a_data_folder_may_have_a_long_and_unusual_path(data_root: Path):
    data = data_root / "räume, 'two words'"
    data = data / ("d" * (150 - len(str(data)) - 1))
    assert len(str(data)) == 150
    temporary = data_root / "tmp"
    temporary.mkdir()
    ended = tradewind(*ONCE, data, environment={"TMPDIR": str(temporary)})
    assert ended.light["api_key"].startswith("sk-tw-")
    assert processes_of(data) == {}
    assert not os.path.lexists(data / "run")
    assert list(temporary.iterdir()) == []


def test_it_runs_as_a_plain_user(data_root: Path):
    prefix = plain_user()
    home = data_root / "home"
    home.mkdir()
    data_root.chmod(0o755)
    if prefix:
        os.chown(home, NOBODY, NOBODY)
    data = home / "data"
    environment = {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    ended = tradewind(*ONCE, data, prefix=prefix, environment=environment)
    assert ended.light["answer"]
    assert {path.stat().st_uid for path in data.rglob("*")} == {home.stat().st_uid}
    assert processes_of(data) == {}


# How it stops.


@pytest.fixture(scope="module")
def interrupted(folder: Path) -> Path:
    """A data folder that every interrupted start uses after the other."""
    return folder / "interrupted"


@pytest.mark.parametrize(
    ("number", "when"),
    [
        (signal.SIGINT, "lock"),
        (signal.SIGTERM, "gateway started"),
        (signal.SIGINT, "PostgreSQL is ready"),
        (signal.SIGHUP, "database is prepared"),
        (signal.SIGTERM, "started after"),
        (signal.SIGTERM, "ready"),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else value,
)
def test_a_signal_stops_everything_at_any_moment(
    interrupted: Path, number: signal.Signals, when: str
):
    log = interrupted / "logs" / "up.log"
    log.unlink(missing_ok=True)
    with tempfile.TemporaryFile("w+") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "up", "--json", "--port", "0", "--data", interrupted],
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        try:
            assert process.stdout is not None
            if when == "ready":
                assert process.stdout.readline().startswith(b"{")
            else:
                await_moment(process, log, when)
            for _ in range(3):  # as an impatient person presses Ctrl-C
                process.send_signal(number)
            rest, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            process.wait()
        stderr.seek(0)
        assert process.returncode == 0, stderr.read()
    assert rest == b""
    assert processes_of(interrupted) == {}
    assert not os.path.lexists(interrupted / "run")


def await_moment(process: subprocess.Popen[bytes], log: Path, when: str) -> None:
    """Wait until the log tells that the start has come so far."""
    lock = log.parent.parent / "lock"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        if when == "lock":
            holder = lock.read_text() if lock.exists() else ""
            if holder == f"{process.pid}\n":
                return
        elif log.exists() and when in log.read_text():
            return
        time.sleep(0.005)


def test_killed_it_takes_every_process_along_and_the_next_start_works(data_root: Path):
    data = data_root / "data"
    platform = RunningPlatform(data)
    key, running = platform.api_key, processes_of(data)
    assert call(platform.base_url, key).status == 200
    platform.process.kill()
    platform.process.wait(PATIENCE_S)
    await_no_process_of(data)
    assert len(running) > 6, "up, gateway, control, worker, two engines and PostgreSQL"
    platform.stop()
    again = RunningPlatform(data)
    try:
        assert again.light["api_key"] is None
        assert call(again.base_url, key).status == 200
        assert again.query("SELECT count(*) >= 3 FROM usage_event") == [(True,)]
    finally:
        status = again.stop()
    assert status == 0


# While parts of it are away.


def test_calls_are_answered_while_database_and_control_plane_are_down(
    first: First, second: RunningPlatform
):
    key = first.ended.light["api_key"]
    pids = [
        int((second.data / "postgres" / "18" / "postmaster.pid").read_text().split("\n", 1)[0]),
        second.child_pid("tradewind.serve.control"),
        second.child_pid("tradewind.serve.worker"),
    ]
    # Held still, `up` starts nothing again: they are down for as long as this takes.
    second.process.send_signal(signal.SIGSTOP)
    try:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            second.connect().close()
        answers = [call(second.base_url, key, stream=number % 2 == 1) for number in range(20)]
        assert [answer.status for answer in answers] == [200] * 20
        refused = call(second.base_url, key[:-1] + ("0" if key[-1] != "0" else "1"))
        assert refused.status == 401
        assert portal_status(second) in (502, 503)
    finally:
        second.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + PATIENCE_S
    for answer in answers:
        request_id = answer.headers["x-request-id"]
        while not has_event(second, request_id):
            assert time.monotonic() < deadline, f"{request_id} never reached the books"
            time.sleep(0.05)
    while portal_status(second) != 200:
        assert time.monotonic() < deadline, "the portal never came back"
        time.sleep(0.05)


def portal_status(platform: RunningPlatform) -> int:
    netloc = urlsplit(platform.base_url).netloc
    connection = http.client.HTTPConnection(netloc, timeout=PATIENCE_S)
    connection.request("GET", "/sign-in")
    status = connection.getresponse().status
    connection.close()
    return status
