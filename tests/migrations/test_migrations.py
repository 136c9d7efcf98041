"""The runner, on histories made for the test, and the rules for the real history."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Integer, MetaData, Table, Text, text

from tradewind.core.errors import StartupError
from tradewind.db.database import Database
from tradewind.migrations.draft import draft
from tradewind.migrations.drift import find_drift
from tradewind.migrations.history import VERSIONS, list_migrations
from tradewind.migrations.runner import current_revision, migrate
from tradewind.migrations.tables import load_tables
from tradewind.migrations.upgrade import alembic_config

pytestmark = pytest.mark.postgres

FIRST = "2026_01_01_0000_first"
SECOND = "2026_01_02_0000_second"


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url, application_name="tests")
    yield database
    database.close()


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """A history of two migrations; the second adds a column to the first one's table."""
    folder = tmp_path / "versions"
    folder.mkdir()
    write(folder, FIRST, None, "CREATE TABLE thing (number integer PRIMARY KEY)")
    write(folder, SECOND, FIRST, "ALTER TABLE thing ADD COLUMN name text")
    return folder


def write(folder: Path, name: str, before: str | None, statement: str) -> None:
    (folder / f"{name}.py").write_text(
        f"from alembic import op\n"
        f"revision = {name[:15]!r}\n"
        f"down_revision = {before[:15] if before else None!r}\n"
        f"def upgrade():\n    op.execute({statement!r})\n"
    )


def columns(database: Database) -> list[str]:
    with database.transaction() as tx:
        found = tx.execute(
            text("SELECT column_name FROM information_schema.columns WHERE table_name = 'thing'")
        )
        return sorted(found.scalars())


def test_an_empty_database_gets_every_migration_once(empty: Database, versions: Path) -> None:
    assert migrate(empty, versions=versions) == [FIRST, SECOND]
    assert columns(empty) == ["name", "number"]
    assert migrate(empty, versions=versions) == []
    assert current_revision(empty) == SECOND[:15]


def test_an_older_database_gets_what_is_missing(empty: Database, versions: Path) -> None:
    later = (versions / f"{SECOND}.py").rename(versions.parent / "later")
    assert migrate(empty, versions=versions) == [FIRST]
    later.rename(versions / f"{SECOND}.py")

    assert migrate(empty, versions=versions) == [SECOND]


def test_many_processes_at_once_migrate_once(empty: Database, versions: Path) -> None:
    done: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: done.append(migrate(empty, versions=versions)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(done) == [[], [], [], [FIRST, SECOND]]


def test_what_committed_stays_when_a_later_migration_fails(empty: Database, versions: Path) -> None:
    write(versions, SECOND, FIRST, "ALTER TABLE absent ADD COLUMN name text")

    with pytest.raises(StartupError, match='a migration failed: relation "absent" does not exist'):
        migrate(empty, versions=versions)
    assert current_revision(empty) == FIRST[:15]

    write(versions, SECOND, FIRST, "ALTER TABLE thing ADD COLUMN name text")
    assert migrate(empty, versions=versions) == [SECOND]


def test_a_lock_that_is_held_is_waited_for_in_short_tries(empty: Database, versions: Path) -> None:
    later = (versions / f"{SECOND}.py").rename(versions.parent / "later")
    migrate(empty, versions=versions)
    later.rename(versions / f"{SECOND}.py")
    tried = threading.Event()
    done: list[list[str]] = []
    with empty.transaction() as tx:
        tx.execute(text("LOCK TABLE thing IN ACCESS SHARE MODE"))
        thread = threading.Thread(
            target=lambda: done.append(migrate(empty, versions=versions, on_locked=tried.set))
        )
        thread.start()
        assert tried.wait(60)
    thread.join()

    assert done == [[SECOND]]


def test_a_newer_schema_is_left_alone(empty: Database, versions: Path) -> None:
    migrate(empty, versions=versions)
    (versions / f"{SECOND}.py").unlink()

    assert migrate(empty, versions=versions) == []
    assert current_revision(empty) == SECOND[:15]


def test_a_schema_of_another_history_is_refused(empty: Database, versions: Path) -> None:
    migrate(empty, versions=versions)
    (versions / f"{FIRST}.py").unlink()
    write(versions, SECOND, None, "SELECT 1")
    with empty.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '2025_01_01_0000'"))

    with pytest.raises(StartupError, match="revision '2025_01_01_0000', which Tradewind does not"):
        migrate(empty, versions=versions)


def test_a_start_with_nothing_to_migrate_does_not_import_alembic() -> None:
    program = "import sys, tradewind.migrations.runner; sys.exit('alembic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_drafted_migration_makes_what_the_tables_say(empty: Database, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()

    file = draft(empty, "first", versions=versions)

    assert migrate(empty, versions=versions) == [file.stem]
    with empty.transaction() as tx:
        assert find_drift(tx, load_tables()) == []


def test_drift_is_found_and_partitions_are_passed_over(empty: Database) -> None:
    metadata = MetaData()
    Table(
        "thing",
        metadata,
        Column("number", Integer, primary_key=True),
        postgresql_partition_by="RANGE (number)",
    )
    with empty.transaction() as tx:
        metadata.create_all(tx)
        tx.execute(text("CREATE TABLE thing_1 PARTITION OF thing FOR VALUES FROM (1) TO (9)"))
        assert find_drift(tx, metadata) == []

        metadata.tables["thing"].append_column(Column("name", Text))
        [difference] = find_drift(tx, metadata)
        assert "add_column" in difference
        assert "name" in difference


def test_a_file_with_another_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "first.py").touch()

    with pytest.raises(ValueError, match=r"'first.py' is not named YYYY_MM_DD_HHMM_slug.py"):
        list_migrations(tmp_path)


def test_the_real_history_is_one_line_in_the_order_of_its_files(empty: Database) -> None:
    with empty.connection() as connection:
        script = ScriptDirectory.from_config(alembic_config(connection, VERSIONS))
    known = [revision.revision for revision in script.walk_revisions()]

    assert known[::-1] == [migration.revision for migration in list_migrations()]
    assert len(set(known)) == len(known)
    assert len(script.get_heads()) <= 1


@pytest.mark.skipif(not list_migrations(), reason="the first migration is not written yet")
def test_the_real_history_makes_what_the_tables_say(empty: Database) -> None:
    migrate(empty)

    with empty.transaction() as tx:
        assert find_drift(tx, load_tables()) == []
