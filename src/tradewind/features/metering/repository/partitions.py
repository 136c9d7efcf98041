"""Partitions by UTC day, of every table that has them."""

from datetime import UTC, date, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg import sql

# In the order in which readers take them: who makes partitions locks the tables one after the
# other, and in the other order would end in a deadlock with whoever reads both.
PARTITIONED = ("request_log", "usage_event", "usage_safety")
_PARTITION_LOCK = 0x7477_7061_7274
"""Of the transactions that make partitions; any number that nobody else uses."""


def find_partitions(tx: psycopg.Connection, table: LiteralString) -> set[str]:
    """Return the names of a table's partitions."""
    rows = tx.execute(
        "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
        " WHERE inhparent = %s::regclass",
        [table],
    )
    return {row[0] for row in rows}


def lock_partitions(tx: psycopg.Connection) -> None:
    """Let only one transaction make partitions, until it ends."""
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [_PARTITION_LOCK])


def create_default_partition(tx: psycopg.Connection, table: LiteralString) -> None:
    """For rows of days that have no partition of their own. Idempotent."""
    tx.execute(
        sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF {} DEFAULT").format(
            sql.Identifier(f"{table}_default"), sql.Identifier(table)
        )
    )


def partition_name(table: LiteralString, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def create_partition(tx: psycopg.Connection, table: LiteralString, day: date) -> None:
    """Give a day its partition, and move into it what the default partition has of that day.

    Nothing happens when a table of that name exists: the day was exported and detached, and what
    still comes for it stays in the default partition.
    """
    name = partition_name(table, day)
    found = tx.execute("SELECT to_regclass(%s)", [name]).fetchone()
    if found is not None and found[0] is not None:
        return
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = begin + timedelta(days=1)
    parts = {
        "table": sql.Identifier(table),
        "default": sql.Identifier(f"{table}_default"),
        "name": sql.Identifier(name),
        "begin": sql.Literal(begin),
        "end": sql.Literal(end),
    }
    tx.execute(sql.SQL("CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS)").format(**parts))
    tx.execute(
        sql.SQL(
            "WITH moved AS ("
            " DELETE FROM {default} WHERE at >= {begin} AND at < {end} RETURNING *"
            ") INSERT INTO {name} SELECT * FROM moved"
        ).format(**parts)
    )
    tx.execute(
        sql.SQL(
            "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({begin}) TO ({end})"
        ).format(**parts)
    )


def drop_partitions_before(tx: psycopg.Connection, table: LiteralString, day: date) -> int:
    """Drop the partitions of days before this one, and what the default one has of them; return
    how many were dropped.
    """
    oldest_kept = partition_name(table, day)
    gone = [
        name
        for name in find_partitions(tx, table)
        if not name.endswith("_default") and name < oldest_kept
    ]
    for name in gone:
        tx.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    tx.execute(
        sql.SQL("DELETE FROM {} WHERE at < {}").format(
            sql.Identifier(f"{table}_default"),
            sql.Literal(datetime(day.year, day.month, day.day, tzinfo=UTC)),
        )
    )
    return len(gone)
