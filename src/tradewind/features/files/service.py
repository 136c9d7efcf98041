"""What others may ask of files at providers. Nothing here commits."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from tradewind.features.files import repository
from tradewind.wire.stored_files import (
    MOST_FILES_A_PROJECT,
    MOST_FILES_LISTED,
    FileList,
    FileOwner,
    FoundFiles,
    NotKept,
    StoredFile,
)

SWEPT_AT_ONCE = 500


def has_room(
    tx: Connection, owner: FileOwner, now: datetime, *, most: int = MOST_FILES_A_PROJECT
) -> bool:
    """Tell whether the project may have one more file at this moment. Promises nothing: `keep`
    decides.
    """
    return repository.count(tx, owner, now) < most


def keep(
    tx: Connection, file: StoredFile, now: datetime, *, most: int = MOST_FILES_A_PROJECT
) -> NotKept | None:
    """Record a file. Returns why it was not, and None when it was."""
    owner = FileOwner(file.organization_id, file.project_id)
    repository.lock(tx, owner)
    if repository.count(tx, owner, now) >= most:
        return NotKept.FULL
    return None if repository.add(tx, file) else NotKept.TAKEN


def find(tx: Connection, owner: FileOwner, ids: Sequence[str], now: datetime) -> FoundFiles:
    """Return those of the files that are there, in any order."""
    return FoundFiles(list(repository.find(tx, owner, ids, now)))


def find_page(tx: Connection, asked: FileList, now: datetime) -> FoundFiles | None:
    """Return one page; None when the file that it should come after is not there."""
    if asked.after is not None and not repository.is_there(tx, asked.owner, asked.after, now):
        return None
    most = max(1, min(asked.limit, MOST_FILES_LISTED))
    files = list(repository.page(tx, asked, now, most + 1))
    return FoundFiles(files[:most], has_more=len(files) > most)


def delete(tx: Connection, owner: FileOwner, ids: Sequence[str]) -> bool:
    """Delete the records, not what lies at the provider. False when there was none."""
    return repository.remove(tx, owner, ids) > 0


def sweep(tx: Connection, now: datetime) -> bool:
    """Delete up to SWEPT_AT_ONCE records whose time is over: the provider deletes its part itself.
    Says whether there may be more.
    """
    return repository.remove_expired(tx, now, SWEPT_AT_ONCE) == SWEPT_AT_ONCE
