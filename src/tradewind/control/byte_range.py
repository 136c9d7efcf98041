"""The one range of bytes that a download may ask for (RFC 9110, section 14): pure."""

import re
from typing import NamedTuple

_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


class ByteRange(NamedTuple):
    start: int
    length: int

    def content_range(self, size: int) -> str:
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


class NotSatisfiable(Exception):
    """The range lies behind the end: 416."""


def range_of(header: str | None, size: int) -> ByteRange | None:
    """Return what is asked for; None for the whole, which is also the answer to what cannot be
    read, or names several ranges. Raises NotSatisfiable.
    """
    found = None if header is None else _RANGE.fullmatch(header.strip())
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        count = min(int(suffix), size)
        if not count:
            raise NotSatisfiable
        return ByteRange(size - count, count)
    start, end = int(first), int(last) if last else size - 1
    if start >= size:
        raise NotSatisfiable
    return None if end < start else ByteRange(start, min(end, size - 1) - start + 1)
