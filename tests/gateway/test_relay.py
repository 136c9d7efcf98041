"""Every path that is not the gateway's own goes to the control plane and back."""

import asyncio
import gc
import hashlib

import pytest
from gateway_parts import World, soon
from scripted_upstream import ScriptedUpstream

from tradewind.gateway.http.exchange import Exchange


@pytest.fixture
async def control(tmp_path):
    async with ScriptedUpstream(path=tmp_path / "control.sock") as running:
        yield running


@pytest.fixture
async def relaying(tmp_path, control):
    world = World(tmp_path, control_socket=control.address)
    await world.start()
    yield world
    await world.stop()


async def say_hello(call):
    await call.answer(b"hello", content_type="text/plain")


def lines_of(call):
    first, *lines = call.head.decode("latin-1").split("\r\n")[:-2]
    return first, [tuple(line.split(": ", 1)) for line in lines]


@pytest.mark.parametrize("path", ["/", "/v1", "/api/keys?x=1&y=%20", "/static/a.css", "/V1/models"])
async def test_any_other_path_is_relayed_as_it_came(relaying, control, path):
    control.script = say_hello
    client = await relaying.client()
    answer = await client.call("GET", path, key=None)
    assert (answer.status, answer.body) == (200, b"hello")
    assert lines_of(control.calls[0])[0] == f"GET {path} HTTP/1.1"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nothing", "/healthz", "/metrics"])
async def test_the_gateways_own_paths_never_reach_the_control_plane(relaying, control, path):
    await (await relaying.client()).call("GET", path)
    assert control.calls == []


async def test_request_headers_reach_the_control_plane_but_for_those_of_the_hop(relaying, control):
    control.script = say_hello
    client = await relaying.client()
    await client.call(
        "POST",
        "/sign-in",
        b"user=a",
        key=None,
        headers=[
            ("Cookie", "a=1; b=2"),
            ("Accept", "text/html"),
            ("Accept", "text/plain"),
            ("X-Custom", "kept as \xe9 it is"),
            ("Connection", "keep-alive, X-Hop"),
            ("X-Hop", "drop"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Upgrade", "websocket"),
            ("Proxy-Authorization", "drop"),
            ("Proxy-Connection", "drop"),
        ],
    )
    [call] = control.calls
    first, lines = lines_of(call)
    assert first == "POST /sign-in HTTP/1.1"
    assert lines == [
        ("host", "tradewind.test"),
        ("Cookie", "a=1; b=2"),
        ("Accept", "text/html"),
        ("Accept", "text/plain"),
        ("X-Custom", "kept as \xe9 it is"),
        ("x-forwarded-for", "127.0.0.1"),
        ("content-length", "6"),
    ]
    assert call.body == b"user=a"


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-For",
        "x-forwarded-for",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Real-IP",
        "Forwarded",
    ],
)
async def test_a_client_cannot_say_who_it_is(relaying, control, name):
    control.script = say_hello
    client = await relaying.client()
    await client.call("GET", "/", key=None, headers=[(name, "spoofed"), (name, "twice")])
    _, lines = lines_of(control.calls[0])
    assert "spoofed" not in str(lines)
    assert [line for line in lines if "forward" in line[0].lower()] == [
        ("x-forwarded-for", "127.0.0.1")
    ]


