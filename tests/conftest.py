"""Fixtures for every test: one PostgreSQL for each test process, one database for each test.

`postgres` is started when the first test asks for it. `database_url` and `database` are a fresh
database with every table, copied from a template; `empty_database_url` is one without tables.
"""

import fcntl
import gc
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tradewind.core.data_folder import DataFolder
from tradewind.db.database import Database
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.migrations.runner import migrate

_TEMPLATE = "template_tradewind"
_MEMORY = Path("/dev/shm")
_FOLDER_PREFIX = "tradewind-tests-"
_ROOM_BYTES = 1024**3
_ABANDONED_AFTER_S = 3600
_numbers = itertools.count(1)

# Nothing here has to survive a crash, so nothing waits for the disk. Tests that kill a server start
# one of their own, with the settings it really has.
_SETTINGS_OF_TESTS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_connections": "100",
}


@pytest.fixture(autouse=True)
def collects_as_before() -> Iterator[None]:
    """Memory is collected after each test as it was before: the next thousands depend on it."""
    before = gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()
    yield
    assert (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()) == before


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One cluster for this test process (each xdist worker has its own). Do not stop it."""
    folder = _make_folder()
    server = EmbeddedPostgres(DataFolder(folder), report=print, settings=_SETTINGS_OF_TESTS)
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template_with_tables(postgres: EmbeddedPostgres) -> str:
    """The name of a database that has every table and is copied for each test."""
    with _upkeep(postgres) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    template = Database(_url_of(postgres, _TEMPLATE), application_name="tests", pool_size=1)
    migrate(template)
    template.close()
    return _TEMPLATE


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template_with_tables: str) -> Iterator[str]:
    """The URL of a fresh database with every table."""
    yield from _fresh_database(postgres, template_with_tables)


@pytest.fixture
def superuser_database(postgres: EmbeddedPostgres, database_url: str) -> Iterator[Database]:
    """That of `database` as a superuser, whom nothing refuses: to empty it, or to damage it."""
    role = database_url.partition("//")[2].partition("@")[0]
    superuser = postgres.superuser_url.partition("//")[2].partition("@")[0]
    url = database_url.replace(role, superuser, 1)
    opened = Database(url, application_name="tests-superuser", pool_size=1)
    yield opened
    opened.close()


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a fresh database without any table."""
    yield from _fresh_database(postgres, "template1")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database with every table."""
    database = Database(database_url, application_name="tests")
    yield database
    database.close()


def _fresh_database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with _upkeep(postgres) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    yield _url_of(postgres, name)
    with _upkeep(postgres) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _make_folder() -> Path:
    # In memory a database is copied in 8 ms, on a busy disk in 300 ms.
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    parent = _MEMORY if has_room else Path(tempfile.gettempdir())
    for left_behind in parent.glob(f"{_FOLDER_PREFIX}*"):
        if _is_abandoned(left_behind):
            shutil.rmtree(left_behind, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=parent))
    folder.chmod(0o711)
    return folder


def _is_abandoned(folder: Path) -> bool:
    """Say whether a killed test run left this folder: its server's lock is free, or never was."""
    try:
        with (folder / "postgres" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - folder.stat().st_mtime > _ABANDONED_AFTER_S
    return True


def _upkeep(postgres: EmbeddedPostgres) -> psycopg.Connection:
    return Database(postgres.url, application_name="tests-upkeep").connect_raw(autocommit=True)


def _url_of(postgres: EmbeddedPostgres, database: str) -> str:
    return postgres.url.replace("@/tradewind?", f"@/{database}?")
