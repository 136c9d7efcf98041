"""The list of migrations, read from file names alone.

Knowing the newest must not cost an import of Alembic and of every migration at each start.
"""

import re
from pathlib import Path
from typing import NamedTuple

VERSIONS = Path(__file__).with_name("versions")
REVISION_FORMAT = "%Y_%m_%d_%H%M"
_FILE_NAME = re.compile(r"(\d{4}_\d{2}_\d{2}_\d{4})_[a-z0-9_]+\.py")


class Migration(NamedTuple):
    revision: str
    """`YYYY_MM_DD_HHMM`, in UTC."""
    name: str
    """The file's name without its suffix."""


def list_migrations(versions: Path = VERSIONS) -> list[Migration]:
    """Return all migrations, oldest first. Raises ValueError for a file that is none."""
    migrations: list[Migration] = []
    for path in sorted(versions.glob("*.py")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"'{path.name}' is not named YYYY_MM_DD_HHMM_slug.py")
        migrations.append(Migration(match[1], path.stem))
    return migrations
