"""The vault: seals what features have to keep secret and to use again.

A *data key* seals the secrets of one organization, or of the platform, and is made when first
needed. It is itself wrapped by the platform's key-encryption key, which lies outside the database.
What is sealed is kept by whoever had it sealed, in its own table; here are the data keys alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    ForeignKey,
    LargeBinary,
    Row,
    Table,
    Text,
    UniqueConstraint,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from tradewind.core.clock import Clock
from tradewind.core.errors import StartupError
from tradewind.core.ids import DataKeyId, OrganizationId
from tradewind.db.metadata import metadata
from tradewind.db.sealing import (
    KeyEncryption,
    Place,
    SealBroken,
    Secret,
    WrappedKey,
    new_key,
    open_sealed,
    seal,
)

data_key = Table(
    "data_key",
    metadata,
    Column("id", Text, primary_key=True),
    # Whose secrets it seals; null is the platform's own.
    Column("organization_id", Text, ForeignKey("organization.id")),
    Column("key_encryption_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("organization_id", postgresql_nulls_not_distinct=True),
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
        row = _data_key_of(tx, owner)
        if row is None:
            fresh = DataKeyId.new()
            wrapped = self._keys.wrap(new_key(), _place(fresh, owner))
            _add_data_key(tx, fresh, owner, wrapped, self._clock.now())
            # Read again: somebody else may have been first.
            row = _data_key_of(tx, owner)
            assert row is not None
        data_key = self._keys.unwrap(
            WrappedKey(row.key_encryption_id, bytes(row.wrapped)), _place(row.id, owner)
        )
        return Sealed(row.id, seal(data_key, secret, place))

    def open(self, tx: Connection, sealed: Sealed, place: Place) -> Secret:
        """Open one. Whoever opens many takes a `keyring`. Raises SealBroken."""
        row = tx.execute(select(data_key).where(data_key.c.id == sealed.data_key_id)).first()
        keys: dict[str, tuple[WrappedKey, str | None]] = {}
        if row is not None:
            wrapped = WrappedKey(row.key_encryption_id, bytes(row.wrapped))
            keys[row.id] = (wrapped, row.organization_id)
        return Keyring(self._keys, keys).open(sealed, place)

    def keyring(self, tx: Connection) -> Keyring:
        return Keyring(
            self._keys,
            {
                row.id: (
                    WrappedKey(row.key_encryption_id, bytes(row.wrapped)),
                    row.organization_id,
                )
                for row in _data_keys(tx)
            },
        )

    def rewrap(self, tx: Connection) -> int:
        """Wrap every data key with the newest key-encryption key; return how many changed.

        What they sealed is not touched. Afterwards older key-encryption keys may be thrown away.
        """
        rows = _lock_keys_of_other_keys(tx, self._keys.key_id)
        for row in rows:
            place = _place(row.id, row.organization_id)
            data_key = self._keys.unwrap(
                WrappedKey(row.key_encryption_id, bytes(row.wrapped)), place
            )
            _rewrap_data_key(tx, row.id, self._keys.wrap(data_key, place))
        return len(rows)

    def check(self, tx: Connection) -> None:
        """Raise StartupError when a data key cannot be unwrapped: what it sealed would be void."""
        for row in _data_keys(tx):
            try:
                self._keys.unwrap(
                    WrappedKey(row.key_encryption_id, bytes(row.wrapped)),
                    _place(row.id, row.organization_id),
                )
            except SealBroken as error:
                raise StartupError(
                    "the secrets in the database were sealed with a"
                    f" key-encryption key that is not here ({row.key_encryption_id})",
                    hint="restore the secrets folder from a backup",
                ) from error


def _place(data_key_id: str, organization_id: str | None) -> Place:
    return Place("data_key", data_key_id, organization_id, 1)


# --- SQL -------------------------------------------------------------------------------------


def _data_key_of(tx: Connection, organization_id: OrganizationId | None) -> Row[Any] | None:
    return tx.execute(select(data_key).where(_is_owned_by(organization_id))).first()


def _add_data_key(
    tx: Connection,
    data_key_id: DataKeyId,
    organization_id: OrganizationId | None,
    wrapped: WrappedKey,
    now: datetime,
) -> None:
    """Does nothing when there is one already, also by somebody at the same moment."""
    tx.execute(
        insert(data_key)
        .values(
            id=data_key_id,
            organization_id=organization_id,
            key_encryption_id=wrapped.key_id,
            wrapped=wrapped.wrapped,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )


def _data_keys(tx: Connection) -> Sequence[Row[Any]]:
    return tx.execute(select(data_key).order_by(data_key.c.id)).all()


def _lock_keys_of_other_keys(tx: Connection, key_encryption_id: str) -> Sequence[Row[Any]]:
    """Return the data keys that are wrapped by another key than this one."""
    return tx.execute(
        select(data_key)
        .where(data_key.c.key_encryption_id != key_encryption_id)
        .order_by(data_key.c.id)
        .with_for_update()
    ).all()


def _rewrap_data_key(tx: Connection, data_key_id: str, wrapped: WrappedKey) -> None:
    tx.execute(
        update(data_key)
        .where(data_key.c.id == data_key_id)
        .values(key_encryption_id=wrapped.key_id, wrapped=wrapped.wrapped)
    )


def _is_owned_by(organization_id: OrganizationId | None) -> ColumnElement[bool]:
    column = data_key.c.organization_id
    return column.is_(None) if organization_id is None else column == organization_id
