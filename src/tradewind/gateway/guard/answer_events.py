"""The bytes of an answer as frames, and back: server-sent events, entries of one array, or a body.

Frames that are not changed leave as the bytes they came in. Formats: WHATWG HTML, section 9.2.6
(event streams), where a line may end in CR alone, too; `alt` of Gemini's streams, which are an
array without it (ai.google.dev, "Generating content").
"""

import json
import re
from typing import Any, NamedTuple, Protocol, cast

import msgspec

from tradewind.plugins.providers.dialects.refusals import broken_answer
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.sse import MOST_EVENT_BYTES, data_of

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_find_end = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}").search
_find_mark = re.compile(rb'["\\{}\[\]]').finditer


class Frame(NamedTuple):
    """One event, one entry, or the whole body."""

    raw: bytes
    data: bytes
    """The JSON in it; empty where there is none (comments, `[DONE]`, brackets)."""


class Framing(Protocol):
    """Cuts one stream into frames and writes frames. Raises ApiError 502 for what is too large."""

    def feed(self, data: bytes) -> list[Frame]: ...

    def finish(self) -> list[Frame]:
        """What came behind the last whole frame."""
        ...

    def write(self, frame: Frame) -> bytes: ...

    def changed(self, frame: Frame, data: bytes) -> bytes:
        """Write a frame with other data."""
        ...

    def own(self, data: bytes, name: str = "") -> bytes:
        """Write a frame of ours."""
        ...

    def end(self) -> bytes:
        """What the stream ends with when we end it."""
        ...


class EventFraming:
    """Server-sent events."""

    __slots__ = ("_buffer", "_ending", "_scanned")

    def __init__(self, ending: bytes = b"") -> None:
        """`ending` is the dialect's last event, `[DONE]`, where it has one."""
        self._buffer = bytearray()
        self._scanned = 0
        self._ending = ending

    def feed(self, data: bytes) -> list[Frame]:
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        start, at = 0, max(0, self._scanned - 3)
        while (found := _find_end(buffer, at)) is not None:
            # The LF of a last CRLF may still be on its way: then it begins the next event.
            frames.append(_frame(bytes(buffer[start : found.end()])))
            start = at = found.end()
        if start:
            del buffer[:start]
        self._scanned = len(buffer)
        if len(buffer) > MOST_EVENT_BYTES:
            raise broken_answer()
        return frames

    def finish(self) -> list[Frame]:
        rest = bytes(self._buffer)
        self._buffer.clear()
        return [_frame(rest)] if rest else []

    def write(self, frame: Frame) -> bytes:
        return frame.raw

    def changed(self, frame: Frame, data: bytes) -> bytes:
        if frame.raw.startswith(b"data:") and frame.raw.count(b"\n") == 2:
            return b"data: %b\n\n" % data
        lines = [line for line in frame.raw.splitlines() if line and not line.startswith(b"data:")]
        return b"\n".join([*lines, b"data: " + data]) + b"\n\n"

    def own(self, data: bytes, name: str = "") -> bytes:
        return b"%bdata: %b\n\n" % (b"event: %b\n" % name.encode() if name else b"", data)

    def end(self) -> bytes:
        return self._ending


def _frame(raw: bytes) -> Frame:
    data = data_of(raw)
    return Frame(raw, b"" if data.strip() == b"[DONE]" else data)


class ArrayFraming:
    """Entries of one JSON array, which goes out as it comes."""

    __slots__ = ("_at", "_buffer", "_depth", "_has_begun", "_is_text", "_start")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._depth = 0
        self._start = 0
        self._is_text = False
        self._has_begun = False

    def feed(self, data: bytes) -> list[Frame]:
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        skip = -1
        for found in _find_mark(buffer, self._at):
            at, mark = found.start(), found[0]
            if at == skip:
                continue
            if self._is_text:
                if mark == b"\\":
                    if at + 1 >= len(buffer):  # what it escapes has not come yet
                        self._at = at
                        break
                    skip = at + 1
                elif mark == b'"':
                    self._is_text = False
            elif mark == b'"':
                self._is_text = True
            elif mark in b"{[":
                self._depth += 1
                if self._depth == 2:
                    self._start = at
            elif mark in b"}]":
                self._depth -= 1
                if self._depth == 1:
                    entry = bytes(buffer[self._start : at + 1])
                    frames.append(Frame(entry, entry))
        else:
            self._at = len(buffer)
        self._forget()
        return frames

    def _forget(self) -> None:
        keep = self._start if self._depth >= 2 else self._at
        del self._buffer[:keep]
        self._at -= keep
        self._start -= keep
        if len(self._buffer) > MOST_EVENT_BYTES:
            raise broken_answer()

    def finish(self) -> list[Frame]:
        return [Frame(b"]", b"")] if self._depth <= 0 else []

    def write(self, frame: Frame) -> bytes:
        if not frame.data:
            return self.end()
        return self.own(frame.data)

    def changed(self, frame: Frame, data: bytes) -> bytes:  # noqa: ARG002  as events are
        return self.own(data)

    def own(self, data: bytes, name: str = "") -> bytes:  # noqa: ARG002  entries have no names
        start = b",\r\n" if self._has_begun else b"["
        self._has_begun = True
        return start + data

    def end(self) -> bytes:
        return b"]" if self._has_begun else b"[]"


class BodyFraming:
    """A whole answer as its only frame."""

    __slots__ = ()

    def feed(self, data: bytes) -> list[Frame]:
        return [Frame(data, data)] if data else []

    def finish(self) -> list[Frame]:
        return []

    def write(self, frame: Frame) -> bytes:
        return frame.raw

    def changed(self, frame: Frame, data: bytes) -> bytes:  # noqa: ARG002
        return data

    def own(self, data: bytes, name: str = "") -> bytes:  # noqa: ARG002
        return data

    def end(self) -> bytes:
        return b""


def read(data: bytes) -> dict[str, Any] | None:
    """Return the object in a frame, or None where there is none.

    Halves of surrogate pairs, which a host writes that cuts its text in the wrong place, are read
    too: a text that nobody examined must not be hidden by one.
    """
    if not data:
        return None
    try:
        value: Any = _decode(data)
    except UNREADABLE:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def written(value: Any) -> bytes:
    """Return a value as JSON, whatever was read."""
    try:
        return _encode(value)
    except (UnicodeEncodeError, OverflowError, RecursionError):
        return json.dumps(value, separators=(",", ":")).encode()
