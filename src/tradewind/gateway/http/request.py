"""One parsed request."""

import msgspec

from tradewind.gateway.http.header_lines import Field, fields_as_sent

CHUNKED = -1
"""`content_length` of a body whose length is told chunk by chunk."""


class Request(msgspec.Struct, eq=False):
    """What the client asked. Built by `request_head`; `body` is set before the application handles
    it. Byte strings are as received, apart from the names in `headers`.

    A struct of msgspec's: made in 0.1 us, where an `__init__` takes 0.4.
    """

    method: bytes
    target: bytes
    """As on the request line, query included; may be in absolute form."""
    path: bytes
    """Not percent-decoded: decoding before comparing is how two parsers come to differ."""
    query: bytes
    headers: dict[bytes, bytes]
    """Lower-case names; a repeated header is joined with `, ` (`cookie`: `; `)."""
    head: bytes
    """All of it as received."""
    peer: str
    """IP address of the client, or `unix`."""
    is_http10: bool
    keep_alive: bool = True
    """The client's wish; the server may close all the same."""
    content_length: int = 0
    expects_continue: bool = False
    body: bytes = b""

    @property
    def raw_headers(self) -> list[Field]:
        """Each line on its own, in order, names as sent: for a relay. Parsed anew each time."""
        return fields_as_sent(self.head)
