"""Parsers that read what strangers send, and what must hold for any bytes.

A target takes bytes and checks; what it raises is a bug. `atheris_run.py` feeds it with bytes that
reach ever more of the parser, `test_fuzzing.py` with its seeds alone.
"""

import hashlib
import itertools
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from corpus import REQUESTS, RESPONSES
from http_parts import ServerInMemory, UpstreamInMemory

from tradewind.core import api_keys
from tradewind.core.base_urls import parse_base_url
from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.scan.byte_source import BytesSource
from tradewind.features.artifacts.scan.scan import scan
from tradewind.gateway.admission.resp import MalformedReply, Replies
from tradewind.gateway.authenticate import authenticate
from tradewind.gateway.http.error_answers import RequestRefused
from tradewind.gateway.http.limits import ServerLimits
from tradewind.gateway.http.request_body import ChunkedBody
from tradewind.gateway.http.request_head import head_length, parse_request_head
from tradewind.plugins.providers.dialects import event_stream
from tradewind.snapshot import file
from tradewind.snapshot.base import Base
from tradewind.snapshot.contents import (
    Endpoint,
    Grant,
    Operation,
    Price,
    Snapshot,
    Target,
    Terms,
)
from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.layout import FORMAT, MAGIC, PREAMBLE_BYTES
from tradewind.snapshot.view import SnapshotView
from tradewind.testing.model_files import (
    gguf_file,
    harmless_pickle,
    safetensors_file,
    torch_archive,
)
from tradewind.usage import frames
from tradewind.wire import forms
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import EventCutter, EventTooLarge, cut_done, data_of, split_events


def _fixed_key() -> api_keys.MintedKey:
    """Return the same key every time: seeds hold it, and a run can only be repeated with them."""
    body = f"{api_keys.PREFIX}{'k' * api_keys.ID_LENGTH}-{'S' * api_keys.SECRET_LENGTH}"
    text = body + api_keys._checksum(body)
    return api_keys.MintedKey(text, "k" * 12, api_keys.digest(PEPPER, text.encode()))


LIMITS = ServerLimits(max_head_bytes=600, max_headers=20)
PEPPER = b"p" * api_keys.PEPPER_BYTES
KEY = _fixed_key()
FORM = b"xYzZY"
FORM_TYPE = b"multipart/form-data; boundary=" + FORM


class FuzzTarget(NamedTuple):
    check: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes]
    """Of the format: what random bytes would hardly ever hit."""


def cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """Take the first bytes of `data` as places to cut the rest; return the rest whole and cut."""
    places, rest = data[:4], data[4:]
    edges = sorted({0, len(rest), *(byte * (len(rest) + 1) // 256 for byte in places)})
    return rest, [rest[start:end] for start, end in itertools.pairwise(edges)] or [b""]


def seeds(*texts: bytes) -> list[bytes]:
    return [b"\x20\x60\xa0\xe0" + text for text in texts]


# Streams of events.


def check_events(data: bytes) -> None:
    """Nothing is lost or made up, wherever the reads ended."""
    whole, pieces = cut(data)
    cutter = EventCutter()
    try:
        got = b"".join(map(cutter.feed, pieces))
    except EventTooLarge:
        return
    assert got + cutter.rest() == whole
    assert not got or got.endswith((b"\n\n", b"\n\r\n"))
    events, is_done = cut_done(got)
    assert got.startswith(events)
    assert is_done or events == got
    for event in split_events(events):
        assert event.endswith(b"\n\n")
        data_of(event)


EVENTS = FuzzTarget(
    check_events,
    seeds(
        b"data: one\n\ndata: two\n\ndata: [DONE]\n\n",
        b"event: ping\r\ndata: {}\r\n\r\ndata:[DONE]\r\n\r\n",
        b": comment\n\ndata: a\ndata: b\n\n\n\ndata: cut",
    ),
    [b"data: ", b"[DONE]", b"\n\n", b"\r\n\r\n", b"event: ", b": "],
)


# The HTTP layer.


def check_chunked_body(data: bytes) -> None:
    """A body means the same however it was cut, or is refused; it never exceeds its limit."""
    whole, pieces = cut(data)
    once, expected = _body([whole])
    again, found = _body(pieces)
    assert again == once
    if once == "done":
        assert found == expected
        assert len(found[0]) <= LIMIT


LIMIT = 64


def _body(pieces: list[bytes]) -> tuple[str, tuple[bytes, bytes]]:
    body = ChunkedBody(LIMIT)
    for number, piece in enumerate(pieces):
        try:
            rest = body.feed(piece)
        except RequestRefused as refused:
            assert refused.status in (400, 413)
            return "refused", (b"", b"")
        if rest is not None:
            return "done", (body.content(), rest + b"".join(pieces[number + 1 :]))
    return "open", (b"", b"")


CHUNKED_BODIES = FuzzTarget(
    check_chunked_body,
    seeds(
        b"5\r\nhello\r\n1;ext=1\r\n \r\nA\r\n0123456789\r\n0\r\n\r\nGET /",
        b'2;a="b c";d\r\nhi\r\n000\r\nA: b\r\n\r\n',
        b"ffffffff\r\n",
    ),
    [b"\r\n", b"0\r\n\r\n", b";a=b", b'="', b"A: b\r\n", b"000000000000000"],
)


def check_request_head(data: bytes) -> None:
    """A head is refused with a 4xx or 5xx of its own, or is what it says it is."""
    try:
        length = head_length(data, LIMITS) if data else 0
        if not length:
            return
        request = parse_request_head(data[:length], LIMITS, "127.0.0.1")
    except RequestRefused as refused:
        assert refused.status in (400, 417, 431, 501, 505)
        return
    assert request.path.startswith(b"/") or request.path == b"*"
    assert request.content_length >= -1
    assert len(request.headers) <= LIMITS.max_headers
    for name, value in request.headers.items():
        assert name == name.lower()
        assert not {*name} & {*b"\r\n\0 :"}
        assert not {*value} & {*b"\r\n\0"}


def _head(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", b""])


REQUEST_HEADS = FuzzTarget(
    check_request_head,
    [
        _head(b"GET /v1/models?x=1 HTTP/1.1", b"Host: a.example", b"Accept: */*"),
        _head(b"POST /v1/messages HTTP/1.1", b"host: [::1]:80", b"Content-Length: 12"),
        _head(b"POST /a HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked"),
        _head(b"OPTIONS * HTTP/1.0", b"Connection: keep-alive", b"Cookie: a", b"Cookie: b"),
        _head(b"GET http://b.example/c HTTP/1.1", b"Host: a", b"Expect: 100-continue"),
    ],
    [
        *(b"GET ", b"POST ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: ", b"http://", b"\r\n"),
        *(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
        *(b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"\t", b"\0", b"\r\n "),
    ],
)


def check_connection(data: bytes) -> None:
    """What a client sends is served alike however its bytes come, and breaks nothing."""
    whole, pieces = cut(data)
    assert _served(pieces) == _served([whole])


def _served(pieces: list[bytes]) -> tuple[object, ...]:
    server = ServerInMemory(LIMITS)
    written = server.feed(*filter(None, pieces))
    return server.application.notes, written, server.client.is_ended, server.client.is_aborted


CONNECTIONS = FuzzTarget(check_connection, seeds(*REQUESTS.values()), REQUEST_HEADS.words)


def check_response(data: bytes) -> None:
    """What an upstream sends is received alike however its bytes come, and breaks nothing."""
    whole, pieces = cut(data)
    assert _received(pieces) == _received([whole])


def _received(pieces: list[bytes]) -> tuple[object, ...]:
    upstream = UpstreamInMemory(b"POST /v1/x HTTP/1.1\r\nhost: a\r\n\r\n")
    upstream.feed(*filter(None, pieces))
    upstream.end()
    return (upstream.receiver.notes, "gone" in upstream.pool.notes)


UPSTREAM_RESPONSES = FuzzTarget(
    check_response,
    seeds(*(data for _, data, _ in RESPONSES.values())),
    [
        *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 \r\n\r\n", b"Content-Length: ", b"\r\n\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"Connection: close\r\n", b"\r\n"),
    ],
)


# Who calls.


def check_key(data: bytes) -> None:
    """Whatever stands in a header, only the very key opens anything."""
    number, text = data[:1], data[1:]
    view = SnapshotView(Snapshot(1, 1, (Grant(KEY.key_id, KEY.digest, "org_a", "proj_a"),), ()))
    name = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"query")[
        (number or b"\0")[0] % 5
    ]
    headers = {} if name == b"query" else {name: text}
    try:
        grant = authenticate(headers, view, PEPPER, 0, text if name == b"query" else b"")
    except ApiError as error:
        assert error.status == 401
        assert KEY.text not in error.message
        return
    assert KEY.text.encode() in text
    assert grant.key_id == KEY.key_id
    api_keys.is_well_formed(text.decode("latin-1"))


KEYS = FuzzTarget(
    check_key,
    [
        b"\0Bearer " + KEY.text.encode(),
        b"\1" + KEY.text.encode(),
        b"\0bearer  " + KEY.text[:-1].encode(),
        b"\0Basic dXNlcjpwYXNz",
        b"\4a=b&key=" + KEY.text.encode() + b"&c",
    ],
    [b"Bearer ", b"sk-tw-", b"key=", b"&", KEY.key_id.encode(), KEY.text.encode()],
)


# Forms.


def check_form(data: bytes) -> None:
    """A form that is taken means the same when it is written anew."""
    try:
        form = forms.parse(data, FORM_TYPE)
        texts = form.texts
    except ApiError as error:
        assert error.status == 400
        return
    body, content_type = forms.write(form, {})
    again = forms.parse(body, content_type)
    assert again.texts == texts
    assert [part.file_name for part in again.parts] == [part.file_name for part in form.parts]
    assert [bytes(part.content) for part in again.parts] == [bytes(p.content) for p in form.parts]


def check_form_type(data: bytes) -> None:
    """Whatever the content type says, a form is parsed or refused."""
    try:
        forms.parse(b"--a\r\n", data)
    except ApiError as error:
        assert error.status == 400


def _form(*parts: bytes) -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (FORM, part) for part in parts) + b"--%b--\r\n" % FORM


FORMS = FuzzTarget(
    check_form,
    [
        _form(b'content-disposition: form-data; name="model"\r\n\r\ntw/small'),
        _form(
            b'content-disposition: form-data; name="file"; filename="a.wav"\r\n'
            b"content-type: audio/wav\r\n\r\nRIFF\r\n--",
            b'Content-Disposition: form-data; name="image[]"; filename="b"; '
            b"filename*=utf-8''b\r\ncontent-transfer-encoding: binary\r\n\r\n",
        ),
        b"--" + FORM + b"--",
    ],
    [
        *(b"--" + FORM, b"\r\n", b"\r\n\r\n", b"--\r\n", b'name="', b'; filename="', b"%22"),
        *(b"content-disposition: form-data; ", b"content-type: ", b"; filename*=utf-8''"),
    ],
)
FORM_TYPES = FuzzTarget(
    check_form_type,
    [FORM_TYPE, b'Multipart/Form-Data; charset=utf-8; boundary="a b:c"'],
    [b"multipart/form-data", b"; ", b"boundary=", b'"', b"charset=utf-8"],
)


# AWS's event streams.


def check_messages(data: bytes) -> None:
    """Messages are read alike however they came. The checksums are made right for every other
    input, since chance never does.
    """
    if data[:1] < b"\x80":
        data = data[:5] + _with_checksums(data[5:])
    whole, pieces = cut(data[1:])
    expected, is_broken = _messages([whole])
    found, is_broken_in_pieces = _messages(pieces)
    assert found == expected
    assert is_broken == is_broken_in_pieces


def _messages(pieces: list[bytes]) -> tuple[list[event_stream.Message], bool]:
    cutter, found = event_stream.MessageCutter(), list[event_stream.Message]()
    for piece in pieces:
        try:
            found.extend(_each(cutter, piece, found))
        except event_stream.Malformed:
            return found, True
    return found, False


def _each(
    cutter: event_stream.MessageCutter, piece: bytes, found: list[event_stream.Message]
) -> list[event_stream.Message]:
    for message in cutter.feed(piece):
        found.append(message)
        assert len(message.payload) <= len(piece) + 4 * 1024 * 1024
    return []


def _with_checksums(data: bytes) -> bytes:
    """Return the bytes as messages whose checksums fit, as far as their lengths can be read."""
    made = b""
    while len(data) >= 12:
        total, headers_length = struct.unpack_from(">II", data)
        total = 16 + total % 256
        lengths = struct.pack(">II", total, headers_length % 64)
        message = lengths + struct.pack(">I", zlib.crc32(lengths)) + data[12 : total - 4]
        message = message.ljust(total - 4, b"\0")
        made += message + struct.pack(">I", zlib.crc32(message))
        data = data[total:]
    return made + data


MESSAGES = FuzzTarget(
    check_messages,
    [
        b"\xff\x20\x60\xa0\xe0"
        + event_stream.encode({":message-type": "event", ":event-type": "chunk"}, b'{"a":1}')
        + event_stream.encode({}, b""),
        b"\x00\x20\x60\xa0\xe0" + event_stream.encode({":message-type": "exception"}, b"{}"),
    ],
    [b":message-type", b":event-type", b"\x07\x00\x05event", b"\x00\x00\x00\x10"],
)


# Files of our own, which a disk may have changed.


def check_snapshot(data: bytes) -> None:
    """A damaged snapshot is told as such, also where its digest was made over the damage. Reading
    it comes to an end.
    """
    _read_snapshot(data)
    if len(data) > PREAMBLE_BYTES:
        behind = data[PREAMBLE_BYTES:]
        head = MAGIC + FORMAT.to_bytes(2, "big") + hashlib.sha256(behind).digest()
        _read_snapshot(head + behind)


def _read_snapshot(raw: bytes) -> None:
    try:
        view = SnapshotView(base=Base.of_bytes(raw))
        view.grant(KEY.key_id)
        view.endpoint("tw/small")
        view.terms("org_a")
        file.decode(raw)
    except SnapshotDamaged:
        return


def _snapshot() -> Snapshot:
    price = Price("price_1", "USD", 1, 2, 3)
    target = Target("dep_1", "rep_1", "openai_compatible", "127.0.0.1:1", "m", "key")
    endpoint = Endpoint("tw/small", Operation.CHAT, "tw", 1, 2048, 2048, price, (target,))
    grant = Grant(KEY.key_id, KEY.digest, "org_a", "proj_a")
    return Snapshot(1, 1, (grant,), (endpoint,), (Terms("org_a"),))


SNAPSHOTS = FuzzTarget(check_snapshot, [file.encode(_snapshot())], [MAGIC, b"tw/small"])


def check_journal(data: bytes) -> None:
    """Every byte of a segment is a frame's or told as damage, and the end is always reached."""
    for is_whole in (True, False):
        at = 0
        for found in frames.scan(data, is_whole=is_whole):
            assert found.start == at
            assert found.end > at
            at = found.end
        assert at <= len(data)
        assert not is_whole or at == len(data)


JOURNALS = FuzzTarget(
    check_journal,
    [
        frames.encode_frame(frames.SegmentHeader(2, "gateway", 1, 0), 0)
        + frames.encode_frame(frames.SegmentFooter(1, 7), 1),
        frames.MAGIC + bytes(16),
    ],
    [frames.MAGIC, frames.MAGIC[:2], b"\x00\x00\x00\x08"],
)


# What operators and other servers say.


def check_base_url(data: bytes) -> None:
    """A URL that is taken means to the standard library what it means to us."""
    text = data.decode("latin-1")
    try:
        url = parse_base_url(text)
    except ValueError as error:
        assert not isinstance(error, UnicodeError)
        return
    known = urlsplit(text)
    assert known.scheme == url.scheme
    assert (known.hostname or "").rstrip(".") == url.host or url.is_address
    assert (known.port or {"http": 80, "https": 443}[url.scheme]) == url.port
    assert known.path.removesuffix("/") == url.path
    assert not known.username
    assert not known.password
    host = f"[{url.host}]" if ":" in url.host else url.host
    assert parse_base_url(f"{url.scheme}://{host}:{url.port}{url.path}") == url


BASE_URLS = FuzzTarget(
    check_base_url,
    [
        b"https://api.example.com/v1",
        b"http://127.0.0.1:8000",
        b"https://[2001:db8::1]:8443/openai/",
        b"HTTPS://xn--bcher-kva.example/%41/",
    ],
    [b"https://", b"http://", b"[::1]", b":443", b"@", b"%2e%2e", b"xn--", b"0x7f", b"..", b"/"],
)


def check_replies(data: bytes) -> None:
    """A server's replies are read alike however they came."""
    whole, pieces = cut(data)
    assert _replies(pieces) == _replies([whole])


def _replies(pieces: list[bytes]) -> str:
    replies, found = Replies(), []
    try:
        for piece in pieces:
            found += replies.feed(piece)
    except MalformedReply:
        return "malformed"
    return repr(found)


REPLIES = FuzzTarget(
    check_replies,
    seeds(b"+OK\r\n:12\r\n$3\r\nabc\r\n*2\r\n$-1\r\n*1\r\n-ERR no\r\n"),
    [b"\r\n", b"$-1\r\n", b"*2\r\n", b"+OK\r\n", b":1\r\n"],
)

# Files of models, which anybody may upload.

_KINDS = ("a.gguf", "a.safetensors", "a.bin", "a.pt", "a.json", "a.jinja")


def check_model_file(data: bytes) -> None:
    """A file is read or refused with its name, whatever is in it; the first byte is its kind."""
    name = _KINDS[data[0] % len(_KINDS)] if data else _KINDS[0]
    try:
        scan(BytesSource(name, data[1:]), accepts_pickles=True)
    except FileRefused as error:
        assert name in str(error)


MODEL_FILES = FuzzTarget(
    check_model_file,
    [
        b"\0" + gguf_file({"tokenizer.chat_template": "{{ a['b'] }}", "x": ["y"]}),
        b"\1" + safetensors_file(metadata={"a": "b"}),
        b"\2" + harmless_pickle(),
        b"\3" + torch_archive(harmless_pickle()),
        b'\4{"chat_template": "{{ messages[0].content | trim }}"}',
        b"\5{% for m in messages %}{{ m['role'] ~ loop.index }}{% endfor %}",
    ],
    [b"GGUF", b"data_offsets", b"cposix\nsystem\n", b"PK\x03\x04", b"PK\x05\x06", b"{%", b"__"],
)

TARGETS = {
    "events": EVENTS,
    "chunked_bodies": CHUNKED_BODIES,
    "request_heads": REQUEST_HEADS,
    "connections": CONNECTIONS,
    "upstream_responses": UPSTREAM_RESPONSES,
    "keys": KEYS,
    "forms": FORMS,
    "form_types": FORM_TYPES,
    "event_stream_messages": MESSAGES,
    "snapshots": SNAPSHOTS,
    "journals": JOURNALS,
    "base_urls": BASE_URLS,
    "replies": REPLIES,
    "model_files": MODEL_FILES,
}
