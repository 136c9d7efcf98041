"""Data keys: one for each organization and one for the platform, made when first needed."""

from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import StartupError
from tradewind.core.ids import DataKeyId, OrganizationId
from tradewind.features.providers import repository
from tradewind.features.providers.sealing import (
    KeyEncryption,
    Place,
    SealBroken,
    Secret,
    WrappedKey,
    new_key,
    open_sealed,
    seal,
)


class Sealed(NamedTuple):
    data_key_id: str
    content: bytes


class Keyring:
    """The data keys as one transaction saw them. A key is unwrapped when it is first used."""

    def __init__(
        self, keys: KeyEncryption, wrapped: dict[str, tuple[WrappedKey, str | None]]
    ) -> None:
        self._keys = keys
        self._wrapped = wrapped
        self._opened: dict[str, bytes] = {}

    def open(self, sealed: Sealed, place: Place) -> Secret:
        """Raises SealBroken."""
        return open_sealed(self._data_key(sealed.data_key_id), sealed.content, place)

    def _data_key(self, data_key_id: str) -> bytes:
        opened = self._opened.get(data_key_id)
        if opened is None:
            if data_key_id not in self._wrapped:
                raise SealBroken(f"there is no data key {data_key_id}")
            wrapped, organization_id = self._wrapped[data_key_id]
            opened = self._keys.unwrap(wrapped, _place(data_key_id, organization_id))
            self._opened[data_key_id] = opened
        return opened


class Vault:
    def __init__(self, keys: KeyEncryption, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def seal(self, tx: Connection, secret: Secret, place: Place) -> Sealed:
        """Seal under the data key of the place's organization; makes one when there is none.

        Raises SealBroken when that data key cannot be unwrapped.
        """
        owner = None if place.organization_id is None else OrganizationId(place.organization_id)
        row = repository.data_key_of(tx, owner)
        if row is None:
            fresh = DataKeyId.new()
            wrapped = self._keys.wrap(new_key(), _place(fresh, owner))
            repository.add_data_key(tx, fresh, owner, wrapped, self._clock.now())
            # Read again: somebody else may have been first.
            row = repository.data_key_of(tx, owner)
            assert row is not None
        data_key = self._keys.unwrap(
            WrappedKey(row.key_encryption_id, bytes(row.wrapped)), _place(row.id, owner)
        )
        return Sealed(row.id, seal(data_key, secret, place))

    def keyring(self, tx: Connection) -> Keyring:
        return Keyring(
            self._keys,
            {
                row.id: (
                    WrappedKey(row.key_encryption_id, bytes(row.wrapped)),
                    row.organization_id,
                )
                for row in repository.data_keys(tx)
            },
        )

    def rewrap(self, tx: Connection) -> int:
        """Wrap every data key with the newest key-encryption key; return how many changed.

        What they sealed is not touched. Afterwards older key-encryption keys may be thrown away.
        """
        rows = repository.lock_data_keys_of_other_keys(tx, self._keys.key_id)
        for row in rows:
            place = _place(row.id, row.organization_id)
            data_key = self._keys.unwrap(
                WrappedKey(row.key_encryption_id, bytes(row.wrapped)), place
            )
            repository.rewrap_data_key(tx, row.id, self._keys.wrap(data_key, place))
        return len(rows)

    def check(self, tx: Connection) -> None:
        """Raise StartupError when a data key cannot be unwrapped: its credentials would be void."""
        for row in repository.data_keys(tx):
            try:
                self._keys.unwrap(
                    WrappedKey(row.key_encryption_id, bytes(row.wrapped)),
                    _place(row.id, row.organization_id),
                )
            except SealBroken as error:
                raise StartupError(
                    "the credentials of providers in the database were sealed with a"
                    f" key-encryption key that is not here ({row.key_encryption_id})",
                    hint="restore the secrets folder from a backup",
                ) from error


def _place(data_key_id: str, organization_id: str | None) -> Place:
    return Place("data_key", data_key_id, organization_id, 1)
