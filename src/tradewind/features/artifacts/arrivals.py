"""What happens to an upload whose parts are all there: its digest, its scan, its way to the store.

Each step may be cut off by a kill and is done again by whoever comes next: rows come before bytes,
and bytes are put where only equal ones can be.
"""

import hashlib
import logging
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.ids import BlobId, OrganizationId
from tradewind.db.database import Database
from tradewind.db.vault import Vault
from tradewind.features.artifacts import repository, rules
from tradewind.features.artifacts.errors import (
    BlobDamaged,
    FileRefused,
    StoreUnavailable,
)
from tradewind.features.artifacts.scan.scan import scan
from tradewind.features.artifacts.schemas import MIB, FileFacts, UploadRow, UploadState, Visibility
from tradewind.features.artifacts.sealed_bytes import FileCipher
from tradewind.features.artifacts.staging import StagedSource, Staging
from tradewind.features.artifacts.stores.base import Store
from tradewind.features.artifacts.uploads import expiry_of, open_cipher, upload_row

_log = logging.getLogger(__name__)

# How long one attempt may take before another worker takes it for dead: generous, and more for
# larger files, which are read once and sent once.
_LEASE = timedelta(minutes=10)
_SLOWEST_BYTES_A_SECOND = 20 * MIB
_TRY_AGAIN = timedelta(seconds=5)
_LONGEST_PAUSE = timedelta(minutes=5)
_MOST_ATTEMPTS = 50
_ABANDONED = timedelta(days=1)
_STAGED_BEFORE_S = 3600.0
_SWEPT_AT_ONCE = 200


class _Claimed(NamedTuple):
    row: UploadRow
    stored: Row[Any]
    cipher: FileCipher | None
    attempts: int


