"""Reads the logs that replicas leave: the end, what is new, the first error, all of it.

A log is at most two files (see `bounded_log`): `<name>` and, older, `<name>.1`. It is read while
the engine writes to it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MOST_TAIL_BYTES = 256 * 1024
_SEARCHED_BYTES = 1024 * 1024
_PIECE_BYTES = 64 * 1024
_DEPLOYMENT = re.compile(r"dep_[0-9a-z]{26}")
_MOST_REPLICAS = 1024
# llama-server puts the level behind the time: "0.00.003.248 E srv  …"; others write the word.
_ERROR = re.compile(r"^[0-9.]+ E |\b(error|failed|fatal|exception|cannot)\b", re.IGNORECASE)


class Tail(NamedTuple):
    """The end of a log."""

    text: str
    is_cut: bool
    """There is more before it."""
    position: int
    """Where it ends: `since` of the next call, to be told what is new."""


class EngineLogs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def numbers(self, deployment_id: str) -> list[int]:
        """Return the numbers of the replicas that have left a log."""
        if not _DEPLOYMENT.fullmatch(deployment_id):
            return []
        found: list[int] = []
        for path in self._folder.glob(f"engine-{deployment_id}*.log"):
            beside = path.name.removeprefix(f"engine-{deployment_id}").removesuffix(".log")
            if not beside:
                found.append(1)
            elif beside[1:].isdigit() and int(beside[1:]) <= _MOST_REPLICAS:
                found.append(int(beside[1:]))
        return sorted(found)

    def tail(self, deployment_id: str, number: int, most_bytes: int = _PIECE_BYTES) -> Tail:
        """Return the last whole lines of a log; nothing when there is none."""
        path = self._path(deployment_id, number)
        most = min(most_bytes, MOST_TAIL_BYTES)
        raw = b"" if path is None else _end_of(path, most)
        size = 0 if path is None else _size(path)
        is_cut = len(raw) >= most
        if is_cut:
            raw = raw[raw.find(b"\n") + 1 :]
        return Tail(_text(raw), is_cut, size)

    def news(self, deployment_id: str, number: int, since: int) -> Tail:
        """Return what was written behind `since`; all of the file when it was begun anew."""
        path = self._path(deployment_id, number)
        if path is None:
            return Tail("", False, 0)
        size = _size(path)
        start = since if 0 <= since <= size else 0
        start, is_cut = max(start, size - MOST_TAIL_BYTES), size - start > MOST_TAIL_BYTES
        return Tail(_text(_read(path, start, size - start)), is_cut, size)

    def first_error(self, deployment_id: str, number: int) -> str:
        """Return the first line of the newest file that tells of an error; empty is none."""
        path = self._path(deployment_id, number)
        if path is None:
            return ""
        for line in _text(_read(path, 0, _SEARCHED_BYTES)).splitlines():
            if _ERROR.search(line):
                return line[:500]
        return ""

    def whole(self, deployment_id: str, number: int) -> Iterator[bytes]:
        """Yield all that is there, the oldest first: at most twice what a log may have."""
        path = self._path(deployment_id, number)
        if path is None:
            return
        for each in (path.with_name(path.name + ".1"), path):
            at, size = 0, _size(each)
            while at < size and (piece := _read(each, at, min(_PIECE_BYTES, size - at))):
                at += len(piece)
                yield piece

    def _path(self, deployment_id: str, number: int) -> Path | None:
        if not _DEPLOYMENT.fullmatch(deployment_id) or not 1 <= number <= _MOST_REPLICAS:
            return None
        beside = "" if number == 1 else f".{number}"
        return self._folder / f"engine-{deployment_id}{beside}.log"


def _end_of(path: Path, most: int) -> bytes:
    size = _size(path)
    raw = _read(path, max(0, size - most), most)
    if len(raw) < most:
        older = path.with_name(path.name + ".1")
        missing = most - len(raw)
        raw = _read(older, max(0, _size(older) - missing), missing) + raw
    return raw


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read(path: Path, start: int, count: int) -> bytes:
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            return stream.read(count)
    except OSError:
        return b""  # none yet, or it was just begun anew


def _text(raw: bytes) -> str:
    """Return what is shown: no control characters but line ends, which a log may hold."""
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    return "".join(letter if letter in "\n\t" or letter.isprintable() else "�" for letter in text)
