"""Which target most likely has the beginning of a prompt in its cache already.

Calls with the same *affinity* go to the same target, found by rendezvous hashing: when a target
goes or comes, only the calls that it had or will have move. It is a hint: a target that rests is
not in the choice, and one with more than 1.25 times its share of the load is passed over for the
next.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

from tradewind.snapshot.contents import Target

_MOST_LOAD = 1.25
# Where a beginning is looked for, and how much of it counts: engines keep prefixes in blocks, so
# what is the same for a kilobyte is worth going back for.
_SEARCHED_BYTES = 1024
_HASHED_BYTES = 1024
_KEYS_WITHIN_BYTES = 256
_MOST_KEY_BYTES = 256
_MOST_BLANKS = 4
_SAID_KEYS = (b'"prompt_cache_key":', b'"user":')
_BEGINNING = b'"messages"'
# What stands eight bytes behind the start of `"role"` for `system` and `developer`, with a blank
# before the value or without.
_SYSTEM = frozenset((b"sy", b'"s', b"de", b'"d'))
_MASK = (1 << 64) - 1


def affinity_of(body: bytes) -> bytes:
    """Return the digest of what stays the same in a conversation, from the bytes of a request.

    That is the client's own `prompt_cache_key` or `user`, if it stands near either end; else the
    system prompt with the first message behind it. The body is not parsed, so two spellings of one
    conversation may differ. That costs a cache hit and nothing more. Takes about 2 us.
    """
    find, length = body.find, len(body)
    for name in _SAID_KEYS:
        at = find(name, 0, _KEYS_WITHIN_BYTES)
        if at < 0 and length > _KEYS_WITHIN_BYTES:
            at = find(name, length - _KEYS_WITHIN_BYTES)
        if at >= 0:
            start = find(b'"', at + len(name), at + len(name) + _MOST_BLANKS) + 1
            end = find(b'"', start, start + _MOST_KEY_BYTES)
            if 0 < start < end:
                return _digest(body[start:end])
    start = find(_BEGINNING, 0, _SEARCHED_BYTES)
    if start < 0:
        return _digest(body[:_HASHED_BYTES])
    # Up to the brace behind the first message of a user: the same place in all later turns. One in
    # the text ends it early, each time at the same place.
    end = most = start + _HASHED_BYTES
    role = find(b'"role"', start, most)
    if role >= 0:
        end = find(b"}", role, most)
        if end >= 0 and body[role + 8 : role + 10] in _SYSTEM:
            end = find(b"}", end + 1, most)
    return _digest(body[start : end if end >= 0 else most])


def sticky_target(
    affinity: bytes, targets: Sequence[Target], in_flight: Mapping[str, int]
) -> Target:
    """Return the target for this affinity among equally good ones, of which there is at least
    one.
    """
    calls, weights = 1, 0
    for target in targets:
        calls += in_flight.get(target.replica_id, 0)
        weights += target.weight
    hashed = int.from_bytes(affinity[:8], "little")
    best, best_score = None, 0.0
    for target in targets:
        most = math.ceil(_MOST_LOAD * calls * target.weight / weights)
        if in_flight.get(target.replica_id, 0) >= most:
            continue
        score = -target.weight / math.log(_unit(hashed ^ _seed(target.replica_id)))
        if best is None or score > best_score:
            best, best_score = target, score
    # The loads of all add up to less than all the bounds do, so one is below its own.
    assert best is not None
    return best


def _digest(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


@lru_cache(maxsize=4096)
def _seed(replica_id: str) -> int:
    raw = replica_id.encode("utf-8", "surrogatepass")
    return zlib.crc32(raw) << 32 | zlib.crc32(raw[::-1], 1)


def _unit(number: int) -> float:
    """Return a number in (0, 1) that has nothing to do with its neighbours' (the finaliser of
    splitmix64, Steele et al. 2014).
    """
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & _MASK
    return ((number >> 12 ^ number >> 43) + 0.5) / (1 << 52)
