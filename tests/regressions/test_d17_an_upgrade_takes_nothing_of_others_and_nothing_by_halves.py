"""D17: a migration dropped tables of another program, an upgrade half-applied while the start went
on (litellm#9558, #3035, #6124, #23976, #21995).

A database that another program lives in is left as it is: beside it where nothing is in the way,
and refused where something is. What a failed migration began is gone.
"""

import pytest

from tradewind.core.errors import StartupError
from tradewind.db.database import Database
from tradewind.migrations.history import list_migrations
from tradewind.migrations.runner import current_revision, migrate

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(empty_database_url):
    database = Database(empty_database_url, application_name="tests")
    yield database
    database.close()


def execute(database, *statements):
    with database.connect_raw(autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def everything(database):
    """Return every table with its columns and its rows, but for ours."""
    with database.connect_raw(autocommit=True) as connection:
        tables = connection.execute(
            "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class"
            " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            " WHERE relkind IN ('r', 'p', 'v') AND nspname !~ '^(pg_|information_schema)'"
            " ORDER BY 1"
        ).fetchall()
        return {
            name: connection.execute(f"SELECT t::text FROM {name} t ORDER BY 1").fetchall()
            for (name,) in tables
        }


THEIRS = (
    "CREATE TABLE litellm_spend_logs (id int PRIMARY KEY, spend numeric)",
    "INSERT INTO litellm_spend_logs VALUES (1, 830.00)",
    "CREATE SCHEMA theirs",
    "CREATE TABLE theirs.usage_event (id int PRIMARY KEY)",
    "INSERT INTO theirs.usage_event VALUES (7)",
    "CREATE VIEW their_view AS SELECT * FROM litellm_spend_logs",
)


def test_what_others_have_in_the_database_is_as_it_was(database):
    execute(database, *THEIRS)
    before = everything(database)
    assert len(migrate(database)) == len(list_migrations())
    assert migrate(database) == []
    after = everything(database)
    assert {name: after[name] for name in before} == before
    assert "public.usage_event" in after


def test_a_table_of_theirs_with_a_name_of_ours_is_refused_and_kept(database):
    """And nothing of the migration that found it stays, so that it can be tried again."""
    execute(
        database,
        *THEIRS,
        "CREATE TABLE project (theirs text)",
        "INSERT INTO project VALUES ('apollo')",
    )
    before = everything(database)
    with pytest.raises(StartupError, match="migration failed"):
        migrate(database)
    after = everything(database)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"public.alembic_version"}
    assert current_revision(database) is None
    execute(database, "DROP TABLE project")
    assert len(migrate(database)) == len(list_migrations())


def test_the_history_of_another_program_is_refused_and_kept(database):
    execute(
        database,
        *THEIRS,
        "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('00deadbeef00')",
    )
    before = everything(database)
    with pytest.raises(StartupError, match="does not know"):
        migrate(database)
    assert everything(database) == before


def test_a_database_of_the_next_release_is_used_and_not_touched(database):
    migrate(database)
    execute(
        database,
        "UPDATE alembic_version SET version_num = '2099_01_01_0000'",
        "ALTER TABLE project ADD COLUMN of_the_next_release text",
    )
    before = everything(database)
    assert migrate(database) == []
    assert everything(database) == before
