"""The real `tradewind up` under load: gateway, worker and PostgreSQL are killed at random moments.

With `--kills N` and `--seed S`, as `test_kills`; here clients talk HTTP to the public port and a
real model answers. Whatever a client was told to the end is in the books once.
"""

import http.client
import json
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from accounting import Account, Ended, Promises, account_for

from tests.e2e.conftest import CHAT_MODEL
from tests.e2e.running_platform import RunningPlatform

_CLIENTS = 4
_SETTLE_S = 120
_MODULES = {"gateway": "tradewind.gateway.process", "worker": "tradewind.serve.worker"}


class Client(threading.Thread):
    """Makes one call after the other until told to stop; remembers what it was told."""

    def __init__(self, platform: RunningPlatform, number: int, stop: threading.Event) -> None:
        super().__init__(name=f"client-{number}")
        self.promises = Promises()
        self.cut = 0
        self._host, _, port = platform.light["portal_url"].removeprefix("http://").partition(":")
        self._port = int(port)
        self._key = platform.api_key
        self._stop_asked = stop
        self._is_stream = number % 2 == 0

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self._call()
            except (OSError, http.client.HTTPException):
                self.cut += 1
                self._stop_asked.wait(0.05)

    def _call(self) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
        try:
            connection.request(
                "POST",
                "/v1/chat/completions",
                json.dumps(
                    {
                        "model": CHAT_MODEL,
                        "messages": [{"role": "user", "content": "Say yes."}],
                        "max_tokens": 3,
                        "stream": self._is_stream,
                        "stream_options": {"include_usage": True} if self._is_stream else None,
                    }
                ),
                {"Authorization": f"Bearer {self._key}"},
            )
            response = connection.getresponse()
            if response.status != 200:
                response.read()
                self._stop_asked.wait(0.05)  # a part is being started again
                return
            event_id = UUID(hex=response.headers["x-request-id"].removeprefix("req_"))
            self.promises.opened.add(event_id)
            body = response.read()
        finally:
            connection.close()
        if self._is_stream:
            self._end_stream(event_id, body)
        else:
            whole, _, nanos = response.headers["x-tradewind-cost"].partition(".")
            tokens = json.loads(body)["usage"]["completion_tokens"]
            self.promises.ended[event_id] = Ended(tokens, int(whole) * 10**9 + int(nanos))

    def _end_stream(self, event_id: UUID, body: bytes) -> None:
        events = [line[6:] for line in body.splitlines() if line.startswith(b"data: ")]
        if events[-1] != b"[DONE]" or b'"error"' in body:
            return
        usage = json.loads(events[-2])["usage"]
        self.promises.ended[event_id] = Ended(usage["completion_tokens"], None)


@pytest.mark.platform
@pytest.mark.enable_socket
@pytest.mark.timeout(900)
def test_no_call_is_lost_or_doubled_whatever_part_is_killed(kills: int, seed: int) -> None:
    print(f"seed {seed}, {kills} kills")
    random_source = random.Random(seed)
    root = Path(tempfile.mkdtemp(prefix="tradewind-crash-"))
    platform = RunningPlatform(root / "data")
    stop = threading.Event()
    clients = [Client(platform, number, stop) for number in range(_CLIENTS)]
    try:
        for client in clients:
            client.start()
        for _ in range(kills):
            stop.wait(random_source.uniform(0.2, 1.5))
            kill(platform, random_source.choice(("gateway", "worker", "postgres")))
        stop.wait(1.0)
        stop.set()
        for client in clients:
            client.join(60)
            assert not client.is_alive()
        promises = merged(clients)
        account = settled(platform, promises, torn_tails_at_most=kills)
        print(f"{account}; {sum(client.cut for client in clients)} connections cut")
        assert account.faults == []
        assert account.ended > kills
    finally:
        stop.set()
        status = platform.stop()
        shutil.rmtree(root)
    assert status == 0


def kill(platform: RunningPlatform, part: str) -> None:
    """Kill one part; nothing happens to one that is just being started again."""
    try:
        if part == "postgres":
            pid_file = platform.data / "postgres" / "18" / "postmaster.pid"
            pid = int(pid_file.read_text().split("\n", 1)[0])
        else:
            pid = platform.child_pid(_MODULES[part])
        os.kill(pid, signal.SIGKILL)
    except (LookupError, FileNotFoundError, ProcessLookupError):
        return


def merged(clients: list[Client]) -> Promises:
    promises = Promises()
    for client in clients:
        promises.opened |= client.promises.opened
        promises.ended |= client.promises.ended
    return promises


def settled(platform: RunningPlatform, promises: Promises, *, torn_tails_at_most: int) -> Account:
    """Account for all once the gateway has ended and the worker has shipped what it left."""
    gateway = platform.child_pid(_MODULES["gateway"])
    os.kill(gateway, signal.SIGTERM)  # its last segment is sealed; another gateway takes its place
    deadline = time.monotonic() + _SETTLE_S
    while True:
        try:
            with platform.connect() as connection:
                account = account_for(connection, promises, torn_tails_at_most=torn_tails_at_most)
        except psycopg.OperationalError:
            account = None
        # The segment of the gateway that runs now is open and has nothing in it to wait for.
        if account is not None:
            faults = [fault for fault in account.faults if "is not finished" not in fault]
            account = account._replace(faults=faults)
            if not faults or time.monotonic() > deadline:
                return account
        assert time.monotonic() < deadline, "PostgreSQL does not answer"
        time.sleep(0.2)
