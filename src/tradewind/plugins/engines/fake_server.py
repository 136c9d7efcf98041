"""The fake engine's process: a small OpenAI-compatible server, quick, with faults on request.

It answers `POST /v1/chat/completions` (whole and streamed) and `/v1/embeddings`, `GET /v1/models`
and `/health`, and for tests `GET /fake/stats` (counters) and `/fake/last` (the last request's body
as it arrived). All but `/health` needs the key. Standard library only, as it starts without
site-packages.
"""

import argparse
import asyncio
import contextlib
import hmac
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

from tradewind.plugins.engines.fake_answers import (
    ChatQuestion,
    Json,
    Refused,
    embeddings_answer,
    faults_of,
    read_chat,
    read_texts,
    whole_answer,
)

CRASH_STATUS = 70
_MOST_HEAD_BYTES = 64 * 1024
_MOST_BODY_BYTES = 64 * 1024 * 1024
_WORDS_PER_TURN = 16
_CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]{1,12})(?=\r\n|$)")
_MALFORMED = b'{"error":{"message":"malformed request","type":"invalid_request_error"}}'
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def main(arguments: list[str]) -> None:
    options = _parse(arguments)
    if options.fail_start:
        sys.exit(options.fail_start)
    if options.api_key_file:
        options.api_key = Path(options.api_key_file).read_text("ascii").strip()
    asyncio.run(_serve(options))


class _Request:
    """One parsed request."""

    __slots__ = ("body", "is_keep_alive", "key", "method", "path", "raw")

    def __init__(self, head: bytes, raw: bytes) -> None:
        """Raises ValueError, TypeError."""
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, version = lines[0].split(" ")
        self.key = ""
        self.is_keep_alive = version == "HTTP/1.1"
        for line in lines[1:]:
            name, _, value = line.partition(":")
            match name.lower():
                case "authorization":
                    self.key = value.strip().removeprefix("Bearer ")
                case "connection":
                    self.is_keep_alive = value.strip().lower() != "close"
                case _:
                    pass
        self.raw = raw
        body: Any = json.loads(raw) if raw else {}
        if not isinstance(body, dict):
            raise TypeError("the body is not an object")
        self.body = cast("Json", body)