async def test_a_chunked_body_arrives_with_its_length(relaying, control):
    control.script = say_hello
    client = await relaying.client()
    client._writer.write(
        b"POST /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert (await client.head()).status == 200
    _, lines = lines_of(control.calls[0])
    assert dict(lines)["content-length"] == "5"
    assert "transfer-encoding" not in dict(lines)
    assert control.calls[0].body == b"abcde"


async def test_answer_headers_reach_the_client_but_for_those_of_the_hop(relaying, control):
    async def script(call):
        await call.raw(
            b"HTTP/1.1 303 See Other\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2, c\r\n"
            b"Location: /home\r\nConnection: X-Hop\r\nX-Hop: drop\r\nKeep-Alive: timeout=5\r\n"
            b"Server: uvicorn\r\nDate: long ago\r\nContent-Length: 0\r\n\r\n"
        )

    control.script = script
    answer = await (await relaying.client()).call("GET", "/", key=None)
    assert answer.status == 303
    *lines, date = answer.lines
    assert lines == [
        ("Set-Cookie", "a=1; Path=/"),
        ("set-cookie", "b=2, c"),
        ("Location", "/home"),
        ("content-length", "0"),
    ]
    assert date[0] == "date"
    assert date[1].endswith("GMT")


async def test_a_streamed_answer_comes_as_it_is_made(relaying, control):
    may_go_on = asyncio.Event()

    async def script(call):
        await call.begin()
        await call.send(b"data: 1\n\n")
        await may_go_on.wait()
        await call.send(b"data: 2\n\n")
        await call.end()

    control.script = script
    client = await relaying.client()
    head = await client.ask("GET", "/api/events", key=None)
    assert head.header("transfer-encoding") == "chunked"
    pieces = client.pieces()
    assert await anext(pieces) == b"data: 1\n\n"
    may_go_on.set()
    assert [piece async for piece in pieces] == [b"data: 2\n\n"]


async def test_a_client_that_leaves_frees_the_control_plane(relaying, control):
    gone = asyncio.Event()

    async def script(call):
        await call.begin()
        await call.send(b"data: 1\n\n")
        await call.gone()
        gone.set()

    control.script = script
    client = await relaying.client()
    await client.ask("GET", "/api/events", key=None)
    await anext(client.pieces())
    client.reset()
    await soon(gone.wait())


async def test_head_has_the_length_and_no_body(relaying, control):
    async def script(call):
        await call.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\nx-a: b\r\n\r\n")

    control.script = script
    client = await relaying.client()
    for _ in range(2):
        answer = await client.call("HEAD", "/page", key=None)
        assert (answer.status, answer.header("content-length")) == (200, "1000")
        assert answer.header("x-a") == "b"
    assert lines_of(control.calls[1])[0] == "HEAD /page HTTP/1.1"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_never_has_a_body_ends_with_its_head(relaying, control, status):
    async def script(call):
        await call.raw(b"HTTP/1.1 %d X\r\netag: x\r\n\r\n" % status)

    control.script = script
    client = await relaying.client()
    for _ in range(2):
        answer = await client.call("GET", "/x", key=None)
        assert (answer.status, answer.header("etag"), answer.body) == (status, "x", b"")


async def test_an_upload_of_ten_megabytes_arrives_whole(relaying, control):
    body = bytes(range(256)) * 40_960

    async def script(call):
        await call.answer(hashlib.sha256(call.body).hexdigest().encode())

    control.script = script
    answer = await (await relaying.client()).call("POST", "/upload", body, key=None)
    assert len(body) == 10 * 1024 * 1024
    assert answer.body == hashlib.sha256(body).hexdigest().encode()


async def test_what_was_uploaded_is_not_held_after_its_answer(relaying, control):
    """Without a search for rings, which is rare here: bodies of 16 MiB added up to gigabytes."""
    control.script = say_hello
    client = await relaying.client()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            await client.call("PUT", "/api/uploads/a/parts/1", bytes(1000), key=None)
        held = [each for each in gc.get_objects() if isinstance(each, Exchange)]
        # The connection still knows the last one.
        assert len(held) <= 1
    finally:
        gc.enable()


async def test_a_download_of_ten_megabytes_arrives_whole(relaying, control):
    body = bytes(range(256)) * 40_960

    async def script(call):
        await call.answer(body)

    control.script = script
    answer = await (await relaying.client()).call("GET", "/download", key=None)
    assert answer.body == body


async def test_an_answer_that_is_cut_is_not_taken_for_a_whole_one(relaying, control):
    async def script(call):
        await call.begin()
        await call.send(b"half")
        await may_cut.wait()
        call.cut()

    may_cut = asyncio.Event()
    control.script = script
    client = await relaying.client()
    await client.ask("GET", "/x", key=None)
    pieces = client.pieces()
    assert await anext(pieces) == b"half"
    may_cut.set()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await anext(pieces)


async def test_while_the_control_plane_is_down_a_page_says_so_and_the_api_answers(tmp_path):
    world = World(tmp_path, control_socket=str(tmp_path / "nobody.sock"))
    world.publish(world.endpoint())
    await world.start()
    client = await world.client()
    page = await client.call("GET", "/", key=None)
    assert page.status == 503
    assert page.header("content-type") == "text/html"
    assert page.number("retry-after-ms") > 0
    assert b"starting" in page.body
    assert (await client.call("HEAD", "/", key=None)).status == 503
    assert (await client.call("GET", "/v1/models")).status == 200
    await world.stop()


async def test_without_a_control_plane_other_paths_are_404(world):
    answer = await (await world.client()).call("GET", "/", key=None)
    assert answer.status == 404
