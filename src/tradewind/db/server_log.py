"""Keeps what PostgreSQL says: in a file of bounded size, and its last lines in memory."""

import threading
from collections import deque
from pathlib import Path

_ROTATE_AT_BYTES = 8 * 1024 * 1024
_TAIL_LINES = 50
_ANSWER_TO_EARLY_CLIENTS = "the database system is starting up"


class ServerLog:
    """Appends lines to `path`; past 8 MiB that becomes `<path>.1` and the one before is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost_lines = 0
        """Lines that could not be written to the file, for example because the disk is full."""
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        """Keep a line. Never raises: the pipe behind it must be emptied or PostgreSQL stands."""
        with self._lock:
            self._tail.append(line)
            try:
                self._write(line)
            except OSError:
                self.lost_lines += 1

    def forget_tail(self) -> None:
        """Start the tail anew, so that it tells of the next start only."""
        with self._lock:
            self._tail.clear()

    def mentions(self, *texts: str) -> bool:
        """Say whether one of the last lines contains one of the texts."""
        with self._lock:
            return any(text in line for line in self._tail for text in texts)

    def reason(self) -> str:
        """Return the last line that tells why PostgreSQL ended, without its time and pid."""
        with self._lock:
            lines = list(self._tail)
        for line in reversed(lines):
            if _ANSWER_TO_EARLY_CLIENTS in line:
                continue
            for mark in ("FATAL:", "PANIC:", "initdb: error:", "error:"):
                if mark in line:
                    return line[line.index(mark) + len(mark) :].strip()
        return lines[-1].strip() if lines else "it said nothing"

    def _write(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            is_full = file.tell() > _ROTATE_AT_BYTES
        if is_full:
            self.path.replace(self.path.with_name(self.path.name + ".1"))
