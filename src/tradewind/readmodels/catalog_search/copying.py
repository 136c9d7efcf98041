"""COPY as text, with rows that are put together here: psycopg's own way of writing a row asks for
the type of each of its values, which takes several times as long (documentation of PostgreSQL,
COPY, "Text Format").
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import LiteralString, cast

import psycopg
from sqlalchemy import Connection

_NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_LINES = 500
"""Sent at once."""


def copy_lines(tx: Connection, statement: LiteralString, rows: Iterable[Sequence[str]]) -> None:
    """Copy rows of values that `text_of`, `hex_of` and `array_of` made, or of plain numbers."""
    connection = cast("psycopg.Connection", tx.connection.driver_connection)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        left = iter(rows)
        while some := "".join("\t".join(row) + "\n" for row in islice(left, _LINES)):
            copy.write(some)


def text_of(value: str | None) -> str:
    return _NULL if value is None else value.translate(_ESCAPES)


def hex_of(value: bytes) -> str:
    return r"\\x" + value.hex()


def array_of(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
