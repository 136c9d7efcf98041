"""Parquet files of events: written, summed and asked by DuckDB, in one thread and bounded memory.

A row group's rows are sorted by organization and time, so a reader of one organization's month
passes over most of a file by its statistics. Zstandard takes a fifth of what the table takes.
"""

import contextlib
import hashlib
import importlib.util
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tradewind.features.metering.archive.errors import NoDuckDB
from tradewind.features.metering.archive.repository.sums import SUMS
from tradewind.features.metering.archive.rules import COLUMNS, Totals, totals_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "256MB"
"""Of DuckDB; what needs more goes to files beside the one it works on."""
_READ_BYTES = 1024 * 1024
_TYPES = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
# As PostgreSQL writes CSV: what is nothing is not quoted, and an empty text is.
CSV = (
    "read_csv(?, header=false, auto_detect=false, delim=',', quote='\"', escape='\"',"
    " nullstr='', allow_quoted_nulls=false, parallel=false, max_line_size=1000000,"
    f" columns={{{_TYPES}}})"
)
"""A table of a file of `COPY … TO STDOUT (FORMAT csv)`, whose path is the parameter."""


def is_installed() -> bool:
    """DuckDB is an extra: 30 MB that only whoever archives needs."""
    return importlib.util.find_spec("duckdb") is not None


@contextmanager
def duck(folder: Path, *, database: Path | None = None) -> "Generator[DuckDBPyConnection]":
    """Open a DuckDB that spills into a folder. Raises NoDuckDB."""
    try:
        import duckdb  # noqa: PLC0415  an extra
    except ImportError:
        raise NoDuckDB from None
    connection = duckdb.connect(str(database) if database is not None else ":memory:")
    try:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute("SET threads = 1")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(f"SET temp_directory = {quoted(folder)}")
        yield connection
    finally:
        with contextlib.suppress(duckdb.Error):
            connection.close()


def write(csv: Path, target: Path) -> None:
    """Make a Parquet file of a CSV of PostgreSQL's, in its order, and see it onto the disk."""
    with duck(target.parent) as connection:
        # COPY takes no parameters in its options, and a path is all that varies.
        connection.execute(
            f"COPY (SELECT * FROM {CSV}) TO {quoted(target)}"  # noqa: S608  a path of ours
            " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)",
            [str(csv)],
        )
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def totals_in(path: Path) -> Totals:
    """Sum a file up, from its own bytes."""
    with duck(path.parent) as connection:
        rows = connection.execute(
            f"{SUMS} FROM read_parquet(?) GROUP BY 1, 2", [str(path)]
        ).fetchall()
    return totals_of(rows)


def digest_of(path: Path) -> bytes:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            found.update(piece)
    return found.digest()


def quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def quoted_list(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(map(quoted, paths)) + "]"
