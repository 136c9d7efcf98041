"""Lays the rows of the tables and the files of the archive before DuckDB, as one table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.features.metering.archive.repository.parquet import CSV, quoted_list
from tradewind.features.metering.archive.rules import COLUMNS
from tradewind.features.metering.archive.schemas import Stretch

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUMMARY = """
    SELECT CAST("at" AS DATE) AS day, currency,
        count(*) FILTER (WHERE corrects IS NULL) AS requests,
        sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(cost_nanos) AS cost_nanos
    FROM usage_event GROUP BY 1, 2 ORDER BY 1, 2
"""
"""What is asked when nobody says what."""
# `at` is a word of DuckDB's.
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)


def gather(duck: "DuckDBPyConnection", csv: Path, files: Sequence[Path], stretch: Stretch) -> None:
    """Make the table `usage_event` of what PostgreSQL wrote and of these files."""
    duck.execute(f"CREATE TABLE live AS SELECT * FROM {CSV}", [str(csv)])  # noqa: S608  text of ours
    duck.execute(_view(files, stretch))


def close_in(duck: "DuckDBPyConnection", files: Sequence[Path], place: Path) -> None:
    """Let it read these files and what it spills, and nothing else any more."""
    duck.execute(f"SET allowed_paths = {quoted_list(files)}")
    duck.execute(f"SET allowed_directories = {quoted_list([place])}")
    duck.execute("SET enable_external_access = false")
    duck.execute("SET lock_configuration = true")


def fetchable(columns: Sequence[str], types: Sequence[Any]) -> str:
    """Return what to select of an answer: times as texts, for which DuckDB would need pytz."""
    selected: list[str] = []
    for place, (name, kind) in enumerate(zip(columns, types, strict=True), start=1):
        value = f"CAST(#{place} AS VARCHAR)" if "TIME ZONE" in str(kind) else f"#{place}"
        quoted = name.replace('"', '""')
        selected.append(f'{value} AS "{quoted}"')
    return ", ".join(selected)


def _view(files: Sequence[Path], stretch: Stretch) -> str:
    # Names, times and paths of ours; a view takes no parameters.
    text = f"CREATE VIEW usage_event AS SELECT {_NAMES} FROM live"  # noqa: S608
    if files:
        text += (
            f" UNION ALL SELECT {_NAMES} FROM read_parquet({quoted_list(files)})"  # noqa: S608
            f" WHERE \"at\" >= '{stretch.since.isoformat()}'"
            f" AND \"at\" < '{stretch.until.isoformat()}'"
        )
    return text
