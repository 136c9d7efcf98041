"""Checks the lines of an export, without the platform. Pure.

Each line is canonical JSON, so that no byte of a file is free to change. An export is one chain
after the other, each of these lines:

    chain      where the stretch begins: the sequence and the hash before its first receipt
    receipt    its two parts, each whole or as its digest alone
    head       a place in the chain, signed when it was reached
    end        the whole stretch, signed when it was exported: nothing is cut off
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from tradewind.core.money import parse_nanos, rate_nanos
from tradewind.features.receipts.canonical import (
    END_TYPE,
    FORMAT,
    HEAD_TYPE,
    canonical,
    digest,
    link_hash,
)
from tradewind.features.receipts.signing import is_signed

MOST_LINE_BYTES = 256 * 1024
MOST_PROBLEMS = 100
_HASH = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_FIELDS = {
    "chain": {"after", "chain", "format", "kind"},
    "receipt": {"buyer", "kind", "sale", "sequence"},
    "head": {"head", "key", "kind", "signature"},
    "end": {"end", "key", "kind", "signature"},
}


class Problem(NamedTuple):
    line: int
    """From 1."""
    message: str


@dataclass(slots=True)
class Verified:
    """What was found in a file. It is right when there is no problem."""

    chains: int = 0
    receipts: int = 0
    heads: int = 0
    whole_parts: int = 0
    """Parts that are there and not only as their digest."""
    cost_nanos: dict[str, int] = field(default_factory=dict[str, int])
    """By currency, of the receipts whose sale is there."""
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def is_right(self) -> bool:
        return not self.problems


class _Wrong(Exception):
    """A line is not what it must be."""


@dataclass(slots=True)
class _Place:
    """Where a chain is, while it is read."""

    chain: str
    began: int
    began_hash: str
    sequence: int
    hash: str


def verify(lines: Iterable[bytes], keys: Mapping[str, bytes]) -> Verified:
    """Check the lines of a file, each with its line feed. `keys` are public keys by their ids.

    Of a chain with a wrong link only the first one is told: all that follows hangs on it.
    """
    reader = _Reader(keys)
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            reader.take(_read(line))
        except _Wrong as wrong:
            reader.found.problems.append(Problem(number, str(wrong)))
            reader.pass_over()
        if len(reader.found.problems) >= MOST_PROBLEMS:
            return reader.found
    found = reader.found
    if reader.is_inside:
        found.problems.append(Problem(number, "the file ends before its chain does"))
    elif not found.chains and not found.problems:
        found.problems.append(Problem(max(1, number), "the file has no receipts"))
    return found


class _Reader:
    """Follows one chain after the other."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self.found = Verified()
        self._keys = keys
        self._place: _Place | None = None
        self._passes_over = False
        """Whether the chain has a wrong line: what follows, up to the next chain, is not read."""

    @property
    def is_inside(self) -> bool:
        return self._place is not None

    def pass_over(self) -> None:
        self._place, self._passes_over = None, True

    def take(self, record: dict[str, Any]) -> None:
        """Raises _Wrong."""
        kind, place = record["kind"], self._place
        if kind == "chain":
            is_unended = place is not None
            self._place, self._passes_over = _begin(record), False
            self.found.chains += 1
            if is_unended:
                raise _Wrong("the chain before it has no end")
        elif self._passes_over:
            return
        elif place is None:
            raise _Wrong("no chain begins before it")
        elif kind == "receipt":
            _follow(place, record, self.found)
        elif kind == "head":
            _check_head(place, record, self._keys)
            self.found.heads += 1
        else:
            _check_end(place, record, self._keys)
            self._place = None


def _read(line: bytes) -> dict[str, Any]:
    if len(line) > MOST_LINE_BYTES:
        raise _Wrong("the line is too long")
    try:
        parsed: Any = json.loads(line)
        is_canonical = canonical(parsed) + b"\n" == line
    except (ValueError, RecursionError):
        raise _Wrong("the line is not JSON") from None
    if not is_canonical or not isinstance(parsed, dict):
        raise _Wrong("the line is not an object in canonical JSON, ended by a line feed")
    record = cast("dict[str, Any]", parsed)
    kind: Any = record.get("kind")
    if not isinstance(kind, str) or set(record) != _FIELDS.get(kind):
        raise _Wrong("the line is none of an export of receipts")
    return record


