"""Partitions, and the rows of `usage_archive`. Raw psycopg, as all of metering."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from tradewind.features.metering.archive import rules
from tradewind.features.metering.archive.errors import ArchiveDamaged
from tradewind.features.metering.archive.repository.sums import SUMS
from tradewind.features.metering.archive.rules import COLUMNS, Totals, begin_of, totals_of
from tradewind.features.metering.archive.schemas import Part, PartState
from tradewind.features.metering.repository import partition_name

_LOCK = 0x7477_6172_6368
_TABLE = "usage_event"
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
_PART = sql.SQL(
    "SELECT day, part, state, store, location, size_bytes, sha256, totals, exported_at,"
    " verified_at, detached_at, dropped_at FROM usage_archive"
)


def try_lock(connection: Connection) -> bool:
    """Be the one who archives, for as long as the connection lives. False when somebody else is."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
    return row is not None and bool(row[0])


def wait_briefly(tx: Connection) -> None:
    """Give up on a lock soon: whoever comes behind us in its queue waits as long."""
    tx.execute("SET LOCAL lock_timeout = '2s'")


def see_one_moment(tx: Connection) -> None:
    """Let all statements of this transaction see the same; no partition goes away meanwhile."""
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    tx.execute("LOCK TABLE usage_event IN ACCESS SHARE MODE")


def table_of(day: date) -> str:
    return partition_name(_TABLE, day)


def days_in_tables(tx: Connection) -> set[date]:
    """Return the days that have a partition."""
    rows = tx.execute(
        "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
        " WHERE inhparent = %s::regclass",
        [_TABLE],
    )
    names = (row[0].removeprefix(f"{_TABLE}_") for row in rows)
    return {date.fromisoformat(name) for name in names if name.isdigit()}


def days_by_default(tx: Connection, first: date, last: date) -> set[date]:
    """Return the days of a stretch of which events lie in the default partition."""
    rows = tx.execute(
        "SELECT DISTINCT (at AT TIME ZONE 'UTC')::date FROM usage_event_default"
        " WHERE at >= %s AND at < %s",
        [begin_of(first), begin_of(last) + timedelta(days=1)],
    )
    return {row[0] for row in rows}


def parts(tx: Connection, first: date | None = None, last: date | None = None) -> list[Part]:
    """Return the parts of days from `first` to `last`, in their order."""
    rows = tx.execute(
        _PART
        + sql.SQL(
            " WHERE (%(first)s::date IS NULL OR day >= %(first)s)"
            " AND (%(last)s::date IS NULL OR day <= %(last)s) ORDER BY day, part"
        ),
        {"first": first, "last": last},
    )
    return [
        Part(day, part, PartState(state), store, location, size, sha256, rules.read(totals), *times)
        for day, part, state, store, location, size, sha256, totals, *times in rows
    ]


def add_part(tx: Connection, part: Part) -> None:
    """Say that a file was made; of a part that is there, say that it was made anew."""
    tx.execute(
        "INSERT INTO usage_archive (day, part, state, store, location, size_bytes, sha256, events,"
        " totals, exported_at) VALUES (%s, %s, 'exported', %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (day, part) DO UPDATE SET store = excluded.store,"
        " location = excluded.location, size_bytes = excluded.size_bytes, sha256 = excluded.sha256,"
        " events = excluded.events, totals = excluded.totals, exported_at = excluded.exported_at",
        [
            part.day,
            part.part,
            part.store,
            part.location,
            part.size_bytes,
            part.sha256,
            part.totals.events,
            Jsonb(rules.told(part.totals)),
            part.exported_at,
        ],
    )


def verify_part(tx: Connection, part: Part, now: datetime) -> None:
    """One that is detached already stays so."""
    tx.execute(
        "UPDATE usage_archive SET verified_at = %s,"
        " state = CASE state WHEN 'exported' THEN 'verified' ELSE state END"
        " WHERE day = %s AND part = %s",
        [now, part.day, part.part],
    )


def has_news(tx: Connection, day: date) -> bool:
    """Say whether receipts of a day's events are still to be made; the arrays are sorted."""
    row = tx.execute(
        "SELECT EXISTS (SELECT FROM usage_news WHERE at[1] < %s AND at[cardinality(at)] >= %s)",
        [begin_of(day) + timedelta(days=1), begin_of(day)],
    ).fetchone()
    return row is not None and bool(row[0])


def detach(tx: Connection, part: Part, now: datetime) -> None:
    """Make a table of its own of a day's partition. A few milliseconds, whatever is in it.

    Not CONCURRENTLY, which PostgreSQL refuses where there is a default partition: nobody reads or
    writes usage for that moment. Raises psycopg.errors.LockNotAvailable where somebody reads long.
    """
    tx.execute(
        sql.SQL("ALTER TABLE usage_event DETACH PARTITION {}").format(
            sql.Identifier(table_of(part.day))
        )
    )
    _move(tx, part, PartState.DETACHED, "detached_at", now)


def drop(tx: Connection, part: Part, now: datetime) -> None:
    """Drop a table that was detached, and note that the file is all there is."""
    tx.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table_of(part.day))))
    _move(tx, part, PartState.DROPPED, "dropped_at", now)


def totals(tx: Connection, table: str) -> Totals:
    rows = tx.execute(
        sql.SQL("{} FROM {} GROUP BY 1, 2").format(sql.SQL(SUMS), sql.Identifier(table))
    )
    return totals_of(rows)


def write_day(tx: Connection, table: str, target: Path) -> None:
    """Write a day's events as CSV, sorted as its files are."""
    tx.execute("SET LOCAL TimeZone = 'UTC'")
    tx.execute("SET LOCAL work_mem = '64MB'")
    _copy(
        tx,
        sql.SQL(
            "COPY (SELECT {} FROM {} ORDER BY organization_id, at, event_id) TO STDOUT (FORMAT csv)"
        ).format(_COLUMNS, sql.Identifier(table)),
        target,
    )


def write_stretch(
    tx: Connection, tables: Iterable[str], since: datetime, until: datetime, target: Path
) -> None:
    """Write what these tables have of a stretch of time, as CSV."""
    tx.execute("SET LOCAL TimeZone = 'UTC'")
    each = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} FROM {} WHERE at >= {} AND at < {}").format(
            _COLUMNS, sql.Identifier(table), sql.Literal(since), sql.Literal(until)
        )
        for table in tables
    )
    _copy(tx, sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(each), target)


def _copy(tx: Connection, statement: sql.Composed, target: Path) -> None:
    with tx.cursor() as cursor, cursor.copy(statement) as copy, target.open("wb") as file:
        for piece in copy:
            file.write(piece)


def _move(tx: Connection, part: Part, state: PartState, column: str, now: datetime) -> None:
    moved = tx.execute(
        sql.SQL(
            "UPDATE usage_archive SET state = %s, {} = %s"
            " WHERE day = %s AND part = %s AND verified_at IS NOT NULL AND location = %s"
        ).format(sql.Identifier(column)),
        [state.value, now, part.day, part.part, part.location],
    )
    if moved.rowcount != 1:
        raise ArchiveDamaged(f"what is known of the archive of {part.day} changed meanwhile")
