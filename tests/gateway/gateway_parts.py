"""A gateway with everything it stands on, and a client that shows every byte."""

import asyncio
import contextlib
import gc
import json
import socket
import struct
import time
from dataclasses import dataclass

from scripted_upstream import PATIENCE_S

from tradewind.core import api_keys
from tradewind.gateway.application import GatewayApplication
from tradewind.gateway.config import GatewayConfig
from tradewind.gateway.http.batch import WriteBatch
from tradewind.gateway.http.limits import ServerLimits, UpstreamLimits, UpstreamTimeouts
from tradewind.gateway.http.server import HttpServer
from tradewind.gateway.http.upstream import UpstreamClient
from tradewind.gateway.metrics import Metrics
from tradewind.gateway.process import running
from tradewind.gateway.record import Recorder
from tradewind.gateway.state import GatewayState
from tradewind.plugins.checks.registry import checks
from tradewind.plugins.providers.registry import providers
from tradewind.snapshot import file
from tradewind.snapshot.contents import (
    Endpoint,
    Grant,
    Limits,
    Operation,
    Price,
    Snapshot,
    Target,
)
from tradewind.snapshot.view import SnapshotView
from tradewind.usage.event import Opened, Progressed, Refused, UsageEvent
from tradewind.usage.frames import Frame, scan
from tradewind.usage.segments import list_segments

PEPPER = b"p" * api_keys.PEPPER_BYTES
MODEL = "tw/small"
ORGANIZATION, PROJECT = "org_a", "proj_a"
# Odd numbers, so that a swapped price shows in the cost.
PRICE = Price("price_1", "USD", 1_100_000_000, 3_300_000_000, 220_000_000)
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
EVENT_STREAM = "text/event-stream; charset=utf-8"


async def until(condition):
    """Wait for what must happen outside of what can be awaited."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE_S)


class World:
    """Folders, a key, a snapshot and a gateway that runs on them."""

    def __init__(self, folder, **config):
        self.folder = folder
        self.journal = folder / "journal"
        self.snapshot_path = folder / "snapshot" / "current"
        self.key = api_keys.mint(PEPPER)
        self.grant = Grant(self.key.key_id, self.key.digest, ORGANIZATION, PROJECT)
        self.version = 0
        self.url = ""
        self._context = None
        self._clients = []
        (folder / "pepper").write_bytes(PEPPER)
        self.config = GatewayConfig(
            **{
                "port": 0,
                "snapshot_path": self.snapshot_path,
                "journal_folder": self.journal,
                "pepper_path": folder / "pepper",
                "snapshot_poll_s": 0.01,
            }
            | config
        )

    # The control plane's part.

    def target(self, address, replica="rep_1", provider="openai_compatible", **changes):
        return Target(
            **{
                "deployment_id": f"dep_of_{replica}",
                "replica_id": replica,
                "provider": provider,
                "address": address,
                "upstream_model": "upstream-model",
                "credential": "key-of-target",
            }
            | changes
        )

    def endpoint(self, *targets, **changes):
        return Endpoint(
            **{
                "name": MODEL,
                "operation": Operation.CHAT,
                "publisher": "tw",
                "created_at_ms": 1_700_000_000_000,
                "context_tokens": 2048,
                "max_output_tokens": 2048,
                "price": PRICE,
                "targets": targets,
                "aliases": ("small",),
            }
            | changes
        )

    def publish(self, *endpoints, grants=None):
        """Write the next snapshot; a running gateway takes it when `in_force` has come true."""
        self.version += 1
        file.write(
            self.snapshot_path,
            Snapshot(
                self.version, 1, (self.grant,) if grants is None else tuple(grants), endpoints
            ),
        )

    def limit(self, **limits):
        """Give the key limits; publish afterwards."""
        grant = self.grant
        self.grant = Grant(
            grant.key_id, grant.digest, ORGANIZATION, PROJECT, limits=Limits(**limits)
        )

    async def in_force(self):
        async with asyncio.timeout(PATIENCE_S):
            while (await self.metric("tradewind_snapshot_version")) != self.version:
                await asyncio.sleep(0.005)

    # The gateway's part.

    async def start(self):
        self._context = running(self.config)
        self.url = await self._context.__aenter__()

    async def stop(self):
        for client in self._clients:
            client.close()
        self._clients.clear()
        await self.drain()

    async def drain(self):
        """Stop the gateway as SIGTERM does. Idempotent."""
        context, self._context = self._context, None
        if context is not None:
            await soon(context.__aexit__(None, None, None))
            gc.unfreeze()  # the gateway froze what tests have made too

    def records(self):
        """Return the journal's records, as they are in its files at this moment."""
        found = []
        for name in list_segments(self.journal):
            for item in scan((self.journal / str(name)).read_bytes(), is_whole=False):
                assert isinstance(item, Frame), item
                if isinstance(item.content, Opened | Progressed | UsageEvent | Refused):
                    found.append(item.content)
        return found

    def books(self):
        """Return the records of calls that ran; refusals are in the request log alone."""
        return [record for record in self.records() if not isinstance(record, Refused)]

    def events(self):
        return [record for record in self.records() if isinstance(record, UsageEvent)]

    async def event(self):
        """Return the one usage event there is, when it is there."""
        await until(self.events)
        [event] = self.events()
        return event

    # The client's part.

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    async def client(self):
        client = await Client.connect(self.port, self.key.text)
        self._clients.append(client)
        return client

    async def chat(self, **members):
        """Ask on a connection of its own; return the answer when it is complete."""
        return await (await self.client()).chat(**members)

    async def metric(self, name):
        answer = await (await self.client()).call("GET", "/metrics", key=None)
        for line in answer.body.decode().splitlines():
            if line.startswith((f"{name} ", f"{name}{{")):
                return float(line.rpartition(" ")[2])
        raise AssertionError(f"there is no metric {name}")


