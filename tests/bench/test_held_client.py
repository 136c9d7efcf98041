"""The load that holds streams open must see every stream that a server does not hold."""

import asyncio
import os

import pytest

from bench.held_client import hold

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


@pytest.fixture(autouse=True)
def key_and_model(monkeypatch):
    monkeypatch.setenv("BENCH_KEY", "key")
    monkeypatch.setenv("BENCH_MODEL", "model")


async def test_streams_that_go_on_are_no_errors():
    # Long enough that its second half outlasts any pause of a busy machine.
    result = await held_by(goes_on, duration_s=4.0)
    assert (result["errors"], result["first_error"]) == (0, None)
    assert result["pss_mb_max"] >= result["pss_mb_end"] > 0


async def test_streams_that_are_refused_are_errors():
    async def refuses(writer):
        writer.write(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")
        await asyncio.Event().wait()

    result = await held_by(refuses, slow=0)
    assert result["errors"] == 2
    assert "429" in result["first_error"]


async def test_streams_and_slow_readers_that_are_closed_are_errors():
    async def closes(writer):
        writer.write(HEAD[:1])
        await writer.drain()

    result = await held_by(closes)
    assert result["errors"] == 4


async def test_streams_that_end_are_errors_though_the_connection_stays():
    async def ends(writer):
        writer.write(HEAD + b"data: [DONE]\n\n\r\n0\r\n\r\n")
        await asyncio.Event().wait()

    result = await held_by(ends, slow=0)
    assert (result["errors"], result["first_error"]) == (2, "the server ended a stream")


async def test_streams_that_stand_still_are_errors():
    async def stands_still(writer):
        writer.write(HEAD)
        await asyncio.Event().wait()

    result = await held_by(stands_still, slow=0)
    assert (result["errors"], result["first_error"]) == (2, "a stream stood still")


async def goes_on(writer):
    writer.write(HEAD)
    while True:
        writer.write(b"data: {}\n\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def held_by(answer, *, slow=2, duration_s=1.0):
    """Hold two streams and two slow readers at a server that answers each with `answer`."""
    running = set()

    async def serve(reader, writer):
        task = asyncio.current_task()
        running.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client went first, or the test is over
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        return await hold(
            f"http://127.0.0.1:{port}/v1/chat/completions",
            streams=2,
            slow=slow,
            duration_s=duration_s,
            pid=os.getpid(),
        )
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
