"""How fast a model comes in: a file of gigabytes through the public port to its place in the store.

    python -m bench.upload [--size-mb 5000] [--connections 3] [--sealed] [--folder DIR] [--json]

Starts the platform, makes a GGUF file of that size, uploads it in parts over some connections as a
client would, completes it and waits until it is ready. The figure is end to end: from the first
request to the answer `ready`, with digest, scan and everything on disk. Memory is what the
processes hold for themselves (PSS): at the start, at the most, and by how much the second half of
the file took more than the first. Nothing may grow with the file.
"""

import argparse
import concurrent.futures
import hashlib
import http.client
import json
import os
import queue
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

from bench.processes import pss_mb
from tradewind.core.data_folder import DataFolder
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.db.database import Database
from tradewind.db.embedded import url_of_running
from tradewind.features.accounts.schemas import KeyPurpose
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import build_services

AIM_MB_S = 150
MOST_GROWTH_MB = 32
"""Of what a process holds, between the halves of a file."""
_MB = 1_000_000
_TICKS = os.sysconf("SC_CLK_TCK")
_ROW = 1024
_LOOK_EVERY_S = 0.25


class _Operator:
    """Whoever runs the benchmark may make a key for it."""

    user_id = None

    def __init__(self, organization_id: OrganizationId, project_id: ProjectId) -> None:
        self.organization_id = organization_id
        self.project_id = project_id

    def may(self, permission: Permission) -> bool:
        return permission in Permission


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.upload")
    parser.add_argument("--size-mb", type=int, default=5000)
    parser.add_argument("--connections", type=int, default=3)
    parser.add_argument("--sealed", action="store_true")
    parser.add_argument("--folder", type=Path, help="where file and data folder are made")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-", dir=options.folder) as name:
        folder = Path(name)
        folder.chmod(0o711)
        source = folder / "model.gguf"
        sha256 = make_gguf(source, options.size_mb * _MB)
        with Platform(folder / "data") as platform:
            platform.wait_until_up()
            figures = upload(platform, source, sha256, options.connections, options.sealed)
    if options.json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key:>24} {value}")
    grown = max(value for key, value in figures.items() if key.endswith("_growth"))
    return 0 if figures["mb_per_s"] >= AIM_MB_S and grown <= MOST_GROWTH_MB else 1


