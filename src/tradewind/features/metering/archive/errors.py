"""What can go wrong with the archive."""

from datetime import date

from tradewind.core.errors import Conflict, StartupError, Unavailable


class ArchiveDamaged(Unavailable):
    """A file of the archive is not what was put there; its day stays in the tables."""

    code = "usage_archive_damaged"


class NoDuckDB(StartupError):
    """What writes and reads Parquet files is not installed."""

    code = "duckdb_missing"

    def __init__(self) -> None:
        super().__init__(
            "the archive of usage needs DuckDB",
            hint="install the extra: pip install 'tradewind[archive]'",
        )


class UsageArchived(Conflict):
    """Calls of these days are in files, and only whoever runs the platform reads those."""

    code = "usage_archived"

    def __init__(self, first: date, last: date) -> None:
        days = f"{first}" if first == last else f"{first} to {last}"
        super().__init__(
            f"single calls of {days} are in the archive of usage",
            hint="ask whoever runs the platform for them: `tradewind usage query`; sums by the hour"
            " are where they were",
        )
