"""What may be asked of uploads: begin, send parts, ask what is there, complete, abort.

An upload survives the death of every process at any moment: what was told to be there is on disk
and in the database, and everything may be asked again.
"""

import base64
import contextlib
import os
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import MalformedId, NotFound
from tradewind.core.ids import BlobId, OrganizationId, UploadId
from tradewind.core.permissions import Permission, require
from tradewind.db.notify import announce
from tradewind.db.sealing import KEY_BYTES, Place, Secret
from tradewind.db.vault import Sealed, Vault
from tradewind.features.accounts.schemas import Actor
from tradewind.features.artifacts import repository, rules
from tradewind.features.artifacts.digest_ahead import DigestsAhead
from tradewind.features.artifacts.errors import (
    BlobDamaged,
    FileRefused,
    PartRefused,
    TooManyUploads,
    UploadEnded,
    UploadIncomplete,
)
from tradewind.features.artifacts.schemas import (
    FileFacts,
    NewUpload,
    PartRow,
    UploadRow,
    UploadState,
    Visibility,
)
from tradewind.features.artifacts.sealed_bytes import FileCipher
from tradewind.features.artifacts.staging import PartWriter, Staging

UPLOADS_CHANNEL = "tradewind_uploads"
"""Where it is announced that an upload waits to be checked."""
UPLOADS_SHOWN = 500
_MISSING_SHOWN = 5


class OpenPart(NamedTuple):
    """A part that may be written now."""

    upload: UploadRow
    number: int
    writer: PartWriter
    cipher: FileCipher | None


class UploadWithParts(NamedTuple):
    row: UploadRow
    part_numbers: list[int]


