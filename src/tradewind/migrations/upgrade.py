"""The seam to Alembic: its configuration, made in code because everything in it is known."""

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData


def upgrade(connection: sqlalchemy.Connection, versions: Path) -> None:
    """Run all that is missing, each migration in a transaction of its own."""
    command.upgrade(alembic_config(connection, versions), "head")


def alembic_config(
    connection: sqlalchemy.Connection, versions: Path, metadata: MetaData | None = None
) -> Config:
    """Return Alembic's configuration. `metadata` is needed only for drafting a migration."""
    config = Config()
    for name, value in {
        "script_location": str(Path(__file__).parent),
        "version_locations": str(versions),
        # A folder's name may contain any separator but this one.
        "path_separator": "newline",
        "file_template": "%(rev)s_%(slug)s",
    }.items():
        config.set_main_option(name, value.replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config
