"""All SQL of artifacts, uploads and blobs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from tradewind.core.ids import BlobId, OrganizationId, UploadId
from tradewind.features.artifacts.schemas import PartRow, Visibility
from tradewind.features.artifacts.tables import (
    artifact,
    artifact_blob,
    artifact_file,
    artifact_signature,
    artifact_upload,
    artifact_upload_part,
)

_UNDER_WAY = ("open", "checking")


class OpenUploads(NamedTuple):
    under_way: int
    bytes: int
    """Announced by those under way."""
    in_all: int


# --- uploads -----------------------------------------------------------------------------------


def lock_owner(tx: Connection, owner: OrganizationId) -> None:
    """Let nobody else count or add uploads and artifacts of this organization for now."""
    tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"artifact/{owner}", 0))))


def count_uploads(tx: Connection, owner: OrganizationId) -> OpenUploads:
    is_under_way = artifact_upload.c.state.in_(_UNDER_WAY)
    row = tx.execute(
        select(
            func.count().filter(is_under_way),
            func.coalesce(func.sum(artifact_upload.c.size).filter(is_under_way), 0),
            func.count(),
        ).where(artifact_upload.c.organization_id == owner)
    ).one()
    return OpenUploads(row[0], int(row[1]), row[2])


def add_upload(tx: Connection, values: Mapping[str, Any]) -> None:
    tx.execute(insert(artifact_upload).values(**values))


def find_upload(
    tx: Connection, owner: OrganizationId, upload_id: UploadId, *, locks: bool = False
) -> Row[Any] | None:
    found = select(artifact_upload).where(
        artifact_upload.c.id == upload_id, artifact_upload.c.organization_id == owner
    )
    return tx.execute(found.with_for_update() if locks else found).first()


def find_equal_upload(
    tx: Connection,
    owner: OrganizationId,
    *,
    name: str,
    size: int,
    sha256: str,
    visibility: Visibility,
) -> Row[Any] | None:
    """Return an open upload of the very same file, the newest."""
    return tx.execute(
        select(artifact_upload)
        .where(
            artifact_upload.c.organization_id == owner,
            artifact_upload.c.state == "open",
            artifact_upload.c.name == name,
            artifact_upload.c.size == size,
            artifact_upload.c.sha256 == sha256,
            artifact_upload.c.visibility == visibility.value,
        )
        .order_by(artifact_upload.c.id.desc())
        .limit(1)
    ).first()


def list_uploads(
    tx: Connection, owner: OrganizationId, *, before: str | None, limit: int
) -> Sequence[Row[Any]]:
    return tx.execute(_page(select(artifact_upload), artifact_upload.c, owner, before, limit)).all()


def update_upload(tx: Connection, upload_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(artifact_upload).where(artifact_upload.c.id == upload_id).values(**values))


def delete_upload(tx: Connection, upload_id: str) -> None:
    tx.execute(delete(artifact_upload).where(artifact_upload.c.id == upload_id))


def add_part(tx: Connection, upload_id: UploadId, part: PartRow) -> None:
    """A part that is there stays as it was."""
    tx.execute(
        upsert(artifact_upload_part)
        .values(upload_id=upload_id, number=part.number, size=part.size, sha256=part.sha256)
        .on_conflict_do_nothing()
    )


def find_part(tx: Connection, upload_id: UploadId, number: int) -> PartRow | None:
    row = tx.execute(
        select(artifact_upload_part).where(
            artifact_upload_part.c.upload_id == upload_id,
            artifact_upload_part.c.number == number,
        )
    ).first()
    return None if row is None else PartRow(row.number, row.size, row.sha256)


def part_numbers(tx: Connection, upload_id: UploadId) -> list[int]:
    found = select(artifact_upload_part.c.number).where(
        artifact_upload_part.c.upload_id == upload_id
    )
    return list(tx.execute(found.order_by(artifact_upload_part.c.number)).scalars())


def claim_upload(tx: Connection, now: datetime, until: datetime) -> Row[Any] | None:
    """Take one upload to check, which nobody else is given before `until`."""
    next_one = (
        select(artifact_upload.c.id)
        .where(artifact_upload.c.next_try_at <= now)
        .order_by(artifact_upload.c.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return tx.execute(
        update(artifact_upload)
        .where(artifact_upload.c.id == next_one)
        .values(next_try_at=until, attempts=artifact_upload.c.attempts + 1)
        .returning(artifact_upload)
    ).first()


def next_check_at(tx: Connection) -> datetime | None:
    return tx.execute(select(func.min(artifact_upload.c.next_try_at))).scalar()


def delete_expired_uploads(tx: Connection, now: datetime, most: int) -> list[str]:
    expired = (
        select(artifact_upload.c.id)
        .where(artifact_upload.c.expires_at <= now, artifact_upload.c.state != "checking")
        .order_by(artifact_upload.c.expires_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    gone = delete(artifact_upload).where(artifact_upload.c.id.in_(expired))
    return list(tx.execute(gone.returning(artifact_upload.c.id)).scalars())


def uploads_under_way(tx: Connection, ids: Iterable[str]) -> set[str]:
    """Return those of the uploads whose bytes are still in the staging folder."""
    return set(
        tx.execute(
            select(artifact_upload.c.id).where(
                artifact_upload.c.id.in_(list(ids)), artifact_upload.c.state.in_(_UNDER_WAY)
            )
        ).scalars()
    )


# --- blobs -------------------------------------------------------------------------------------


def lock_blob(
    tx: Connection, *, sha256: str, size: int, sealed_for: OrganizationId | None
) -> Row[Any] | None:
    return tx.execute(
        select(artifact_blob).where(_is_blob(sha256, size, sealed_for)).with_for_update()
    ).first()


def add_blob(tx: Connection, values: Mapping[str, Any]) -> bool:
    """False when somebody else added an equal one at this moment."""
    added = upsert(artifact_blob).values(**values).on_conflict_do_nothing()
    return tx.execute(added.returning(artifact_blob.c.id)).first() is not None


def update_blob(tx: Connection, blob_id: str, values: Mapping[str, Any]) -> None:
    tx.execute(update(artifact_blob).where(artifact_blob.c.id == blob_id).values(**values))


def keep_blobs(tx: Connection, ids: Iterable[str], now: datetime) -> set[str]:
    """Say that these are about to be referred to; return which of them are there.

    It writes the row, so that a sweep that has read it already looks again.
    """
    wanted = sorted(set(ids))
    return set(
        tx.execute(
            update(artifact_blob)
            .where(artifact_blob.c.id.in_(wanted), artifact_blob.c.state == "kept")
            .values(touched_at=now)
            .returning(artifact_blob.c.id)
        ).scalars()
    )


def is_under_way(tx: Connection, upload_id: str) -> bool:
    found = exists().where(artifact_upload.c.id == upload_id, artifact_upload.c.state == "checking")
    return tx.execute(select(found)).scalar_one()


def take_unused_blobs(
    tx: Connection, *, unused_since: datetime, arriving_since: datetime, most: int
) -> list[Row[Any]]:
    """Mark blobs that nothing refers to as leaving; return all that are, with their locations."""
    used = or_(
        exists().where(artifact_file.c.blob_id == artifact_blob.c.id),
        exists().where(artifact_upload.c.blob_id == artifact_blob.c.id),
    )
    unused = and_(
        not_(used),
        or_(
            and_(artifact_blob.c.state == "kept", artifact_blob.c.touched_at < unused_since),
            and_(artifact_blob.c.state == "arriving", artifact_blob.c.touched_at < arriving_since),
        ),
    )
    some = select(artifact_blob.c.id).where(unused).limit(most)
    tx.execute(
        update(artifact_blob)
        # Told again outside of the subquery: a row that was touched meanwhile is looked at anew.
        .where(artifact_blob.c.id.in_(some), unused)
        .values(state="leaving")
    )
    return list(
        tx.execute(
            select(artifact_blob).where(artifact_blob.c.state == "leaving").limit(most)
        ).all()
    )


def delete_blob(tx: Connection, blob_id: str) -> None:
    tx.execute(
        delete(artifact_blob).where(
            artifact_blob.c.id == blob_id, artifact_blob.c.state == "leaving"
        )
    )


def find_blobs(tx: Connection, ids: Iterable[str]) -> dict[BlobId, Row[Any]]:
    found = tx.execute(select(artifact_blob).where(artifact_blob.c.id.in_(sorted(set(ids)))))
    return {BlobId(row.id): row for row in found}


# --- artifacts ---------------------------------------------------------------------------------


def count_artifacts(tx: Connection, owner: OrganizationId) -> int:
    found = select(func.count()).select_from(artifact).where(artifact.c.organization_id == owner)
    return tx.execute(found).scalar_one()


def add_artifact(
    tx: Connection, values: Mapping[str, Any], files: Sequence[Mapping[str, Any]]
) -> None:
    tx.execute(insert(artifact).values(**values))
    tx.execute(insert(artifact_file), list(files))


def find_artifact(
    tx: Connection, owner: OrganizationId, id_or_digest: str, *, locks: bool = False
) -> Row[Any] | None:
    found = select(artifact).where(
        artifact.c.organization_id == owner,
        or_(artifact.c.id == id_or_digest, artifact.c.digest == id_or_digest),
    )
    return tx.execute(found.with_for_update() if locks else found).first()


def find_by_digest(tx: Connection, digest: str) -> Row[Any] | None:
    """Return an artifact with this digest, whoever's it is; an open one before a sealed one."""
    return tx.execute(
        select(artifact)
        .where(artifact.c.digest == digest)
        .order_by(artifact.c.visibility, artifact.c.id)
        .limit(1)
    ).first()


