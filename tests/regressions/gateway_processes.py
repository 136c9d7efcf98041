"""Gateways as the processes they are, on one set of files, from outside."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from gateway_parts import Client, soon


class GatewayProcess:
    """One `python -m tradewind.gateway.process`."""

    def __init__(self, process, port):
        self.process = process
        self.port = port

    @property
    def pid(self) -> int:
        return self.process.pid

    def memory_bytes(self) -> int:
        """What it takes of the machine, shared pages by their share (PSS)."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        [line] = [line for line in rollup.splitlines() if line.startswith("Pss:")]
        return int(line.split()[1]) * 1024

    async def client(self, key):
        return await Client.connect(self.port, key)

    async def metric(self, name):
        client = await self.client(None)
        answer = await client.call("GET", "/metrics", key=None)
        client.close()
        for line in answer.body.decode().splitlines():
            if line.startswith((f"{name} ", f"{name}{{")):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"there is no metric {name}")


@contextlib.asynccontextmanager
async def gateways(world, count, **config):
    """Run so many gateways on the world's snapshot and journal."""
    started = []
    try:
        for number in range(count):
            path = world.folder / f"gateway-{number}.json"
            path.write_text(
                json.dumps(
                    {
                        "port": 0,
                        "snapshot_path": str(world.snapshot_path),
                        "journal_folder": str(world.journal),
                        "pepper_path": str(world.config.pepper_path),
                        "node": f"gateway-{number}",
                        "snapshot_poll_s": 0.05,
                    }
                    | config
                )
            )
            with (world.folder / f"gateway-{number}.stderr").open("wb") as errors:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tradewind.gateway.process", "--config", str(path)),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=errors,
                )
            started.append(GatewayProcess(process, 0))
        for each in started:
            line = await soon(each.process.stdout.readline())
            assert line.startswith(b"listening "), line
            each.port = int(line.rpartition(b":")[2])
        yield started
    finally:
        for each in started:
            with contextlib.suppress(ProcessLookupError):
                each.process.terminate()
        for each in started:
            assert await soon(each.process.wait()) == 0
