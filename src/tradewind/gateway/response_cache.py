"""Answers given again to the very same request, for organizations that asked for it.

Exact: the whole request must be the same, byte for byte, at the same model and price. An answer is
kept for the time its organization set, within a bound of memory, and never leaves the organization
it was made for. Prompts are not kept: a request is known by its digest.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from tradewind.snapshot.contents import Endpoint, Target

MOST_BYTES = 64 * 1024 * 1024
MOST_ANSWER_BYTES = 1024 * 1024


class CachedAnswer(NamedTuple):
    """A whole answer, as its client got it."""

    body: bytes
    content_type: bytes
    target: Target
    """Who made it."""
    expires_at: float
    """On the monotonic clock."""


class ResponseCache:
    """The least recently used answers make room. Used from the event loop's thread only."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._answers: OrderedDict[bytes, CachedAnswer] = OrderedDict()
        self._most_bytes = most_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0

    def get(self, key: bytes, now: float) -> CachedAnswer | None:
        found = self._answers.get(key)
        if found is not None and found.expires_at <= now:
            self._forget(key)
            found = None
        if found is None:
            self.misses += 1
            return None
        self._answers.move_to_end(key)
        self.hits += 1
        return found

    def put(self, key: bytes, answer: CachedAnswer) -> None:
        """Keep an answer; one that is too large is not kept."""
        if len(answer.body) > min(MOST_ANSWER_BYTES, self._most_bytes):
            return
        if key in self._answers:
            self._forget(key)
        self._answers[key] = answer
        self.bytes += len(answer.body)
        while self.bytes > self._most_bytes:
            self._forget(next(iter(self._answers)))

    def _forget(self, key: bytes) -> None:
        self.bytes -= len(self._answers.pop(key).body)


class Collecting:
    """Puts one answer aside while it is passed on."""

    __slots__ = ("_parts", "_size", "key", "ttl_s")

    def __init__(self, key: bytes, ttl_s: int) -> None:
        self.key = key
        self.ttl_s = ttl_s
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= MOST_ANSWER_BYTES:
            self._parts.append(data)
        else:
            self._parts.clear()

    def answer(self, content_type: bytes, target: Target, now: float) -> CachedAnswer | None:
        """Return the whole answer, or None when it was too large to be kept."""
        if self._size > MOST_ANSWER_BYTES:
            return None
        return CachedAnswer(b"".join(self._parts), content_type, target, now + self.ttl_s)


def key_of(  # noqa: PLR0917  the parts of a key
    organization_id: str,
    path: bytes,
    query: bytes,
    endpoint: Endpoint,
    body: bytes,
    policies: Sequence[tuple[str, int]] = (),
) -> bytes:
    """Return what the same request has in common. Parts are framed by their length, so that no two
    requests can be taken for one another.
    """
    digest = hashlib.sha256()
    for part in (
        organization_id.encode(),
        path,
        query,
        endpoint.name.encode(),
        endpoint.price.id.encode(),
        body,
        *(f"{id_} {version}".encode() for id_, version in policies),
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
