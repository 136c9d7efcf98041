"""The forms of an upstream's address, and what each allows."""

import asyncio

import pytest
from socket_parts import Gateway, Receiver

from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.gateway.http.upstream_address import (
    OwnHost,
    RemoteHost,
    UnixSocket,
    parse_upstream_address,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/run/engine.sock", UnixSocket("/run/engine.sock")),
        ("engine:8000", OwnHost("engine", 8000)),
        ("127.0.0.1:1", OwnHost("127.0.0.1", 1)),
        ("[::1]:8000", OwnHost("::1", 8000)),
        ("https://h.example", RemoteHost("h.example", 443, is_tls=True, must_be_public=True)),
        ("http://h.example", RemoteHost("h.example", 80, is_tls=False, must_be_public=True)),
        ("https://h:8443", RemoteHost("h", 8443, is_tls=True, must_be_public=True)),
        ("https+private://h", RemoteHost("h", 443, is_tls=True, must_be_public=False)),
        ("http+private://10.0.0.1:81", RemoteHost("10.0.0.1", 81, False, must_be_public=False)),
        ("https+private://[::1]:4", RemoteHost("::1", 4, is_tls=True, must_be_public=False)),
    ],
)
def test_an_address_is_read_with_its_trust(text, address):
    assert parse_upstream_address(text) == address


HOSTILE = [
    "https://",
    "https://h/",
    "https://h/v1",
    "https://h?q",
    "https://h#f",
    "https://u:secret@h",
    "https://h:0",
    "https://h:x",
    "https://127.1",
    "https://0x7f000001",
    "https://h\r\nhost: evil",
    "https://h\\evil",
    "https://[::1",
    "HTTPS://h",
    "https+PRIVATE://h",
    "https+public://h",
    "ftp://h:21",
    "private://h:1",
    "://h:1",
    "x/y://h:80",
]


@pytest.mark.parametrize("address", HOSTILE)
def test_an_odd_address_is_refused_and_the_forms_are_named(address):
    with pytest.raises(ValueError, match=r"https://host:port, with \+private") as error:
        parse_upstream_address(address)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_port_of_a_million_digits_is_refused_without_reading_it():
    with pytest.raises(ValueError, match="is not host:port"):
        parse_upstream_address("h:" + "9" * 1_000_000)


@pytest.mark.parametrize("address", ["https://h/v1", "ftp://h:21"])
async def test_the_caller_is_told_of_an_odd_address_where_it_happened(address):
    async with Gateway(None) as gateway:
        with pytest.raises(ValueError, match="is not http://host:port"):
            gateway.upstream.send(address, b"", b"", Receiver(), UpstreamTimeouts())
        await asyncio.sleep(0)
        assert gateway.upstream.open_connections == 0