class Arrivals:
    """For the worker: one upload after the other, and what is left over from time to time."""

    def __init__(
        self,
        staging: Staging,
        store: Store,
        vault: Vault,
        clock: Clock,
        *,
        accepts_pickles: bool = False,
    ) -> None:
        self._staging = staging
        self._store = store
        self._vault = vault
        self._clock = clock
        self._accepts_pickles = accepts_pickles

    def check_next(self, database: Database) -> bool:
        """Check one upload that waits for it. False when there is none.

        Raises Unavailable when the database is away.
        """
        claimed = self._claim(database)
        if claimed is None:
            return False
        try:
            self._check(database, claimed)
        except (FileRefused, BlobDamaged) as error:
            self._refuse(database, claimed.row, str(error))
        except FileNotFoundError:
            # All its parts were on disk once; somebody removed them.
            self._refuse(database, claimed.row, "its parts are gone from the staging folder")
        except StoreUnavailable as error:
            if claimed.attempts >= _MOST_ATTEMPTS:
                self._refuse(database, claimed.row, f"it could not be stored: {error}")
            else:
                _log.warning("%s waits: %s", claimed.row.upload_id, error)
                pause = min(_TRY_AGAIN * 2 ** min(claimed.attempts - 1, 10), _LONGEST_PAUSE)
                self._put_off(database, claimed.row, pause)
        return True

    def sweep(self, database: Database) -> None:
        """Delete what nobody needs: expired uploads, staged files of none, blobs of no artifact."""
        now = self._clock.now()
        with database.transaction() as tx:
            repository.delete_expired_uploads(tx, now, _SWEPT_AT_ONCE)
        staged = self._staging.left_over(_STAGED_BEFORE_S)[:_SWEPT_AT_ONCE]
        with database.transaction() as tx:
            needed = repository.uploads_under_way(tx, staged)
        for name in staged:
            if name not in needed:
                self._staging.remove(name)
        with database.transaction() as tx:
            leaving = repository.take_unused_blobs(
                tx,
                unused_since=now - rules.UNUSED_BLOB,
                arriving_since=now - _ABANDONED,
                most=_SWEPT_AT_ONCE,
            )
        for blob in leaving:
            # The row goes last: if this process dies, the next one finds it and deletes again.
            self._store.delete(blob.location)
            with database.transaction() as tx:
                repository.delete_blob(tx, blob.id)

    # --- one upload ------------------------------------------------------------------------

    def _claim(self, database: Database) -> _Claimed | None:
        now = self._clock.now()
        with database.transaction() as tx:
            stored = repository.claim_upload(tx, now, now + _LEASE)
            if stored is None:
                return None
            longer = timedelta(seconds=stored.size / _SLOWEST_BYTES_A_SECOND)
            repository.update_upload(tx, stored.id, {"next_try_at": now + _LEASE + longer})
            cipher = open_cipher(tx, self._vault, stored)
            return _Claimed(upload_row(stored), stored, cipher, stored.attempts)

    def _check(self, database: Database, claimed: _Claimed) -> None:
        row = claimed.row
        source = self._staging.source(row.upload_id, row.name, row.size, claimed.cipher)
        try:
            if source.size != row.size:
                raise FileRefused(row.name, f"it has {source.size} bytes, not {row.size}")
            sha256 = claimed.stored.seen_sha256 or _digest(source)
            if row.sha256 is not None and row.sha256 != sha256:
                raise FileRefused(
                    row.name,
                    f"what arrived has the sha256 {sha256}, and {row.sha256} was announced",
                    hint="begin the upload anew",
                )
            facts = scan(source, accepts_pickles=self._accepts_pickles)
        finally:
            source.close()
        self._store_it(database, claimed, sha256, facts)

    def _store_it(
        self, database: Database, claimed: _Claimed, sha256: str, facts: FileFacts
    ) -> None:
        row = claimed.row
        blob = self._announce_blob(database, claimed, sha256)
        if blob.state != "kept":
            self._store.put(blob.location, self._staging.path(row.upload_id))
        now = self._clock.now()
        with database.transaction() as tx:
            if blob.state != "kept":
                repository.update_blob(tx, blob.id, {"state": "kept", "touched_at": now})
            elif not repository.keep_blobs(tx, [blob.id], now):
                raise StoreUnavailable("equal bytes are leaving the store at this moment")
            self._end(
                tx,
                row,
                {
                    "state": UploadState.READY.value,
                    "sha256": sha256,
                    "blob_id": blob.id,
                    "facts": msgspec.to_builtins(facts),
                },
            )
        self._staging.remove(row.upload_id)

    def _announce_blob(self, database: Database, claimed: _Claimed, sha256: str) -> Row[Any]:
        """Return the row of the blob: one that is kept, or one whose bytes are to be put now."""
        row, now = claimed.row, self._clock.now()
        is_sealed = row.visibility is Visibility.SEALED
        sealed_for = OrganizationId(row.organization_id) if is_sealed else None
        blob_id = BlobId.new()
        key = {
            "sealed_as": row.upload_id,
            "data_key_id": claimed.stored.data_key_id,
            "sealed_key": claimed.stored.sealed_key,
        }
        # The place of a sealed file is its key's: other bytes are never taken for these.
        location = (
            rules.sealed_location(row.upload_id) if is_sealed else rules.open_location(sha256)
        )
        former: str | None = None
        with database.transaction() as tx:
            blob = repository.lock_blob(tx, sha256=sha256, size=row.size, sealed_for=sealed_for)
            if blob is None:
                repository.add_blob(
                    tx,
                    {
                        "id": blob_id,
                        "sha256": sha256,
                        "size": row.size,
                        "sealed_for": sealed_for,
                        "location": location,
                        "state": "arriving",
                        **(key if is_sealed else {}),
                        "touched_at": now,
                    },
                )
            elif blob.state == "arriving":
                if is_sealed and blob.sealed_as != row.upload_id:
                    # Another upload of equal bytes, under another key. One of them goes first.
                    if repository.is_under_way(tx, blob.sealed_as):
                        raise StoreUnavailable("equal bytes arrive at this moment")
                    former = blob.location
                    repository.update_blob(
                        tx, blob.id, {**key, "location": location, "touched_at": now}
                    )
                else:
                    repository.update_blob(tx, blob.id, {"touched_at": now})
            found = repository.lock_blob(tx, sha256=sha256, size=row.size, sealed_for=sealed_for)
            assert found is not None, "it was found or added just now"
        if found.state == "leaving":
            raise StoreUnavailable("equal bytes are leaving the store at this moment")
        if former is not None:
            self._store.delete(former)
        return found

    def _refuse(self, database: Database, row: UploadRow, reason: str) -> None:
        with database.transaction() as tx:
            self._end(tx, row, {"state": UploadState.REFUSED.value, "reason": reason[:2000]})
        self._staging.remove(row.upload_id)

    def _put_off(self, database: Database, row: UploadRow, pause: timedelta) -> None:
        with database.transaction() as tx:
            repository.update_upload(tx, row.upload_id, {"next_try_at": self._clock.now() + pause})

    def _end(self, tx: Connection, row: UploadRow, values: dict[str, Any]) -> None:
        expires_at = expiry_of(self._clock.now())
        repository.update_upload(
            tx, row.upload_id, {**values, "next_try_at": None, "expires_at": expires_at}
        )


def _digest(source: StagedSource) -> str:
    digest = hashlib.sha256()
    for start in range(0, source.size, MIB):
        digest.update(source.read(start, min(MIB, source.size - start)))
    return digest.hexdigest()
