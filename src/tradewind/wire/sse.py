"""Server-sent events as bytes: cutting a stream into whole events, whatever the reads brought.

Format: WHATWG HTML, section 9.2.6 (event stream interpretation). An event ends with an empty line;
lines end with LF or CRLF.
"""

from collections.abc import Iterator

MOST_EVENT_BYTES = 4 * 1024 * 1024
DONE = b"data: [DONE]\n\n"
_DONE_ENDINGS = (b"[DONE]\n\n", b"[DONE]\r\n\r\n")


class EventTooLarge(Exception):
    """One event is larger than MOST_EVENT_BYTES; the stream cannot be trusted any further."""


class EventCutter:
    """Holds back the start of an event until its end has come. One per stream."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return all whole events so far, not returned before. Raises EventTooLarge."""
        if self._held:
            data = self._held + data
        if data.endswith(b"\n\n"):  # by far the commonest: one read brings whole events
            self._held = b""
            return data
        lf, crlf = data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n")
        cut = max(lf + 2 if lf >= 0 else 0, crlf + 4 if crlf >= 0 else 0)
        self._held = data[cut:]
        if len(self._held) > MOST_EVENT_BYTES:
            raise EventTooLarge
        return data[:cut]

    def rest(self) -> bytes:
        """Return what came after the last whole event; a well-behaved stream leaves nothing."""
        return self._held


def cut_done(events: bytes) -> tuple[bytes, bool]:
    """Return whole events without the `[DONE]` they end with, and whether there was one."""
    if not events.endswith(_DONE_ENDINGS):
        return events, False
    start = events.rfind(b"\n", 0, len(events) - 4) + 1
    is_done = events[start:].rstrip() in (b"data: [DONE]", b"data:[DONE]")
    return (events[:start] if is_done else events), is_done


def split_events(events: bytes) -> Iterator[bytes]:
    """Yield each event of whole events, with its ending."""
    if b"\r" in events:
        events = events.replace(b"\r\n", b"\n")
    start = 0
    while (end := events.find(b"\n\n", start)) >= 0:
        yield events[start : end + 2]
        start = end + 2


def data_of(event: bytes) -> bytes:
    """Return the data of one event: its `data:` lines joined by newlines (commonly one)."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    lines = [
        line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")
    ]
    return b"\n".join(lines)


def event_of(data: bytes) -> bytes:
    """Return one event that carries `data` (which holds no newline)."""
    return b"data: " + data + b"\n\n"
