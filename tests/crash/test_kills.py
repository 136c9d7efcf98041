"""Gateway, shipper and PostgreSQL are killed at random moments under load; every call counts once.

With `--kills N` and `--seed S`. The same seed kills the same processes after the same waits, which
is as much as processes let themselves be repeated.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from accounting import Ended, Promises, account_for
from mortal_server import PATIENCE_S, kill_server, own_server

import tradewind
from tradewind.db.database import Database
from tradewind.migrations.tables import load_tables
from tradewind.usage.segments import list_segments

_HERE = Path(__file__).parent
_SOURCES = str(Path(tradewind.__file__).parents[1])


class Act:
    """One of the two acting processes, through all its lives."""

    def __init__(self, program: str, arguments: Callable[[], list[str]], database_url: str) -> None:
        self._program = program
        self._arguments = arguments
        self._environment = {
            **os.environ,
            "PYTHONPATH": _SOURCES,
            "DATABASE_URL": database_url,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._is_ready = threading.Event()
        self.promises = Promises()
        self.start()

    def start(self) -> None:
        self._is_ready.clear()
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / self._program), *self._arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,))
        self._reader.start()

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        assert self._is_ready.wait(PATIENCE_S), "before that, it would be killed like by any signal"
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, reader = self._process, self._reader
        assert process is not None
        assert reader is not None
        process.send_signal(number)
        status = process.wait(PATIENCE_S)
        reader.join(PATIENCE_S)
        assert process.stdin is not None
        process.stdin.close()
        return status

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                # What the kill cut in the middle was never seen by a client.
                if line.endswith(b"\n"):
                    self._note(line.decode().split())

    def _note(self, words: list[str]) -> None:
        if words == ["ready"]:
            self._is_ready.set()
            return
        event_id = UUID(hex=words[1])
        match words[0]:
            case "open":
                self.promises.opened.add(event_id)
            case "progress":
                self.promises.progress[event_id] = int(words[2])
            case _:
                self.promises.ended[event_id] = Ended(int(words[2]), int(words[3]))


@pytest.mark.postgres
@pytest.mark.timeout(0)
def test_no_call_is_lost_or_doubled_when_everything_is_killed(
    tmp_path: Path, kills: int, seed: int
):
    print(f"--kills {kills} --seed {seed}")
    chance = random.Random(seed)
    journal = tmp_path / "journal"
    journal.mkdir()
    with own_server(tmp_path / "data") as server:
        database = Database(server.url, application_name="crash-test")
        with database.transaction() as tx:
            load_tables().create_all(tx)
        gateway = Act(
            "acting_gateway.py",
            lambda: [
                str(journal),
                str(chance.randrange(10**9)),
                chance.choice(["process", "disk"]),
            ],
            server.url,
        )
        shipper = Act("acting_shipper.py", lambda: [str(journal)], server.url)
        gateway_kills = 0
        try:
            for number in range(kills):
                time.sleep(chance.uniform(0.2, 1.2))
                victims = chance.choices(
                    [["gateway"], ["shipper"], ["server"], ["gateway", "server"]], [5, 4, 3, 1]
                )[0]
                print(f"{number + 1}: {' and '.join(victims)}")
                if "server" in victims:
                    print(f"   {kill_server(server, chance)}")
                if "gateway" in victims:
                    gateway_kills += 1
                    gateway.kill()
                    gateway.start()
                if "shipper" in victims:
                    shipper.kill()
                    time.sleep(chance.uniform(0, 0.3))
                    shipper.start()
                if "server" in victims:
                    time.sleep(chance.uniform(0, 0.5))
                    server.start()
                    server.wait_ready()
            assert gateway.stop() == 0
            deadline = time.monotonic() + PATIENCE_S
            while list_segments(journal):
                assert time.monotonic() < deadline, "the journal is not drained"
                time.sleep(0.05)
        finally:
            gateway.kill()
            status = shipper.stop()
        assert status == 0
        with database.connect_raw(autocommit=True) as connection:
            account = account_for(connection, gateway.promises, torn_tails_at_most=gateway_kills)
        database.close()
    print(f"{account.events} events, {account.ended} ended calls, {account.orphans} orphans")
    assert account.faults == [], f"--seed {seed}"
    assert account.ended > 0
    assert account.orphans > 0
