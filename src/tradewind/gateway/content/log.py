"""Gathers what calls said and gives it, redacted, to the folder that the worker ships from.

The event loop only holds on to bytes it has anyway. One thread, started with the first call that is
kept, decodes, redacts and writes, a batch at a time. What would be too much (memory, the folder,
the disk) is dropped and counted.
"""

import logging
import os
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tradewind.gateway.content.answers import gather_stream, is_stream
from tradewind.gateway.content.documents import (
    MOST_READ_BYTES,
    Document,
    document_of,
    document_of_value,
    mark_of,
)
from tradewind.gateway.http.request import Request
from tradewind.plugins.providers.base import Reader, TokenCounts
from tradewind.usage.content_segments import (
    ContentRecord,
    encode_record,
    folder_bytes,
    write_segment,
)
from tradewind.usage.event import Opened

MIB = 1024 * 1024
MOST_HELD_BYTES = 64 * MIB
MOST_FOLDER_BYTES = 256 * MIB
LEAST_FREE_BYTES = 256 * MIB
"""What content leaves of a disk to those who cannot do without, the journal first."""
_MOST_SEGMENT_BYTES = 4 * MIB
_GATHER_S = 0.5
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ContentCounters:
    """Of calls whose content was to be kept, since the start."""

    kept: int = 0
    dropped: int = 0


class KeptCall:
    """What one call says and is told. Used from the event loop until `end`."""

    __slots__ = ("_log", "_request", "_size", "is_truncated", "media_type", "parts", "reserved")

    def __init__(self, log: "ContentLog", request: Request) -> None:
        self._log = log
        self._request = request
        self._size = 0
        self.parts: list[bytes] = []
        self.reserved = 0
        self.is_truncated = False
        self.media_type = ""

    @property
    def size(self) -> int:
        """Bytes of the answer, gathered or not."""
        return self._size

    def tap(self, reader: Reader) -> Reader:
        """Return a reader that lets this see what the client gets of `reader`. What a former
        attempt said is forgotten: the client got none of it.
        """
        self._forget()
        return _Tapped(reader, self)

    def add(self, data: bytes) -> None:
        """Gather what goes to the client. Once something did not fit, nothing more is gathered."""
        size = len(data)
        self._size += size
        if self.is_truncated:
            return
        if self._size > MOST_READ_BYTES or not self._log.reserve(size):
            self.is_truncated = True
            return
        self.reserved += size
        self.parts.append(data)

    def replace(self, body: bytes) -> None:
        """The client gets this in place of anything so far."""
        self._forget()
        self.add(body)

    def end(self, opened: Opened, media_type: bytes) -> None:
        """The call has ended: have it kept."""
        self.media_type = _media_type(media_type)
        self._log.keep(self, self._request, opened)

    def _forget(self) -> None:
        self._log.release(self.reserved)
        self.parts.clear()
        self.reserved = self._size = 0
        self.is_truncated = False


class _Tapped:
    """A reader whose answer somebody else sees too."""

    __slots__ = ("_kept", "_reader")

    def __init__(self, reader: Reader, kept: KeptCall) -> None:
        self._reader = reader
        self._kept = kept

    @property
    def counts(self) -> TokenCounts:
        return self._reader.counts

    @property
    def output_events(self) -> int:
        return self._reader.output_events

    def feed(self, data: bytes) -> bytes:
        answer = self._reader.feed(data)
        if answer:
            self._kept.add(answer)
        return answer

    def finish(self) -> bytes:
        rest = self._reader.finish()
        self._kept.add(rest)
        return rest


class _Waiting:
    """A call that has ended and is not redacted yet."""

    __slots__ = ("call", "opened", "prompt", "prompt_size", "prompt_type", "reserved")

    def __init__(self, call: KeptCall, request: Request, opened: Opened) -> None:
        self.call = call
        self.opened = opened
        self.prompt_type = _media_type(request.headers.get(b"content-type", b""))
        self.prompt_size = len(request.body)
        # One that is too large to be read is known by its size alone.
        self.prompt = request.body if self.prompt_size <= MOST_READ_BYTES else b""
        self.reserved = len(self.prompt) + call.reserved


