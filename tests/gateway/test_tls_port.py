"""The public port over TLS."""

import asyncio
import json
import ssl

import pytest
from gateway_parts import World, ask_for, soon

from tests.gateway.http.tls_parts import Authority
from tradewind.core.errors import StartupError
from tradewind.gateway.http.server_tls import server_context

ANSWER = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
).encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.server()
    return authority


@pytest.fixture
async def world(tmp_path, upstream, authority):
    folder = authority.path.parent
    world = World(tmp_path, tls_certificate=folder / "good.pem", tls_key=folder / "good.key")
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    yield world
    await world.stop()


async def connect(world, authority):
    context = ssl.create_default_context(cafile=authority.path)
    return await soon(
        asyncio.open_connection("127.0.0.1", world.port, ssl=context, server_hostname="localhost")
    )


def request(world, body):
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
        b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
    ) % (world.key.text.encode(), len(body), body)


async def test_calls_are_answered_one_after_another_on_one_connection(world, upstream, authority):
    async def answer(call):
        await call.answer(ANSWER)

    upstream.script = answer
    reader, writer = await connect(world, authority)
    assert world.url.startswith("https://")
    for _ in range(3):
        writer.write(request(world, ask_for()))
        head = await soon(reader.readuntil(b"\r\n\r\n"))
        assert head.startswith(b"HTTP/1.1 200 ")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert json.loads(await soon(reader.readexactly(length)))["choices"]
    writer.close()
    await soon(writer.wait_closed())


async def test_a_stream_passes_piece_by_piece(world, upstream, authority):
    seen = asyncio.Event()

    async def stream(call):
        await call.begin()
        await call.send(b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n')
        await soon(seen.wait())
        await call.send(b"data: [DONE]\n\n")
        await call.end()

    upstream.script = stream
    reader, writer = await connect(world, authority)
    writer.write(request(world, ask_for(stream=True)))
    await soon(reader.readuntil(b'"content":"one"'))
    seen.set()
    await soon(reader.readuntil(b"[DONE]"))
    writer.close()
    await soon(writer.wait_closed())


async def test_a_client_that_leaves_stops_the_model(world, upstream, authority):
    gone = asyncio.Event()

    async def stream(call):
        await call.begin()
        await call.send(b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n')
        await soon(call.gone())
        gone.set()

    upstream.script = stream
    reader, writer = await connect(world, authority)
    writer.write(request(world, ask_for(stream=True)))
    await soon(reader.readuntil(b'"content":"one"'))
    writer.close()
    await soon(gone.wait())


async def test_a_client_without_tls_gets_no_answer(world):
    reader, writer = await soon(asyncio.open_connection("127.0.0.1", world.port))
    writer.write(request(world, ask_for()))
    assert b"HTTP/1.1" not in await soon(reader.read())
    writer.close()


def test_a_certificate_that_cannot_be_used_is_told_with_the_way_out(tmp_path, authority):
    folder = authority.path.parent
    with pytest.raises(StartupError, match=r"cannot be used with its key: .*TLS_CERTIFICATE"):
        server_context(tmp_path / "none.pem", None)
    with pytest.raises(StartupError, match="cannot be used with its key"):
        server_context(folder / "good.pem", folder / "ca.key")
