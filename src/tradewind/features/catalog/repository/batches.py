"""Many rows in one statement."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, text

Item = TypeVar("Item")

ROWS_AT_ONCE = 5_000
"""Keeps a statement within its time and a text within some megabytes."""


def run_batched(
    tx: Connection, statement: str, rows: Sequence[Mapping[str, Any]], **more: Any
) -> int:
    """Run a statement that reads `:rows` with jsonb_to_recordset; return how many rows it hit."""
    prepared, hit = text(statement), 0
    for some in _slices(rows):
        given = {"rows": _encode(some).decode(), **more}
        hit += max(0, tx.execute(prepared, given).rowcount)
    return hit


def run_on_ids(tx: Connection, statement: str, ids: Sequence[str], **more: Any) -> int:
    """Run a statement that reads the array `:ids`; return how many rows it hit."""
    prepared, hit = text(statement), 0
    for some in _slices(ids):
        hit += max(0, tx.execute(prepared, {"ids": list(some), **more}).rowcount)
    return hit


# Ids are texts of types of their own.
_encode = msgspec.json.Encoder(enc_hook=str).encode


def _slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), ROWS_AT_ONCE):
        yield items[start : start + ROWS_AT_ONCE]
