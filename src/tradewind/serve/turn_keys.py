"""`tradewind keys rotate`: another key-encryption key for the credentials in the database."""

import fcntl
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.node_roll import nodes_heard_of
from tradewind.serve.running_platform import running_database
from tradewind.serve.secret_files import (
    add_key_encryption_key,
    key_encryption_path,
    load_or_create_key_encryption,
    load_or_create_pepper,
)
from tradewind.serve.services import build_services


class Turned(NamedTuple):
    key_id: str
    """Of the newest key, which wraps from now on."""
    rewrapped: int | None
    """Data keys that were under another one; None when they still are."""
    elsewhere: Sequence[str]
    """Nodes on other machines, which hold a copy of the file of keys."""
    path: Path


def rotate_keys(settings: Settings) -> Turned:
    """Make a key and bring all data keys under it; with nodes elsewhere only make it.

    What runs goes on: each process reads the file again when it meets a key that it does not know.
    A node on another machine has its own copy of the file, and would leave out every connection
    until it gets the new one. Raises StartupError when no platform runs on the data folder.
    """
    folder = DataFolder(settings.data.resolve())
    with running_database(settings, "tradewind-keys") as database, _alone(folder):
        elsewhere = _elsewhere(database, folder)
        key_id = add_key_encryption_key(folder.secrets).key_id
        rewrapped = None if elsewhere else _rewrap(database, folder)
    return Turned(key_id, rewrapped, elsewhere, key_encryption_path(folder.secrets))


def rewrap_keys(settings: Settings) -> Turned:
    """Bring all data keys under the newest key. Idempotent. Raises StartupError."""
    folder = DataFolder(settings.data.resolve())
    with running_database(settings, "tradewind-keys") as database, _alone(folder):
        rewrapped = _rewrap(database, folder)
        key_id = load_or_create_key_encryption(folder.secrets).key_id
        elsewhere = _elsewhere(database, folder)
    return Turned(key_id, rewrapped, elsewhere, key_encryption_path(folder.secrets))


def _rewrap(database: Database, folder: DataFolder) -> int:
    keys = load_or_create_key_encryption(folder.secrets)
    providers = build_services(load_or_create_pepper(folder.secrets), keys).providers
    with database.transaction() as tx:
        return providers.rewrap_data_keys(tx)


def _elsewhere(database: Database, folder: DataFolder) -> list[str]:
    here = _installation(folder.installation)
    with database.transaction() as tx:
        return [node.name for node in nodes_heard_of(tx) if node.installation != here]


def _installation(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return ""


@contextmanager
def _alone(folder: DataFolder) -> Generator[None]:
    """Keep a second rotation out: it would write its file over ours and lose our key."""
    folder.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder.secrets, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
