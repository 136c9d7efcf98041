"""What uploads and artifacts may be: pure."""

import re
import unicodedata
from datetime import timedelta
from typing import NamedTuple

from tradewind.core.errors import InvalidInput
from tradewind.features.artifacts.schemas import (
    MIB,
    MOST_FILE_BYTES,
    MOST_PATH_CHARACTERS,
    PART_BYTES,
)

MOST_ARTIFACTS = 10_000
"""Of one organization."""
IDLE_UPLOAD = timedelta(days=7)
"""An open upload to which nothing came for so long is swept."""
UNUSED_UPLOAD = timedelta(days=7)
"""What is ready must be put into an artifact in this time; a refusal can be read for as long."""
UNUSED_BLOB = timedelta(hours=1)
"""Bytes that nothing has referred to for so long leave the store."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[1-9]|lpt[1-9])(\..*)?")


class UploadLimits(NamedTuple):
    """Of one organization."""

    under_way: int = 20
    """Uploads that are open or being checked."""
    bytes_under_way: int = 2 * 1024 * 1024 * MIB
    """Announced by those."""
    in_all: int = 2_000
    """In any state: what is ready or refused is swept after a while."""


class Span(NamedTuple):
    """Bytes of a file: the first one, and how many."""

    start: int
    size: int


def part_span(file_size: int, number: int) -> Span:
    """Return where a part lies in its file. Raises InvalidInput for a number it does not have."""
    parts = -(-file_size // PART_BYTES)
    if not 1 <= number <= parts:
        raise InvalidInput(f"this upload has the parts 1 to {parts}, and no part {number}")
    start = (number - 1) * PART_BYTES
    return Span(start, min(PART_BYTES, file_size - start))


def ranges_of(numbers: list[int]) -> list[list[int]]:
    """Return sorted numbers as ranges: an upload has up to 65,536 parts."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def clean_size(size: int) -> int:
    """Raises InvalidInput."""
    if not 0 < size <= MOST_FILE_BYTES:
        raise InvalidInput(f"a file has 1 to {MOST_FILE_BYTES} bytes, not {size}")
    return size


def clean_sha256(text: str | None) -> str | None:
    """Raises InvalidInput."""
    if text is None or _SHA256.fullmatch(text):
        return text
    raise InvalidInput("a sha256 is 64 hexadecimal digits in lower case")


def clean_digest(text: str) -> str | None:
    """Return the digest of a manifest, None when it is none."""
    return text if _DIGEST.fullmatch(text) else None


def clean_path(path: str) -> str:
    """Return the path of a file in an artifact, when it means one place inside it on every system.

    Raises InvalidInput for anything that could lead elsewhere, be taken for another file, or be
    shown as what it is not.
    """
    if not 0 < len(path) <= MOST_PATH_CHARACTERS:
        raise InvalidInput(f"a path has 1 to {MOST_PATH_CHARACTERS} characters")
    for part in path.split("/"):
        reason = _reason_against_name(part)
        if reason is not None:
            raise InvalidInput(f"the path {path[:200]!r} {reason}")
    return path


def clean_name(name: str) -> str:
    """Return the name of a file, which has no folder. Raises InvalidInput."""
    clean_path(name)
    if "/" in name:
        raise InvalidInput(
            "the name of an upload has no folder in it",
            hint="folders are given when uploads are put into an artifact",
        )
    return name


def _reason_against_name(name: str) -> str | None:
    if name in {"", ".", ".."}:
        return "leads out of its artifact"
    if len(name.encode("utf-8", "replace")) > 255:
        return "has a name that no file can have"
    if any(letter in '\\:*?"<>|' for letter in name):
        return 'has one of \\ : * ? " < > | in it'
    if any(unicodedata.category(letter)[0] == "C" for letter in name):
        return "has an invisible character in it"
    if unicodedata.normalize("NFC", name) != name:
        return "is not written in the composed form of Unicode (NFC)"
    if name != name.strip() or name.endswith(".") or _RESERVED.fullmatch(name):
        return "has a name that some systems take for another"
    return None


def open_location(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{sha256}"


def sealed_location(upload_id: str) -> str:
    return f"sealed/{upload_id[-2:]}/{upload_id}"
