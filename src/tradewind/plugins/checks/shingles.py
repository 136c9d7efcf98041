"""Texts as hashes of runs of words, for finding copies. Pure.

A text is cut into words (code into names, numbers and signs), each run of `RUN` of them is hashed
to 64 bits, and of each window of `WINDOW` hashes the least is kept (winnowing: Schleimer, Wilkerson
and Aiken, SIGMOD 2003). So whatever two texts share over `RUN + WINDOW - 1` words shares at least
one kept hash, and an index holds two fifths of all. Case and white space do not matter.
"""

import re
import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RUN = 8
WINDOW = 4
_TEXT_WORD = re.compile(r"\w++(?:['\u2019]\w++)?")
_CODE_WORD = re.compile(r"\w++|[^\w\s]")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_SEED = 0x5BD1E995


class Runs(NamedTuple):
    hashes: NDArray[np.uint64]
    """One for each run, in order."""
    starts: NDArray[np.int64]
    """Where each run begins, in characters."""
    ends: NDArray[np.int64]


def runs(text: str, *, is_code: bool) -> Runs:
    words = (_CODE_WORD if is_code else _TEXT_WORD).finditer(text.lower())
    starts: list[int] = []
    ends: list[int] = []
    codes: list[int] = []
    for word in words:
        raw = word[0].encode("utf-8", "surrogatepass")
        starts.append(word.start())
        ends.append(word.end())
        codes.append(zlib.crc32(raw) << 32 | zlib.crc32(raw, _SECOND_SEED))
    count = len(codes) - RUN + 1
    if count < 1:
        nothing = np.zeros(0, np.int64)
        return Runs(np.zeros(0, np.uint64), nothing, nothing)
    each = np.array(codes, np.uint64)
    mixed = np.zeros(count, np.uint64)
    for offset in range(RUN):
        mixed = mixed * _FACTOR + each[offset : offset + count]
    mixed = (mixed ^ (mixed >> np.uint64(29))) * _MIX
    return Runs(
        mixed ^ (mixed >> np.uint64(32)),
        np.array(starts[:count], np.int64),
        np.array(ends[RUN - 1 :], np.int64),
    )


def winnowed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the least of each window, each once, ascending."""
    if hashes.size <= WINDOW:
        return hashes[:1] if not hashes.size else np.array([hashes.min()], np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(hashes, WINDOW)
    return np.unique(windows.min(axis=1))