@dataclass
class Answer:
    status: int
    lines: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name):
        found = [value for line, value in self.lines if line == name]
        assert len(found) <= 1, found
        return found[0] if found else None

    def number(self, name):
        value = self.header(name)
        assert value is not None, f"{name} is missing"
        return float(value)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def cost_nanos(self):
        whole, _, nanos = (self.header("x-tradewind-cost") or "").partition(".")
        assert len(nanos) == 9, self.lines
        return int(whole) * 10**9 + int(nanos)


class Client:
    """One connection. Speaks HTTP/1.1 by hand, so that nothing is mended on the way."""

    def __init__(self, reader, writer, key):
        self.received = bytearray()
        """Every byte that has come, read or not."""
        self._reader = reader
        self._writer = writer
        self._key = key
        feed = reader.feed_data

        def note(data):
            self.received += data
            feed(data)

        reader.feed_data = note

    @classmethod
    async def connect(cls, port, key=None):
        reader, writer = await soon(asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
        return cls(reader, writer, key)

    async def ask(self, method, path, body=b"", *, key="", headers=()):
        """Send a request and return its head; `key` None sends none."""
        key = self._key if key == "" else key
        lines = [f"{method} {path} HTTP/1.1", "host: tradewind.test"]
        lines += [f"authorization: Bearer {key}"] if key is not None else []
        lines += [f"{name}: {value}" for name, value in headers]
        if (body or method == "POST") and "content-length" not in dict(headers):
            lines.append(f"content-length: {len(body)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return await self.head()

    async def head(self):
        raw = await soon(self._reader.readuntil(b"\r\n\r\n"))
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        status = int(first.split(" ")[1])
        return Answer(status, [tuple(line.split(": ", 1)) for line in lines])

    async def call(self, method, path, body=b"", **options):
        """Send a request and return its complete answer."""
        answer = await self.ask(method, path, body, **options)
        if answer.header("transfer-encoding") == "chunked":
            answer.body = b"".join([piece async for piece in self.pieces()])
        elif method != "HEAD" and answer.status not in (204, 304):
            length = int(answer.header("content-length") or 0)
            answer.body = await soon(self._reader.readexactly(length))
        return answer

    async def pieces(self):
        """Yield the chunks of a chunked answer. Raises IncompleteReadError when it is cut."""
        while size := int(await soon(self._reader.readuntil(b"\r\n")), 16):
            yield await soon(self._reader.readexactly(size))
            assert await soon(self._reader.readexactly(2)) == b"\r\n"
        assert await soon(self._reader.readexactly(2)) == b"\r\n"

    async def chat(self, **members):
        return await self.call("POST", "/v1/chat/completions", ask_for(**members))

    async def stream(self, **members):
        """Ask for a stream; return its head, and read on with `pieces`."""
        return await self.ask("POST", "/v1/chat/completions", ask_for(stream=True, **members))

    def close(self):
        self._writer.transport.abort()

    def reset(self):
        """Disappear as a killed process does."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


@contextlib.asynccontextmanager
async def assembled(world, journal):
    """Run a gateway on a journal of the test's own; the value is its state."""
    loop = asyncio.get_running_loop()
    batch = WriteBatch(loop, before_flush=lambda: journal.flush() and None)
    metrics = Metrics()
    state = GatewayState(
        loop=asyncio.get_running_loop(),
        checks=checks(),
        config=world.config,
        pepper=PEPPER,
        view=SnapshotView(file.read(world.snapshot_path)),
        recorder=Recorder(journal, metrics, schedule_flush=batch.schedule, waits_for_disk=True),
        metrics=metrics,
        upstream=UpstreamClient(loop, batch, UpstreamLimits()),
        providers=providers(),
        timeouts=UpstreamTimeouts(),
    )
    server = HttpServer(GatewayApplication(state, lambda: 0, dict), batch, ServerLimits(), loop)
    world.url = f"http://{await server.listen(host='127.0.0.1', port=0)}"
    try:
        yield state
    finally:
        await world.stop()
        await server.drain(0.0)
        await state.upstream.close()
        batch.flush_now()
        await journal.close()


def ask_for(**members):
    return json.dumps(QUESTION | members).encode()


def usage(read, cached, written):
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def whole_answer(text="Hi", **members):
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "upstream-model",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text},
                }
            ],
            "usage": usage(10, 4, 3),
        }
        | members,
        separators=(",", ":"),
    ).encode()


def text_event(text):
    return event_of(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])


def usage_event(read, cached, written):
    return event_of(choices=[], usage=usage(read, cached, written))


def event_of(**members):
    chunk = {"id": "c", "object": "chat.completion.chunk", "model": "upstream-model"} | members
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def cost_of(read, cached, written):
    """The exact cost in nanos; with PRICE and such counts nothing is rounded."""
    exact = (
        (read - cached) * PRICE.input_nanos
        + cached * PRICE.cached_input_nanos
        + written * PRICE.output_nanos
    )
    assert exact % 1_000_000 == 0
    return exact // 1_000_000


def now_us():
    return time.time_ns() // 1000


@contextlib.contextmanager
def oversized_journal(folder):
    """Make the journal's folder look larger than it may be, at no cost: by a file of one hole."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    hole = folder / "other-1-0.journal"
    with hole.open("wb") as stream:
        stream.truncate(16 * 1024**3)
    try:
        yield
    finally:
        hole.unlink()
