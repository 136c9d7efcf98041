"""A name server on loopback that answers what tests hand it, over UDP and TCP on one port."""

import asyncio
import struct
from contextlib import asynccontextmanager

from tradewind.worker.dns_txt import Server

TXT, CNAME = 16, 5


def name(text):
    labels = [label for label in text.encode().split(b".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def txt(*pieces, owner=b"\xc0\x0c"):
    """A record with these strings; by default of the name that was asked, as a pointer."""
    data = b"".join(bytes([len(piece)]) + piece for piece in (each.encode() for each in pieces))
    return owner + struct.pack("!HHIH", TXT, 1, 60, len(data)) + data


def alias(target, owner=b"\xc0\x0c"):
    data = name(target)
    return owner + struct.pack("!HHIH", CNAME, 1, 60, len(data)) + data


def answer(query, *records, code=0, flags=0x8180, count=None):
    head = query[:2] + struct.pack(
        "!5H", flags | code, 1, len(records) if count is None else count, 0, 0
    )
    return head + query[12:] + b"".join(records)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, reply):
        self._reply = reply

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, addr):
        replies = self._reply(data)
        for reply in replies if isinstance(replies, list) else [replies]:
            if reply is not None:
                self._transport.sendto(reply, addr)


@asynccontextmanager
async def name_server(by_udp, by_tcp=None):
    """Yield the server; the functions turn a query into an answer, a list of them, or None."""

    async def serve(source, sink):
        length = int.from_bytes(await source.readexactly(2), "big")
        asked = await source.readexactly(length)
        reply = None if by_tcp is None else by_tcp(asked)
        if reply is not None:
            sink.write(len(reply).to_bytes(2, "big") + reply)
            await sink.drain()
        sink.close()

    loop = asyncio.get_running_loop()
    tcp = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = tcp.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Udp(by_udp), local_addr=("127.0.0.1", port)
    )
    try:
        async with tcp:
            yield Server("127.0.0.1", port)
    finally:
        transport.close()