def _begin(record: dict[str, Any]) -> _Place:
    after, chain = record["after"], record["chain"]
    if record["format"] != FORMAT:
        raise _Wrong(f"its format is not {FORMAT}")
    if isinstance(chain, str) and isinstance(after, dict):
        began = cast("dict[str, Any]", after)
        sequence: Any = began.get("sequence")
        former: Any = began.get("hash")
        if set(began) == {"hash", "sequence"} and type(sequence) is int and _is_hash(former):
            return _Place(chain, sequence, former, sequence, former)
    raise _Wrong("it does not say where the chain begins")


def _follow(place: _Place, record: dict[str, Any], found: Verified) -> None:
    expected = place.sequence + 1
    if type(record["sequence"]) is not int or record["sequence"] != expected:
        raise _Wrong(f"receipt {expected} is expected here, and this is {record['sequence']}")
    sale, buyer = (_digest_of(record[name], name, found) for name in ("sale", "buyer"))
    if isinstance(record["sale"], dict):
        _add_cost(cast("dict[str, Any]", record["sale"]), found)
    place.sequence = expected
    place.hash = link_hash(place.chain, expected, place.hash, sale, buyer)
    found.receipts += 1


def _digest_of(part: Any, name: str, found: Verified) -> str:
    if isinstance(part, dict):
        found.whole_parts += 1
        return digest(canonical(part))
    if not _is_hash(part):
        raise _Wrong(f"its {name} is neither an object nor a digest")
    return part


def _add_cost(sale: dict[str, Any], found: Verified) -> None:
    """Count what a sale came to, and reckon it again from its price lines."""
    try:
        currency, cost = str(sale["currency"]), parse_nanos(sale["cost"])
        lines = [(int(line["quantity"]), parse_nanos(line["price"])) for line in sale["lines"]]
        total = rate_nanos(*lines)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _Wrong("its sale does not say what it cost") from None
    if lines and total != cost:
        raise _Wrong("its price lines do not come to its cost")
    found.cost_nanos[currency] = found.cost_nanos.get(currency, 0) + cost


def _check_head(place: _Place, record: dict[str, Any], keys: Mapping[str, bytes]) -> None:
    head = _signed(record, "head", HEAD_TYPE, keys)
    _compare(
        head, {"chain": place.chain, "hash": place.hash, "sequence": place.sequence}, "the head"
    )


def _check_end(place: _Place, record: dict[str, Any], keys: Mapping[str, bytes]) -> None:
    end = _signed(record, "end", END_TYPE, keys)
    expected = {
        "after": {"hash": place.began_hash, "sequence": place.began},
        "chain": place.chain,
        "hash": place.hash,
        "sequence": place.sequence,
    }
    _compare(end, expected, "the end")


def _signed(
    record: dict[str, Any], name: str, payload_type: bytes, keys: Mapping[str, bytes]
) -> dict[str, Any]:
    signed, key_id, signature = record[name], record["key"], record["signature"]
    if not isinstance(key_id, str) or key_id not in keys:
        raise _Wrong(f"it is signed with the key {str(key_id)[:80]!r}, which was not given")
    if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
        raise _Wrong("its signature is not 64 bytes in hex")
    payload = canonical(signed)
    if not is_signed(keys[key_id], payload_type, payload, bytes.fromhex(signature)):
        raise _Wrong("its signature is not of it")
    if not isinstance(signed, dict):
        raise _Wrong("what is signed is no object")
    return cast("dict[str, Any]", signed)


def _compare(signed: dict[str, Any], expected: dict[str, Any], what: str) -> None:
    for name, value in expected.items():
        if signed.get(name) != value:
            raise _Wrong(f"{what} has another {name} than what stands before it")


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None
