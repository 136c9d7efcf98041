"""Secrets that the platform makes for itself, kept in the data folder with mode 0600."""

import base64
import binascii
import os
import secrets
from pathlib import Path

from tradewind.core.api_keys import PEPPER_BYTES
from tradewind.core.errors import StartupError
from tradewind.db.sealing import (
    KEY_BYTES,
    HeldKeys,
    Place,
    SealBroken,
    WrappedKey,
    new_key,
)

_MOST_KEYS = 100
_SIGNING_KEY_BYTES = 32


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


class KeyFile:
    """The key-encryption keys of a file that may get more of them while the process runs.

    It is read again before every wrap and when a key is met that was not there before, so that
    turning the key needs no restart. Both are rare: a data key is wrapped when it is made.
    """

    def __init__(self, path: Path) -> None:
        """Raises StartupError when the file is damaged or cannot be read."""
        self._path = path
        self._keys = _read_keys(path)

    def __repr__(self) -> str:
        return f"KeyFile({self._keys!r})"

    @property
    def key_id(self) -> str:
        self._keys = _read_keys(self._path)
        return self._keys.key_id

    def wrap(self, data_key: bytes, place: Place) -> WrappedKey:
        """Raises StartupError when the file can no longer be read."""
        self._keys = _read_keys(self._path)
        return self._keys.wrap(data_key, place)

    def unwrap(self, wrapped: WrappedKey, place: Place) -> bytes:
        """Raises SealBroken."""
        if not self._keys.holds(wrapped.key_id):
            try:
                self._keys = _read_keys(self._path)
            except StartupError as error:
                raise SealBroken(error.message, hint=error.hint) from error
        return self._keys.unwrap(wrapped, place)


def load_or_create_key_encryption(folder: Path) -> KeyFile:
    """Return the keys that wrap what seals credentials; the first is made at the first start.

    The file has one key a line, in base 64, the newest last. Losing it makes every stored
    credential of a provider void. Raises StartupError when it is damaged or cannot be read.
    """
    path = key_encryption_path(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, _line(new_key()))
    except OSError as error:
        raise _cannot_be_used(path, error) from error
    return KeyFile(path)


def add_key_encryption_key(folder: Path) -> KeyFile:
    """Make another key-encryption key, which wraps from now on; the former ones stay to unwrap.

    `Vault.rewrap` then brings the stored data keys under it. Processes that run on this folder see
    the key by themselves. Raises StartupError.
    """
    keys, path = load_or_create_key_encryption(folder), key_encryption_path(folder)
    former = keys.key_id
    text = path.read_bytes()
    if text.count(b"\n") >= _MOST_KEYS:
        raise StartupError(
            f"{path} holds {_MOST_KEYS} keys", hint="remove the oldest ones after a rewrap"
        )
    _write_once(path, text + _line(new_key()))
    assert keys.key_id != former
    return keys


def signing_key_path(folder: Path) -> Path:
    return folder / "artifact-signing-key"


def load_or_create_signing_key(folder: Path) -> bytes:
    """Return the Ed25519 private key (32 bytes) that signs artifacts; made at the first start.

    Losing it voids nothing: what it signed stays signed, and whoever trusts the platform has to
    learn another public key. Raises StartupError when it is damaged or cannot be read.
    """
    path = signing_key_path(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            _write_once(path, secrets.token_bytes(_SIGNING_KEY_BYTES))
            # Read again: control plane and worker start side by side, and one of them was first.
            key = path.read_bytes()
    except OSError as error:
        raise StartupError(
            f"the signing key {path} cannot be used: {error.strerror}",
            hint="run Tradewind as the user who owns the data folder",
        ) from error
    if len(key) != _SIGNING_KEY_BYTES:
        raise StartupError(
            f"the signing key {path} has {len(key)} bytes, not {_SIGNING_KEY_BYTES}",
            hint="restore it from a backup, or remove it to have another one made",
        )
    return key


def missing_secrets(folder: Path) -> list[Path]:
    """Return which of the files are not there that all hosts of an installation share."""
    return [
        path for path in (pepper_path(folder), key_encryption_path(folder)) if not path.is_file()
    ]


def _read_keys(path: Path) -> HeldKeys:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise _cannot_be_used(path, error) from error
    return HeldKeys(_keys_in(text, path))


def _cannot_be_used(path: Path, error: OSError) -> StartupError:
    return StartupError(
        f"the key-encryption keys {path} cannot be used: {error.strerror}",
        hint="run Tradewind as the user who owns the data folder",
    )


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
