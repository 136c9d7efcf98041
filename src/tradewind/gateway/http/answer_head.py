"""Parts of an answer's head that are the same for many answers, kept ready."""

import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def status_line(status: int) -> bytes:
    """Return the status line of a status; the reason of an unknown one is empty."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def has_no_body(method: bytes, status: int) -> bool:
    """Tell whether an answer never has a body, whatever its headers say (RFC 9112, 6.3)."""
    return method == b"HEAD" or status in (204, 304)


class DateLine:
    """The `date` header line, built once a second."""

    __slots__ = ("_line", "_second", "_unix_time")

    def __init__(self, unix_time: Callable[[], float] = time.time) -> None:
        self._unix_time = unix_time
        self._second = -1
        self._line = b""

    def line(self) -> bytes:
        second = int(self._unix_time())
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line
