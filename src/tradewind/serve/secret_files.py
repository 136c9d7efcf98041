"""Secrets that the platform makes for itself, kept in the data folder with mode 0600."""

import base64
import binascii
import os
import secrets
from pathlib import Path

from tradewind.core.api_keys import PEPPER_BYTES
from tradewind.core.errors import StartupError
from tradewind.features.providers.sealing import KEY_BYTES, HeldKeys, new_key

_MOST_KEYS = 100


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


def key_encryption_path(folder: Path) -> Path:
    return folder / "key-encryption-keys"


def load_or_create_key_encryption(folder: Path) -> HeldKeys:
    """Return the keys that wrap what seals credentials; the first is made at the first start.

    The file has one key a line, in base 64, the newest last. Losing it makes every stored
    credential of a provider void. Raises StartupError when it is damaged or cannot be read.
    """
    path = key_encryption_path(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            text = _line(new_key())
            _write_once(path, text)
    except OSError as error:
        raise StartupError(
            f"the key-encryption keys {path} cannot be used: {error.strerror}",
            hint="run Tradewind as the user who owns the data folder",
        ) from error
    return HeldKeys(_keys_in(text, path))


def add_key_encryption_key(folder: Path) -> HeldKeys:
    """Make another key-encryption key, which wraps from now on; the former ones stay to unwrap.

    `Providers.rewrap_data_keys` then brings the stored data keys under it. Restart the control
    plane and the worker in between: they hold the keys of their start.
    """
    former = load_or_create_key_encryption(folder)
    path = key_encryption_path(folder)
    text = path.read_bytes()
    if text.count(b"\n") >= _MOST_KEYS:
        raise StartupError(
            f"{path} holds {_MOST_KEYS} keys", hint="remove the oldest ones after a rewrap"
        )
    fresh = new_key()
    _write_once(path, text + _line(fresh))
    keys = load_or_create_key_encryption(folder)
    assert keys.key_id != former.key_id
    return keys


def _line(key: bytes) -> bytes:
    return base64.b64encode(key) + b"\n"


def _keys_in(text: bytes, path: Path) -> list[bytes]:
    try:
        keys = [base64.b64decode(line, validate=True) for line in text.split()]
    except binascii.Error:
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        # `from None` above all: what was read is a secret, whole or not.
        raise StartupError(
            f"the key-encryption keys {path} are damaged",
            hint="restore the file from a backup; without it no stored credential opens",
        ) from None
    return keys


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