class ContentLog:
    """Without a folder nothing is kept."""

    def __init__(
        self,
        folder: Path | None,
        node: str,
        *,
        most_held_bytes: int = MOST_HELD_BYTES,
        most_folder_bytes: int = MOST_FOLDER_BYTES,
        least_free_bytes: int = LEAST_FREE_BYTES,
        gather_s: float = _GATHER_S,
    ) -> None:
        self._folder = folder
        self._node = node
        self._most_held_bytes = most_held_bytes
        self._most_folder_bytes = most_folder_bytes
        self._least_free_bytes = least_free_bytes
        self._gather_s = gather_s
        self._boot_ns = time.time_ns()
        self._number = 0
        self._lock = threading.Lock()
        self._held = 0
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_refusal_told = False
        self.counters = ContentCounters()

    @property
    def held_bytes(self) -> int:
        """Bytes in memory of what is not written yet."""
        return self._held

    def begin(self, request: Request) -> KeptCall | None:
        """Return what gathers a call, or None where nothing can be kept."""
        return None if self._folder is None else KeptCall(self, request)

    def keep(self, call: KeptCall, request: Request, opened: Opened) -> None:
        """Have a call written soon. Never waits."""
        waiting = _Waiting(call, request, opened)
        if not self.reserve(len(waiting.prompt)):
            self.release(call.reserved)
            self.counters.dropped += 1
            return
        self._queue.put(waiting)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="content-log", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Write what waits. Blocking."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout_s)

    def reserve(self, size: int) -> bool:
        with self._lock:
            if self._held + size > self._most_held_bytes:
                return False
            self._held += size
            return True

    def release(self, size: int) -> None:
        with self._lock:
            self._held -= size

    # In the thread.

    def _run(self) -> None:
        is_closing = False
        while not is_closing:
            first = self._queue.get()
            if first is None:
                return
            records, size = [self._record(first)], 0
            until = time.monotonic() + self._gather_s
            while size < _MOST_SEGMENT_BYTES:
                try:
                    waiting = self._queue.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
                if waiting is None:
                    is_closing = True
                    break
                records.append(self._record(waiting))
                size += len(records[-1])
            self._write(records)

    def _record(self, waiting: _Waiting) -> bytes:
        try:
            return encode_record(_record_of(waiting))
        finally:
            self.release(waiting.reserved)

    def _write(self, records: list[bytes]) -> None:
        folder = self._folder
        assert folder is not None
        size = sum(map(len, records))
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            disk = os.statvfs(folder)
            if (
                folder_bytes(folder) + size > self._most_folder_bytes
                or disk.f_bavail * disk.f_frsize - size < self._least_free_bytes
            ):
                self._refused(len(records), "the folder or the disk is full")
                return
            write_segment(folder, f"{self._node}-{self._boot_ns}-{self._number}", records)
        except OSError as error:
            self._refused(len(records), str(error.strerror))
            return
        self._number += 1
        self._is_refusal_told = False
        self.counters.kept += len(records)

    def _refused(self, number: int, why: str) -> None:
        self.counters.dropped += number
        if not self._is_refusal_told:
            self._is_refusal_told = True
            _log.error("contents of calls are not kept: %s", why)


def _record_of(waiting: _Waiting) -> ContentRecord:
    opened = waiting.opened
    prompt = (
        document_of(waiting.prompt, waiting.prompt_type)
        if len(waiting.prompt) == waiting.prompt_size
        else mark_of(waiting.prompt_type, waiting.prompt_size, is_truncated=True)
    )
    answer = _answer_of(waiting.call, may_be_array=opened.is_stream)
    return ContentRecord(
        opened.event_id,
        opened.at_us,
        opened.organization_id,
        opened.project_id,
        prompt.json,
        answer.json,
        prompt.is_truncated,
        answer.is_truncated,
    )


def _answer_of(call: KeptCall, *, may_be_array: bool) -> Document:
    body = b"".join(call.parts)
    if is_stream(body) or (may_be_array and body.startswith(b"[")):
        return document_of_value(gather_stream(body), is_truncated=call.is_truncated)
    if call.is_truncated:
        return mark_of(call.media_type, call.size, is_truncated=True)
    if not body:
        return Document(b"")
    return document_of(body, call.media_type)


def _media_type(value: bytes) -> str:
    return value.decode("latin-1") or "application/json"