class _Server:
    """What all connections share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.is_ready = not options.never_ready and not options.start_ms
        self.created = int(time.time())
        self.last = b"null"
        self.requests = self.in_flight = self.completed = self.cancelled = self.output_tokens = 0
        self.connections: set[_Connection] = set()

    def answer(self, request: _Request) -> Json | bytes | ChatQuestion:
        """Return the whole answer, or the question whose answer takes time. Raises Refused."""
        options = self.options
        if request.path == "/health":
            if not self.is_ready:
                raise Refused(503, "Loading model", "unavailable_error")
            return {"status": "ok"}
        if not hmac.compare_digest(request.key.encode(), options.api_key.encode()):
            raise Refused(401, "Invalid API Key", "authentication_error")
        match request.method, request.path:
            case "POST", "/v1/chat/completions" if options.operation == "chat":
                return self._chat(request)
            case "POST", "/v1/embeddings" if options.operation == "embeddings":
                return self._embeddings(request)
            case "POST", "/v1/chat/completions" | "/v1/embeddings":
                raise Refused(501, "This server does not support that", "not_supported_error")
            case "GET", "/v1/models":
                card = {"id": options.alias, "object": "model", "created": self.created}
                return {"object": "list", "data": [{**card, "owned_by": "fake"}]}
            case "GET", "/fake/stats":
                names = ("requests", "in_flight", "completed", "cancelled", "output_tokens")
                return {name: getattr(self, name) for name in names}
            case "GET", "/fake/last":
                return self.last
            case _:
                raise Refused(404, "Not found", "not_found_error")

    def _chat(self, request: _Request) -> Json | ChatQuestion:
        question = read_chat(
            request.body, fault=self.options.fault, context_tokens=self.options.context_tokens
        )
        self._take(request, question.faults)
        if question.takes_time:
            return question
        return self.complete(question)

    def complete(self, question: ChatQuestion) -> Json:
        self.completed += 1
        self.output_tokens += question.output_tokens * question.choices
        return whole_answer(question, alias=self.options.alias, created=self.created)

    def _embeddings(self, request: _Request) -> Json:
        texts = read_texts(request.body)
        faults = faults_of(self.options.fault, str(request.body.get("model", "")), texts[-1])
        self._take(request, faults)
        self.completed += 1
        return embeddings_answer(
            texts,
            alias=self.options.alias,
            dimensions=self.options.dimensions,
            as_base64=request.body.get("encoding_format") == "base64",
            with_usage="no_usage" not in faults,
        )

    def _take(self, request: _Request, faults: dict[str, int]) -> None:
        self.requests += 1
        self.last = request.raw
        if "log" in faults:
            _write_log(faults["log"])
        if "crash" in faults:
            _crash()
        status = faults.get("status")
        if status is not None:
            code = "rate_limit_exceeded" if status == 429 else "server_error"
            raise Refused(status, f"asked to fail with {status}", code)


class _Connection(asyncio.Protocol):
    """One client. Answers its requests in order; whole answers are written at once."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._buffer = b""
        self._task: asyncio.Task[None] | None = None
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._task is None and self._transport is not None and self._buffer:
            try:
                request = self._next_request()
                if request is None:
                    return
                answer = self._server.answer(request)
            except Refused as refused:
                self._send(refused.status, _dump(refused.body), is_last=False)
                continue
            except (ValueError, KeyError, TypeError, AttributeError):
                self._send(400, _MALFORMED, is_last=True)
                return
            if isinstance(answer, ChatQuestion):
                work = self._answer_slowly(request, answer)
                self._server.in_flight += 1
                self._task = asyncio.get_running_loop().create_task(work)
                self._task.add_done_callback(self._done)
                return
            body = answer if isinstance(answer, bytes) else _dump(answer)
            self._send(200, body, is_last=not request.is_keep_alive)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _next_request(self) -> _Request | None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            if len(self._buffer) > _MOST_HEAD_BYTES:
                raise ValueError("the head is too large")
            return None
        found = _CONTENT_LENGTH.search(head)
        if found is None and head.startswith(b"POST"):
            raise ValueError("a body needs a content-length")
        length = int(found[1]) if found is not None else 0
        if length > _MOST_BODY_BYTES:
            raise ValueError("the body is too large")
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        return _Request(head, rest[:length])

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self._server.in_flight -= 1
        if task.cancelled():
            self._server.cancelled += 1
            return
        error = task.exception()
        if error is not None:
            print(f"fake engine: {error!r}", file=sys.stderr, flush=True)
            self.abort()
            return
        self.data_received(b"")

    async def _answer_slowly(self, request: _Request, question: ChatQuestion) -> None:
        faults = question.faults
        if "hang" in faults:
            await asyncio.Event().wait()
        await asyncio.sleep(faults.get("first_ms", 0) / 1000)
        if question.is_stream:
            await self._stream(question)
            if not request.is_keep_alive:
                self._hang_up()
            return
        for number in range(question.output_tokens):
            await self._before_word(faults, number)
        answer = _dump(self._server.complete(question))
        if "cut_after" in faults:
            self._write(_head(200, len(answer)) + answer[: len(answer) // 2])
            self._hang_up()
        else:
            self._send(200, answer, is_last=not request.is_keep_alive)

    async def _stream(self, question: ChatQuestion) -> None:
        faults = question.faults
        chunk = {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": self._server.created,
            "model": self._server.options.alias,
        }
        prefix = b"data: " + _dump(chunk)[:-1] + b',"choices":['

        def send(delta: bytes, finish: bytes = b"null") -> None:
            for index in range(question.choices):
                event = b'%b{"index":%d,"delta":%b,"finish_reason":%b}]}\n\n'
                self._chunk(event % (prefix, index, delta, finish))

        self._write(_STREAM_HEAD)
        send(b'{"role":"assistant","content":""}')
        for number, word in enumerate(question.words):
            await self._before_word(faults, number)
            if faults.get("cut_after") == number:
                self._hang_up()
                return
            if faults.get("garbage_after") == number:
                self._chunk(b'data: {"choices":[{"index":0,"del\xff\n\n')
            send(b'{"content":%b}' % _dump(word))
            self._server.output_tokens += question.choices
        send(b"{}", b'"length"' if question.is_cut else b'"stop"')
        summary = prefix + b'],"usage":%b}\n\n' % _dump(question.usage())
        if question.wants_usage and "late_usage" not in faults:
            self._chunk(summary)
        if "no_done" not in faults:
            self._chunk(b"data: [DONE]\n\n")
        if question.wants_usage and "late_usage" in faults:
            self._chunk(summary)
        self._write(b"0\r\n\r\n")
        self._server.completed += 1

    async def _before_word(self, faults: dict[str, int], number: int) -> None:
        if faults.get("crash_after") == number:
            _crash()
        if faults.get("hang_after") == number:
            await asyncio.Event().wait()
        if "delay_ms" in faults:
            await asyncio.sleep(faults["delay_ms"] / 1000)
        elif number % _WORDS_PER_TURN == 0:
            await asyncio.sleep(0)
        if not self._can_write.is_set():
            await self._can_write.wait()

    def _send(self, status: int, body: bytes, *, is_last: bool) -> None:
        self._write(_head(status, len(body), is_last=is_last) + body)
        if is_last:
            self._hang_up()

    def _chunk(self, data: bytes) -> None:
        self._write(b"%x\r\n%b\r\n" % (len(data), data))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def _serve(options: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, _refuse_to_end if options.ignore_sigterm else end.set)
    server = _Server(options)
    if options.socket:
        listener = await loop.create_unix_server(lambda: _Connection(server), options.socket)
    else:
        listener = await loop.create_server(lambda: _Connection(server), "127.0.0.1", options.port)
        print(f"fake engine: port {listener.sockets[0].getsockname()[1]}", flush=True)
    print(f"fake engine: serving {options.alias}", flush=True)
    if options.start_ms:
        await asyncio.sleep(options.start_ms / 1000)
        server.is_ready = not options.never_ready
    await end.wait()
    listener.close()
    for connection in list(server.connections):
        connection.abort()


def _refuse_to_end() -> None:
    print("fake engine: SIGTERM ignored, as asked", flush=True)


def _crash() -> None:
    print("fake engine: asked to crash", file=sys.stderr, flush=True)
    os._exit(CRASH_STATUS)


def _write_log(size: int) -> None:
    line = b"fake engine: " + b"x" * 86 + b"\n"
    # A log that nobody reads must not stop the answers.
    with contextlib.suppress(OSError):
        sys.stdout.buffer.write(line * (size // len(line)))
        sys.stdout.buffer.flush()


def _head(status: int, length: int, *, is_last: bool = False) -> bytes:
    retry = b"retry-after: 1\r\n" if status == 429 else b""
    close = b"connection: close\r\n" if is_last else b""
    line = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\n%b%bcontent-length: %d\r\n\r\n"
    return line % (status, b"OK" if status == 200 else b"Error", retry, close, length)


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fake_server", description="A fake engine.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", help="unix socket to listen on")
    where.add_argument(
        "--port", type=int, help="port of 127.0.0.1 to listen on; 0 takes a free one"
    )
    parser.add_argument("--api-key-file")
    parser.add_argument("--api-key", default="")
    parser.add_argument("--alias", default="fake")
    parser.add_argument("--operation", choices=("chat", "embeddings"), default="chat")
    parser.add_argument("--context-tokens", type=int, default=8192)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--fault", default="", help="directives for every request")
    parser.add_argument("--start-ms", type=int, default=0, help="answer /health with 503 that long")
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--fail-start", default="", help="say this and end")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
