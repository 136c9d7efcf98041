"""Secrets that the platform makes for itself, kept in the data folder with mode 0600."""

import os
import secrets
from pathlib import Path

from tradewind.core.api_keys import PEPPER_BYTES
from tradewind.core.errors import StartupError


def pepper_path(folder: Path) -> Path:
    return folder / "pepper"


def load_or_create_pepper(folder: Path) -> bytes:
    """Return the pepper under which keys are hashed; made at the first start, never changed.

    Losing it makes every key and session void. Raises StartupError when it is damaged or cannot be
    read.
    """
    path = pepper_path(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            pepper = path.read_bytes()
        except FileNotFoundError:
            pepper = secrets.token_bytes(PEPPER_BYTES)
            _write_once(path, pepper)
    except OSError as error:
        raise StartupError(
            f"the key pepper {path} cannot be used: {error.strerror}",
            hint="run Tradewind as the user who owns the data folder",
        ) from error
    if len(pepper) != PEPPER_BYTES:
        raise StartupError(
            f"the key pepper {path} has {len(pepper)} bytes, not {PEPPER_BYTES}",
            hint="restore it from a backup; without it no key or session is valid",
        )
    return pepper


def _write_once(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    beside.rename(path)
    # Keys are made right after it: a power cut must not keep them and lose their pepper.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
