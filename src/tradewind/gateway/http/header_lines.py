"""Header lines to fields. llhttp (strict) judges every line there is, and each one once.

A line's verdict depends on its bytes alone, and nearly every line has come before: clients repeat
their `host`, `accept`, `user-agent` and key, hosts their `content-type`. So what llhttp said of a
line is remembered, and a head is one split and one look-up a line: 0.7 us for 4 lines and 1.5 for
14, of 1.8 and 3.7 with llhttp's callbacks for all of them. What lines mean together (a length told
twice, a length beside a coding) is for whoever asked.
"""

from httptools import HttpParserError, HttpRequestParser

Field = tuple[bytes, bytes]
"""A name in lower case, and a value without the blanks around it."""

_MOST_REMEMBERED = 4096
_MOST_REMEMBERED_BYTES = 512
"""Of one line. A longer one is judged each time, so all that is remembered is below 6 MB."""
_LINE_BEFORE = b"GET / HTTP/1.1\r\n"


class MalformedLine(ValueError):
    """The line is no header field, or could be read as another one."""


class _KnownLines(dict[bytes, Field]):
    """Lines that were judged. Those with keys are among them: they never leave this process, which
    is sent them with every request anyway.
    """

    __slots__ = ()

    def __missing__(self, line: bytes) -> Field:
        field = _judge(line)
        if len(line) <= _MOST_REMEMBERED_BYTES:
            if len(self) >= _MOST_REMEMBERED:
                self.clear()  # somebody invents lines; those of all others are few and soon back
            self[line] = field
        return field


field_of = _KnownLines().__getitem__
"""Return the field of one line without its end. Raises MalformedLine. A method of dict's own, so
that `map` calls no Python for a line that is known."""


def fields_as_sent(head: bytes) -> list[Field]:
    """Return the fields of a judged head in order, each on its own, names as sent: for a relay."""
    parts = (line.partition(b":") for line in head.split(b"\r\n")[1:-2])
    return [(name, value.strip(b" \t")) for name, _, value in parts]


def is_kept_alive(headers: dict[bytes, bytes], is_http10: bool) -> bool:
    """Say whether who sent a head wishes to keep the connection (RFC 9112, 9.3)."""
    connection = headers.get(b"connection")
    if connection is None:
        return not is_http10
    options = {option.strip() for option in connection.lower().split(b",")}
    return b"close" not in options and (not is_http10 or b"keep-alive" in options)


def _judge(line: bytes) -> Field:
    seen = _Seen()
    try:
        HttpRequestParser(seen).feed_data(b"%b%b\r\n\r\n" % (_LINE_BEFORE, line))
    except HttpParserError:
        raise MalformedLine from None
    # A bare line feed inside would be two fields, or one that somebody else takes for two.
    if len(seen.fields) != 1 or b"\n" in line:
        raise MalformedLine
    name, value = seen.fields[0]
    return name.lower(), value.rstrip(b" \t")  # llhttp keeps blanks after a value


class _Seen:
    """What llhttp reports of a line."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: list[Field] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))
