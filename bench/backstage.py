"""A control plane that has money: it grants every lease of a budget that a gateway asks for.

    python -m bench.backstage SOCKET

It writes `SOCKET.leased` with the first one, so that a benchmark knows its budget to be held. What
else gateways may ask is answered 404.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.processes import load_core, ready_line, started
from tradewind.wire.leases import LeaseAnswer, LeaseAsk, LeaseGrant, LeaseRequest

_LEFT_NANOS = 10**18
_MOST_HEAD_BYTES = 16 * 1024
_decode = msgspec.json.Decoder(LeaseRequest).decode
_encode = msgspec.json.Encoder().encode


class RunningBackstage:
    def __init__(self, socket: Path) -> None:
        self.socket = socket

    @property
    def has_leased(self) -> bool:
        return _mark(self.socket).exists()


@contextlib.contextmanager
def running_backstage(folder: Path) -> Iterator[RunningBackstage]:
    socket = folder / "backstage"
    command = [sys.executable, "-m", "bench.backstage", str(socket)]
    log = folder / "backstage.log"
    with started(command, core=load_core(), log=log) as process:
        ready_line(process, log)
        yield RunningBackstage(socket)


def granted(ask: LeaseAsk) -> LeaseGrant:
    """Return what is wanted, from a purse that is never empty."""
    return LeaseGrant(
        budget=ask.budget,
        period_ms=0 if ask.period_ms is None else ask.period_ms,
        period_end_ms=None,
        granted_nanos=ask.used_nanos + max(ask.needed_nanos, ask.wanted_nanos),
        left_nanos=_LEFT_NANOS,
        leased_nanos=0,
    )


async def serve(path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                writer.write(await _answer_one(reader, path))
                await writer.drain()
        writer.close()

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_unix_server(answer, path, limit=_MOST_HEAD_BYTES)
    print(f"listening {path}", flush=True)
    try:
        await stop.wait()
    finally:
        server.close()


async def _answer_one(reader: asyncio.StreamReader, path: Path) -> bytes:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    if not first.startswith(b"POST /leases "):
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    answer = _encode(LeaseAnswer(tuple(map(granted, _decode(body).leases))))
    _mark(path).touch()
    head = f"content-type: application/json\r\ncontent-length: {len(answer)}\r\n\r\n".encode()
    return b"HTTP/1.1 200 OK\r\n" + head + answer


def _mark(socket: Path) -> Path:
    return socket.with_name(f"{socket.name}.leased")


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
