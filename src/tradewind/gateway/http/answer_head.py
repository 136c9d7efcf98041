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

    __slots__ = ("_line", "_unix_time", "_until")

    def __init__(self, unix_time: Callable[[], float] = time.time) -> None:
        self._unix_time = unix_time
        self._until = 0.0
        self._line = b""

    def line(self) -> bytes:
        now = self._unix_time()
        until = self._until
        if not until - 1.0 <= now < until:  # it may be set back, too
            second = int(now)
            self._until = second + 1.0
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line