def make_gguf(path: Path, size: int) -> str:
    """Write a GGUF file of about this many bytes, which compresses to nothing less; return its
    digest.
    """
    rows = size // (_ROW * 4)
    name = b"token_embd.weight"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    key, value = b"general.architecture", b"llama"
    head += struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(value)) + value
    head += struct.pack("<Q", len(name)) + name + struct.pack("<IQQIQ", 2, _ROW, rows, 0, 0)
    head += bytes(-len(head) % 32)
    noise = os.urandom(64 * 1024 * 1024)
    digest = hashlib.sha256()
    left = rows * _ROW * 4
    with path.open("wb", buffering=0) as stream:
        for piece in [head, *([noise] * (left // len(noise))), noise[: left % len(noise)]]:
            stream.write(piece)
            digest.update(piece)
        os.fsync(stream.fileno())
    return digest.hexdigest()


def upload(
    platform: "Platform", source: Path, sha256: str, connections: int, is_sealed: bool
) -> dict[str, Any]:
    """Upload, complete, wait. Raises AssertionError when the platform answers otherwise."""
    size = source.stat().st_size
    before = platform.cpu_seconds()
    memory = Memory(platform)
    began = time.perf_counter()
    first = Client(platform)
    begun = first.json(
        "POST",
        "/api/uploads",
        {
            "name": source.name,
            "size": size,
            "sha256": sha256,
            "visibility": "sealed" if is_sealed else "open",
        },
    )
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(1, begun["parts"] + 1):
        numbers.put(number)

    def send() -> None:
        client, part = Client(platform), begun["part_size"]
        descriptor = os.open(source, os.O_RDONLY)
        try:
            while True:
                try:
                    number = numbers.get_nowait()
                except queue.Empty:
                    return
                body = os.pread(descriptor, part, (number - 1) * part)
                client.put(f"/api/uploads/{begun['id']}/parts/{number}", body)
        finally:
            os.close(descriptor)

    with concurrent.futures.ThreadPoolExecutor(connections) as pool:
        for done in [pool.submit(send) for _ in range(connections)]:
            done.result()
    sent = time.perf_counter()
    answer = first.json("POST", f"/api/uploads/{begun['id']}/complete", None)
    while answer["state"] == "checking":
        time.sleep(0.02)
        answer = first.json("GET", f"/api/uploads/{begun['id']}", None)
    ended = time.perf_counter()
    assert answer["state"] == "ready", answer
    assert answer["sha256"] == sha256
    after = platform.cpu_seconds()
    return {
        "size_mb": round(size / _MB),
        "connections": connections,
        "mb_per_s": round(size / _MB / (ended - began), 1),
        "sending_s": round(sent - began, 2),
        "checking_s": round(ended - sent, 2),
        **{f"cpu_s_{part}": round(after[part] - before[part], 2) for part in after},
        **memory.stop(),
    }


class Client:
    """One connection to the public port."""

    def __init__(self, platform: "Platform") -> None:
        host = platform.light["base_url"].split("//")[1].split("/")[0]
        self._connection = http.client.HTTPConnection(host, timeout=600, blocksize=1024 * 1024)
        self._headers = {"authorization": f"Bearer {platform.key}"}

    def json(self, method: str, path: str, body: object) -> dict[str, Any]:
        content = None if body is None else json.dumps(body)
        headers = {**self._headers, "content-type": "application/json"}
        return self._ask(method, path, content, headers)

    def status(self, path: str) -> int:
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def put(self, path: str, body: bytes) -> None:
        self._ask("PUT", path, body, self._headers)

    def _ask(
        self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]
    ) -> dict[str, Any]:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 300, (answer.status, content[:500])
        read: dict[str, Any] = json.loads(content)
        return read


class Platform:
    """`tradewind up` on a data folder of its own, with a management key."""

    _PARTS = ("tradewind.gateway", "tradewind.serve.control", "tradewind.serve.worker")

    def __init__(self, data: Path) -> None:
        self._data = data
        command = [sys.executable, "-m", "tradewind.cli", "up", "--json", "--port", "0"]
        self._log = (data.parent / "up.log").open("wb")
        self._process = subprocess.Popen(
            [*command, "--data", str(data)], stdout=subprocess.PIPE, stderr=self._log
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (data.parent / "up.log").read_text()[-2000:]
        self.light: dict[str, Any] = json.loads(line)
        self.key = self._make_key()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(120)
        self._log.close()

    def wait_until_up(self) -> None:
        """Return when the control plane answers: its start is not what is measured."""
        client = Client(self)
        while client.status("/api/artifacts") != http.client.OK:
            time.sleep(0.1)

    def pids(self) -> dict[str, int]:
        """Return the processes by the last word of their module."""
        found: dict[str, int] = {}
        own = str(self._process.pid).encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            for part in self._PARTS:
                if own in words and any(word.startswith(part.encode()) for word in words):
                    found[part.rsplit(".", 1)[1]] = int(entry.name)
        return found

    def cpu_seconds(self) -> dict[str, float]:
        own = os.times()
        read = {"client": own.user + own.system}
        for part, pid in self.pids().items():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            read[part] = (int(fields[11]) + int(fields[12])) / _TICKS
        return read

    def _make_key(self) -> str:
        folder = DataFolder(self._data.resolve())
        pepper = load_or_create_pepper(folder.secrets)
        services = build_services(pepper, load_or_create_key_encryption(folder.secrets))
        database = Database(url_of_running(folder), application_name="bench", pool_size=1)
        try:
            with database.transaction() as tx:
                holder = services.accounts.authenticate_key(tx, f"Bearer {self.light['api_key']}")
                operator = _Operator(holder.organization_id, holder.project_id)
                made = services.accounts.create_key(
                    tx,
                    operator,  # pyright: ignore[reportArgumentType]
                    name="bench",
                    purpose=KeyPurpose.MANAGEMENT,
                )
                return made.text
        finally:
            database.close()


class Memory:
    """Looks at what the processes hold, a few times a second."""

    def __init__(self, platform: Platform) -> None:
        self._pids = platform.pids()
        self._seen = {part: [pss_mb(pid)] for part, pid in self._pids.items()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> dict[str, int]:
        """Return MiB: for each process at the start, the peak, and the growth of the peak from the
        first half of the time to the second.
        """
        self._stop.set()
        self._thread.join()
        told: dict[str, int] = {}
        for part, seen in self._seen.items():
            half = (len(seen) + 1) // 2
            told[f"pss_mb_{part}_at_start"] = round(seen[0])
            told[f"pss_mb_{part}_peak"] = round(max(seen))
            told[f"pss_mb_{part}_growth"] = round(max(seen[half:] or seen) - max(seen[:half]))
        return told

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            for part, pid in self._pids.items():
                self._seen[part].append(pss_mb(pid))


if __name__ == "__main__":
    sys.exit(main())