def list_artifacts(
    tx: Connection, owner: OrganizationId, *, before: str | None, limit: int
) -> Sequence[Row[Any]]:
    return tx.execute(_page(select(artifact), artifact.c, owner, before, limit)).all()


def delete_artifact(tx: Connection, artifact_id: str) -> None:
    tx.execute(delete(artifact).where(artifact.c.id == artifact_id))


def files_of(tx: Connection, artifact_id: str) -> Sequence[Row[Any]]:
    """Return the files with what is known of their bytes, in the order of their paths."""
    return tx.execute(
        select(artifact_file.c.path, artifact_file.c.facts, artifact_blob)
        .join(artifact_blob, artifact_blob.c.id == artifact_file.c.blob_id)
        .where(artifact_file.c.artifact_id == artifact_id)
        .order_by(artifact_file.c.path)
    ).all()


def add_signature(tx: Connection, values: Mapping[str, Any]) -> None:
    """A key signs an artifact once; again changes nothing."""
    tx.execute(upsert(artifact_signature).values(**values).on_conflict_do_nothing())


def signatures_of(tx: Connection, artifact_id: str) -> Sequence[Row[Any]]:
    return tx.execute(
        select(artifact_signature)
        .where(artifact_signature.c.artifact_id == artifact_id)
        .order_by(artifact_signature.c.created_at, artifact_signature.c.key_id)
    ).all()


def count_signatures(tx: Connection, artifact_id: str) -> int:
    found = (
        select(func.count())
        .select_from(artifact_signature)
        .where(artifact_signature.c.artifact_id == artifact_id)
    )
    return tx.execute(found).scalar_one()


def _page(
    found: Select[Any], columns: Any, owner: OrganizationId, before: str | None, limit: int
) -> Select[Any]:
    """Ids sort by time: the newest come first."""
    found = found.where(columns.organization_id == owner)
    if before is not None:
        found = found.where(columns.id < before)
    return found.order_by(columns.id.desc()).limit(limit)


def _is_blob(sha256: str, size: int, sealed_for: OrganizationId | None) -> ColumnElement[bool]:
    sealed = artifact_blob.c.sealed_for
    return and_(
        artifact_blob.c.sha256 == sha256,
        artifact_blob.c.size == size,
        sealed.is_(None) if sealed_for is None else sealed == sealed_for,
    )
