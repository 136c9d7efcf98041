"""`migrate`: brings a database to the newest schema. Safe to run from many processes at once."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import exc, text

from tradewind.core.errors import StartupError
from tradewind.db.database import Database, Timeouts
from tradewind.migrations.history import VERSIONS, Migration, list_migrations

# Any number that nobody else uses as an advisory lock in this database; it must never change.
_LOCK = 0x7472_6164_6577_696E
_LOCK_PATIENCE_S = 600.0
_POLL_S = 0.1
_TRIES = 12
_PAUSE_S = 1.0
_APPLICATION = "tradewind-migrate"

# A migration may take its time, but nobody waits behind its wish for a lock for longer than 5 s.
_PATIENT = Timeouts(lock_s=5.0, statement_s=None, answer_s=None)


def migrate(
    database: Database,
    *,
    versions: Path = VERSIONS,
    on_locked: Callable[[], None] = lambda: None,
) -> list[str]:
    """Run what is missing and return its names, oldest first. Two quick queries when nothing is.

    `on_locked` is called each time a migration gave up on a lock and is about to be tried again.
    A schema that is newer than this code is left alone: code runs on the schema of the next
    release, so that processes can be replaced one by one. Raises StartupError.
    """
    migrations = list_migrations(versions)
    if not _missing(database, migrations):
        return []
    patient = database.with_timeouts(_PATIENT, application_name=_APPLICATION)
    try:
        with _only_one(patient):
            missing = _missing(patient, migrations)
            if missing:
                _upgrade_despite_locks(patient, versions, on_locked)
        return [migration.name for migration in missing]
    finally:
        patient.close()


def current_revision(database: Database) -> str | None:
    """Return the revision the database is at; None before the first migration."""
    with database.transaction() as tx:
        if tx.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
            return None
        return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _missing(database: Database, migrations: list[Migration]) -> list[Migration]:
    current = current_revision(database)
    if current is None:
        return migrations
    revisions = [migration.revision for migration in migrations]
    if current in revisions:
        return migrations[revisions.index(current) + 1 :]
    if not revisions or current > revisions[-1]:
        return []
    raise StartupError(
        f"the database {database.place} is at the revision {current[:40]!r}, which Tradewind does "
        "not know",
        hint="it was migrated by a changed copy of Tradewind; use that one, or restore a backup",
    )


@contextmanager
def _only_one(database: Database) -> Generator[None]:
    """Hold the database's migration lock, on a connection that does nothing else.

    It belongs to the session: nobody can forget to release it, and migrations may commit in
    between.
    """
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    with database.connect_raw(autocommit=True) as connection:
        while not _try_lock(connection):
            if time.monotonic() > deadline:
                raise StartupError(
                    f"another process has been migrating {database.place} for "
                    f"{_LOCK_PATIENCE_S / 60:.0f} minutes",
                    hint="wait for it to finish, then start again",
                )
            time.sleep(_POLL_S)
        yield


def _try_lock(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
    return row is not None and row[0] is True


def _upgrade_despite_locks(
    database: Database, versions: Path, on_locked: Callable[[], None]
) -> None:
    # Alembic takes 100 ms to import, and most starts have nothing to migrate.
    from tradewind.migrations.upgrade import upgrade  # noqa: PLC0415

    for tries_left in reversed(range(_TRIES)):
        try:
            with database.connection() as connection:
                upgrade(connection, versions)
        except exc.DBAPIError as error:
            reason = str(error.orig).partition("\n")[0]
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise StartupError(f"a migration failed: {reason}") from error
            if tries_left == 0:
                raise StartupError(
                    f"a migration could not get its lock: {reason}",
                    hint="end the long transactions in the database, then start again",
                ) from error
            on_locked()
            time.sleep(_PAUSE_S)
        else:
            return
