"""Makes `DataFolder.run`, the folder of unix sockets, and keeps its path short and plain.

Linux allows 107 bytes for a socket's path, and the places that take such a path (a PostgreSQL
setting, a connection URL) give commas, spaces and quotes a meaning. A data folder may lie anywhere,
so where its path is unfit the run folder becomes a link to a private folder in the system's
temporary folder.
"""

import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError

_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+=@~-]+")


def prepare_run_folder(data: DataFolder) -> Path:
    """Return the folder to put sockets in, made where it is missing. Idempotent.

    Put the returned path in front of a socket's name, not `data.run`, which may be a long link.
    Raises StartupError when no place is fit.
    """
    if data.run.is_symlink():
        target = data.run.readlink()
        if _is_ours_alone(target):
            return target
        data.run.unlink()
    if data.run.is_dir():
        if not _is_fit(data):
            raise StartupError(
                f"the path of '{data.run}' is too long or too unusual for sockets",
                hint="remove that folder while Tradewind is stopped",
            )
        return data.run
    data.root.mkdir(parents=True, exist_ok=True)
    if _is_fit(data):
        data.run.mkdir(mode=_mode())
        return data.run
    target = _make_short_folder()
    data.run.symlink_to(target)
    return target


def remove_run_folder(data: DataFolder) -> None:
    """Remove the folder and all in it, when everything that had a socket there has stopped."""
    if data.run.is_symlink():
        target = data.run.readlink()
        if _is_ours_alone(target):
            shutil.rmtree(target)
        data.run.unlink()
    elif data.run.exists():
        shutil.rmtree(data.run)


def _mode() -> int:
    # Root drops PostgreSQL to another user, which has to pass through here to its own folder. It
    # may pass (x) and not look around (r).
    return 0o711 if os.geteuid() == 0 else 0o700


def _is_fit(data: DataFolder) -> bool:
    return data.fits_sockets() and _PLAIN_PATH.fullmatch(str(data.run)) is not None


def _is_ours_alone(folder: Path) -> bool:
    # Whoever may write to the temporary folder can take the name once a cleaner removed ours.
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and stat.S_IMODE(status.st_mode) & 0o066 == 0
    )


def _make_short_folder() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a private folder
        # The sockets lie directly in this folder, so its own path is what must be short.
        if not _PLAIN_PATH.fullmatch(parent) or len(parent) > 40 or not os.access(parent, os.W_OK):
            continue
        folder = Path(tempfile.mkdtemp(prefix="tradewind-", dir=parent))
        folder.chmod(_mode())
        return folder
    raise StartupError(
        "there is no folder with a short path for sockets",
        hint="give --data a shorter path, or make /tmp writable",
    )
