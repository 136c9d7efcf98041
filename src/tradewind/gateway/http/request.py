"""One parsed request."""

from tradewind.gateway.http.header_lines import Field, fields_as_sent

CHUNKED = -1
"""`content_length` of a body whose length is told chunk by chunk."""


class Request:
    """What the client asked. Built by `request_head`; `body` is set before the application handles
    it. Byte strings are as received, apart from the names in `headers`.
    """

    __slots__ = (
        "body",
        "content_length",
        "expects_continue",
        "head",
        "headers",
        "is_http10",
        "keep_alive",
        "method",
        "path",
        "peer",
        "query",
        "target",
    )

    def __init__(  # noqa: PLR0917 - one caller, and keywords cost on the hot path
        self,
        method: bytes,
        target: bytes,
        path: bytes,
        query: bytes,
        headers: dict[bytes, bytes],
        head: bytes,
        peer: str,
        is_http10: bool,
    ) -> None:
        self.method = method
        self.target = target
        """As on the request line, query included; may be in absolute form."""
        self.path = path
        """Not percent-decoded: decoding before comparing is how two parsers come to differ."""
        self.query = query
        self.headers = headers
        """Lower-case names; a repeated header is joined with `, ` (`cookie`: `; `)."""
        self.head = head
        """All of it as received."""
        self.body = b""
        self.peer = peer
        """IP address of the client, or `unix`."""
        self.is_http10 = is_http10
        self.content_length = 0
        self.keep_alive = not is_http10
        """The client's wish; the server may close all the same."""
        self.expects_continue = False

    @property
    def raw_headers(self) -> list[Field]:
        """Each line on its own, in order, names as sent: for a relay. Parsed anew each time."""
        return fields_as_sent(self.head)
