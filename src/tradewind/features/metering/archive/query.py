"""Asks the tables and the archive as one, in SQL of DuckDB's."""

import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tradewind.core.errors import InvalidInput
from tradewind.db.database import Database
from tradewind.features.metering.archive.archiver import fetched
from tradewind.features.metering.archive.errors import NoDuckDB
from tradewind.features.metering.archive.repository import asking, parquet, tables
from tradewind.features.metering.archive.schemas import ArchiveStore, PartState, Stretch

MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    is_cut: bool
    """There were more than MOST_ROWS."""


def ask(
    database: Database,
    store: ArchiveStore,
    folder: Path,
    stretch: Stretch,
    statement: str = asking.SUMMARY,
) -> Answer:
    """Run a statement over `usage_event`, which has all events of a time, wherever they are.

    The statement sees that table and nothing else: no file, no network. `folder` is for the copies
    that this needs, which are gone afterwards. Raises InvalidInput for what DuckDB refuses.
    """
    if not parquet.is_installed():
        raise NoDuckDB
    import duckdb  # noqa: PLC0415  an extra

    with _gathered(database, store, folder, stretch) as connection:
        try:
            found = connection.sql(statement)
            if found is None:
                raise InvalidInput("this is no question", hint="it begins with SELECT or WITH")
            columns: list[str] = list(found.columns)
            rows = (
                found.project(asking.fetchable(columns, found.types))
                .limit(MOST_ROWS + 1)
                .fetchall()
            )
        except duckdb.Error as error:
            raise InvalidInput(f"the question cannot be answered: {error}") from error
    return Answer(columns, rows[:MOST_ROWS], is_cut=len(rows) > MOST_ROWS)


@contextmanager
def _gathered(
    database: Database, store: ArchiveStore, folder: Path, stretch: Stretch
) -> Generator[Any]:
    since, until = stretch
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as kept:
        place = Path(kept.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        csv = place / "live.csv"
        first, last = since.date() - timedelta(days=1), until.date() + timedelta(days=1)
        with database.connect_raw(autocommit=True) as connection, connection.transaction():
            # The list of parts and the tables are read as of one moment: an event is in one of
            # them, and in one only.
            tables.see_one_moment(connection)
            parts = tables.parts(connection, first, last)
            detached = [
                tables.table_of(part.day) for part in parts if part.state is PartState.DETACHED
            ]
            tables.write_stretch(connection, ["usage_event", *detached], since, until, csv)
        files = [
            kept.enter_context(fetched(store, part, place))
            for part in parts
            if part.state is PartState.DROPPED
        ]
        duck = kept.enter_context(parquet.duck(place, database=place / "live.duckdb"))
        asking.gather(duck, csv, files, stretch)
        csv.unlink()
        asking.close_in(duck, files, place)
        yield duck