class Uploads:
    """Uploads of the actor's own organization."""

    def __init__(
        self,
        staging: Staging,
        vault: Vault,
        clock: Clock,
        limits: rules.UploadLimits = rules.UploadLimits(),  # noqa: B008  immutable
    ) -> None:
        self._staging = staging
        self._limits = limits
        self._vault = vault
        self._clock = clock
        self._digests = DigestsAhead()

    # --- reading ---------------------------------------------------------------------------

    def list_uploads(
        self, tx: Connection, actor: Actor, *, before: str | None = None, limit: int = 100
    ) -> list[UploadRow]:
        """Return uploads, the newest first; those older than the upload `before` if it is named."""
        require(actor, Permission.ARTIFACTS_READ)
        rows = repository.list_uploads(
            tx, actor.organization_id, before=before, limit=min(limit, UPLOADS_SHOWN + 1)
        )
        return [upload_row(row) for row in rows]

    def get_upload(self, tx: Connection, actor: Actor, upload_id: str) -> UploadWithParts:
        """Return an upload and which of its parts are there. Raises NotFound."""
        require(actor, Permission.ARTIFACTS_READ)
        row = upload_row(self._find(tx, actor, upload_id))
        return UploadWithParts(row, repository.part_numbers(tx, row.upload_id))

    # --- sending ---------------------------------------------------------------------------

    def begin(self, tx: Connection, actor: Actor, new: NewUpload) -> UploadWithParts:
        """Begin an upload; an open one of the very same file, by name, size and digest, is gone on
        with instead.

        Raises InvalidInput, TooManyUploads (409), StoreUnavailable when the disk is full.
        """
        require(actor, Permission.ARTIFACTS_WRITE)
        owner, now = actor.organization_id, self._clock.now()
        name, size = rules.clean_name(new.name), rules.clean_size(new.size)
        sha256 = rules.clean_sha256(new.sha256)
        repository.lock_owner(tx, owner)
        if sha256 is not None:
            equal = repository.find_equal_upload(
                tx, owner, name=name, size=size, sha256=sha256, visibility=new.visibility
            )
            if equal is not None:
                row = upload_row(equal)
                return UploadWithParts(row, repository.part_numbers(tx, row.upload_id))
        self._check_room(tx, owner, size)
        upload_id = UploadId.new()
        repository.add_upload(
            tx,
            {
                "id": upload_id,
                "organization_id": owner,
                "name": name,
                "size": size,
                "sha256": sha256,
                "visibility": new.visibility.value,
                "state": UploadState.OPEN.value,
                "reason": "",
                **self._key(tx, upload_id, owner, new.visibility),
                "created_at": now,
                "expires_at": now + rules.IDLE_UPLOAD,
            },
        )
        return UploadWithParts(upload_row(self._find(tx, actor, upload_id)), [])

    def open_part(
        self,
        tx: Connection,
        actor: Actor,
        upload_id: str,
        number: int,
        *,
        sha256: str | None = None,
    ) -> OpenPart | PartRow:
        """Return where to write a part, or the part when it is there already and stays as it was.

        Raises NotFound, InvalidInput, UploadEnded, PartInProgress, and PartRefused for a digest
        that is not that of the part which is there.
        """
        require(actor, Permission.ARTIFACTS_WRITE)
        found = self._find(tx, actor, upload_id)
        row = upload_row(found)
        span = rules.part_span(row.size, number)
        if row.state is not UploadState.OPEN:
            raise _ended(row)
        expected = rules.clean_sha256(sha256)
        cipher = open_cipher(tx, self._vault, found)
        writer = self._staging.open_part(row.upload_id, span, cipher, expected)
        # Asked for under the lock, which is held until a part is recorded: what was recorded is
        # never written again, not by a request that began before it was either.
        part = repository.find_part(tx, row.upload_id, number)
        if part is None:
            self._digests.expect(row.upload_id, number)
            return OpenPart(row, number, writer, cipher)
        writer.close()
        if expected is not None and part.sha256 is not None and expected != part.sha256:
            raise PartRefused(
                f"part {number} is there with the sha256 {part.sha256}",
                hint="abort the upload and begin it anew, if the file changed",
            )
        return part

    def part_written(self, tx: Connection, part: OpenPart, *, sha256: str | None = None) -> PartRow:
        """Record a part that the writer has finished. Commit before the writer is closed.

        Raises UploadEnded when the upload was aborted meanwhile.
        """
        upload = part.upload
        span = rules.part_span(upload.size, part.number)
        found = repository.find_upload(tx, upload.organization_id, upload.upload_id, locks=True)
        if found is None or found.state != UploadState.OPEN.value:
            raise UploadEnded(f"the upload {upload.upload_id} was ended meanwhile")
        row = PartRow(part.number, span.size, sha256)
        repository.add_part(tx, upload.upload_id, row)
        repository.update_upload(
            tx, upload.upload_id, {"expires_at": self._clock.now() + rules.IDLE_UPLOAD}
        )
        return row

    def hash_ahead(self, part: OpenPart) -> None:
        """Take the digest as far as parts are there. Only saves time later; blocks."""
        upload = part.upload
        try:
            # Parts beyond this one are written at this moment: the file grows while it is read.
            source = self._staging.growing_source(
                upload.upload_id, upload.name, upload.size, part.cipher
            )
            with contextlib.closing(source):
                self._digests.part_arrived(upload.upload_id, part.number, upload.size, source)
        except (FileRefused, BlobDamaged, OSError):
            # Whatever is wrong with the file is told when it is checked.
            self._digests.forget(upload.upload_id)

    # --- ending ----------------------------------------------------------------------------

    def complete(self, tx: Connection, actor: Actor, upload_id: str) -> UploadRow:
        """Have the file checked and stored, now that all its parts are there. May be repeated.

        What becomes of it is seen from the upload's state. Raises NotFound, UploadIncomplete.
        """
        require(actor, Permission.ARTIFACTS_WRITE)
        row = upload_row(self._find(tx, actor, upload_id, locks=True))
        if row.state is not UploadState.OPEN:
            return row
        there = repository.part_numbers(tx, row.upload_id)
        if len(there) != row.parts:
            missing = sorted(set(range(1, row.parts + 1)) - set(there))
            first = ", ".join(str(number) for number in missing[:_MISSING_SHOWN])
            raise UploadIncomplete(
                f"{len(missing)} of {row.parts} parts are missing, first {first}",
                hint="send them, then complete the upload",
            )
        repository.update_upload(
            tx,
            row.upload_id,
            {
                "state": UploadState.CHECKING.value,
                "next_try_at": self._clock.now(),
                "seen_sha256": self._digests.take(row.upload_id, row.parts),
            },
        )
        announce(tx, UPLOADS_CHANNEL)
        return upload_row(self._find(tx, actor, upload_id))

    def abort(self, tx: Connection, actor: Actor, upload_id: str) -> None:
        """Forget an upload. What was made of it stays. Raises NotFound, UploadEnded while it is
        checked.
        """
        require(actor, Permission.ARTIFACTS_WRITE)
        row = upload_row(self._find(tx, actor, upload_id, locks=True))
        if row.state is UploadState.CHECKING:
            raise UploadEnded(
                f"the upload {row.upload_id} is being checked", hint="wait until it is through"
            )
        repository.delete_upload(tx, row.upload_id)
        self._digests.forget(row.upload_id)
        # The file goes with the next sweep: were it removed here and the transaction undone, parts
        # would be told to be there that are not.

    # --- inside ----------------------------------------------------------------------------

    def _find(
        self, tx: Connection, actor: Actor, upload_id: str, *, locks: bool = False
    ) -> Row[Any]:
        try:
            parsed = UploadId.parse(upload_id)
        except MalformedId:
            raise _not_found(upload_id) from None
        row = repository.find_upload(tx, actor.organization_id, parsed, locks=locks)
        if row is None:
            raise _not_found(upload_id)
        return row

    def _check_room(self, tx: Connection, owner: OrganizationId, size: int) -> None:
        there = repository.count_uploads(tx, owner)
        if there.under_way >= self._limits.under_way:
            raise TooManyUploads(
                f"this organization has {there.under_way} uploads under way",
                hint="complete or abort one of them",
            )
        if there.bytes + size > self._limits.bytes_under_way:
            raise TooManyUploads(
                f"this organization's uploads under way would have {there.bytes + size} bytes",
                hint="complete or abort one of them",
            )
        if there.in_all >= self._limits.in_all:
            raise TooManyUploads(
                f"this organization has {there.in_all} uploads, with those that ended",
                hint="abort those that are not needed, or wait until they are swept",
            )
        self._staging.check_room(size)

    def _key(
        self,
        tx: Connection,
        upload_id: UploadId,
        owner: OrganizationId,
        visibility: Visibility,
    ) -> dict[str, Any]:
        if visibility is Visibility.OPEN:
            return {}
        key = Secret(base64.b64encode(os.urandom(KEY_BYTES)).decode())
        sealed = self._vault.seal(tx, key, place_of(upload_id, owner))
        return {"data_key_id": sealed.data_key_id, "sealed_key": sealed.content}


