"""`python -m tradewind.migrations.draft SLUG`: drafts the next migration for a person to read.

Starts a PostgreSQL of its own in a temporary folder, migrates it, compares it with the tables and
writes the difference to `versions/`. Triggers, functions and partitions are not seen: add those by
hand.
"""

import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from alembic import command

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.core.run_folder import remove_run_folder
from tradewind.db.database import Database
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.migrations.history import REVISION_FORMAT, VERSIONS, list_migrations
from tradewind.migrations.runner import migrate
from tradewind.migrations.tables import load_tables
from tradewind.migrations.upgrade import alembic_config


def draft(database: Database, slug: str, *, versions: Path = VERSIONS) -> Path:
    """Write the next migration and return its file. Migrates `database` first."""
    if not re.fullmatch(r"[a-z0-9_]{1,40}", slug):
        raise StartupError(f"{slug[:60]!r} is not a slug", hint="use a-z, 0-9 and _")
    migrate(database, versions=versions)
    revision = datetime.now(UTC).strftime(REVISION_FORMAT)
    if any(migration.revision >= revision for migration in list_migrations(versions)):
        raise StartupError("there is a migration of this minute or later", hint="wait a minute")
    with database.connection() as connection:
        config = alembic_config(connection, versions, load_tables())
        command.revision(config, message=slug, autogenerate=True, rev_id=revision)
    return versions / f"{revision}_{slug}.py"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tradewind.migrations.draft SLUG")
    with tempfile.TemporaryDirectory(prefix="tradewind-draft-") as folder:
        data = DataFolder(Path(folder))
        server = EmbeddedPostgres(data, report=print)
        try:
            server.start()
            server.wait_ready()
            database = Database(server.url, application_name="tradewind-draft")
            print(draft(database, sys.argv[1]))
            database.close()
        except StartupError as error:
            sys.exit(str(error))
        finally:
            server.stop()
            remove_run_folder(data)


if __name__ == "__main__":
    main()