def place_of(sealed_as: str, owner: str) -> Place:
    """Return where the key of a sealed file opens, and nowhere else."""
    return Place("artifact_upload", sealed_as, owner, 1)


def open_cipher(tx: Connection, vault: Vault, upload: Row[Any]) -> FileCipher | None:
    """Return what opens an upload's bytes; None when they are not sealed. Raises SealBroken."""
    if upload.sealed_key is None:
        return None
    return open_key(
        tx,
        vault,
        Sealed(upload.data_key_id, bytes(upload.sealed_key)),
        sealed_as=upload.id,
        owner=upload.organization_id,
        size=upload.size,
    )


def open_key(
    tx: Connection, vault: Vault, sealed: Sealed, *, sealed_as: str, owner: str, size: int
) -> FileCipher:
    """Raises SealBroken."""
    key = vault.open(tx, sealed, place_of(sealed_as, owner)).reveal()
    return FileCipher(base64.b64decode(key), sealed_as=sealed_as, size=size)


def upload_row(row: Row[Any]) -> UploadRow:
    return UploadRow(
        upload_id=UploadId(row.id),
        organization_id=OrganizationId(row.organization_id),
        name=row.name,
        size=row.size,
        sha256=row.sha256,
        visibility=Visibility(row.visibility),
        state=UploadState(row.state),
        reason=row.reason,
        blob_id=None if row.blob_id is None else BlobId(row.blob_id),
        facts=None if row.facts is None else facts_of(row.facts),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def facts_of(stored: object) -> FileFacts:
    return msgspec.convert(stored, FileFacts)


def _ended(row: UploadRow) -> UploadEnded:
    return UploadEnded(
        f"the upload {row.upload_id} takes no parts any more: it is {row.state.value}",
        hint="begin another one",
    )


def _not_found(upload_id: str) -> NotFound:
    return NotFound(
        f"there is no upload {upload_id[:64]!r}", hint="list the uploads to see which there are"
    )


def expiry_of(now: datetime) -> datetime:
    """Return when an upload that ended is swept."""
    return now + rules.UNUSED_UPLOAD
