"""What may be asked of artifacts: make one of uploads, read, sign, verify, download, delete, and,
for the worker alone, open.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, MalformedId, NotFound
from tradewind.core.ids import ArtifactId, OrganizationId, UploadId
from tradewind.core.permissions import Permission, require
from tradewind.db.vault import Sealed, Vault
from tradewind.features.accounts.schemas import Actor
from tradewind.features.artifacts import repository, rules
from tradewind.features.artifacts.errors import (
    ArtifactInUse,
    ArtifactSealed,
    BlobDamaged,
    BlobMissing,
    SignatureRefused,
    TooManyUploads,
    UploadIncomplete,
)
from tradewind.features.artifacts.manifest import (
    Difference,
    ManifestFile,
    PlatformSigner,
    check_signature,
    differences,
    digest_of,
    key_id_of,
    write_manifest,
)
from tradewind.features.artifacts.schemas import (
    MOST_FILES,
    ArtifactDetail,
    ArtifactFile,
    ArtifactRow,
    FileFacts,
    NewFile,
    Signature,
    UploadRow,
    UploadState,
    Visibility,
)
from tradewind.features.artifacts.stores.base import Store
from tradewind.features.artifacts.uploads import expiry_of, facts_of, open_key, upload_row
from tradewind.features.artifacts.worker_copies import WorkerArtifact, WorkerFile

ARTIFACTS_SHOWN = 500
_MOST_SIGNATURES = 20
_FIRST = ("gguf", "safetensors", "pickle", "json", "template")
"""Whose facts count first, where several files say something."""


class Download(NamedTuple):
    file: ArtifactFile
    location: str
    store: Store

    def stream(self, start: int, count: int) -> Iterator[bytes]:
        return self.store.stream(self.location, start, count)


User = Callable[[Connection, OrganizationId, str], str | None]
"""Says, for an organization and a digest, who still needs the artifact; None is nobody."""


class Artifacts:
    """Artifacts of the actor's own organization; without an actor, what other features may know."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        clock: Clock,
        signer: PlatformSigner,
        *,
        users: Sequence[User] = (),
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._signer = signer
        self._users = tuple(users)

    # --- reading ---------------------------------------------------------------------------

    def list_artifacts(
        self, tx: Connection, actor: Actor, *, before: str | None = None, limit: int = 100
    ) -> list[ArtifactRow]:
        """Return artifacts, the newest first; those older than `before`, an id, if it is named."""
        require(actor, Permission.ARTIFACTS_READ)
        rows = repository.list_artifacts(
            tx, actor.organization_id, before=before, limit=min(limit, ARTIFACTS_SHOWN + 1)
        )
        return [_artifact_row(row) for row in rows]

    def get_artifact(self, tx: Connection, actor: Actor, id_or_digest: str) -> ArtifactDetail:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.ARTIFACTS_READ)
        return _detail(tx, self._find(tx, actor, id_or_digest))

    def open_download(
        self, tx: Connection, actor: Actor, id_or_digest: str, sha256: str
    ) -> Download:
        """Return a file that may leave the platform.

        Raises NotFound, ArtifactSealed (403) for a sealed artifact and one in quarantine.
        """
        require(actor, Permission.ARTIFACTS_READ)
        row = self._find(tx, actor, id_or_digest)
        if row.visibility == Visibility.SEALED.value:
            raise ArtifactSealed(f"the artifact {row.id} is sealed: it leaves for an engine only")
        if row.is_quarantined:
            raise ArtifactSealed(f"the artifact {row.id} is in quarantine")
        for file in repository.files_of(tx, row.id):
            if file.sha256 == sha256:
                return Download(_file(file), file.location, self._store)
        raise NotFound(f"the artifact {row.id} has no file with the sha256 {sha256[:64]!r}")

    # --- changing --------------------------------------------------------------------------

    def make_artifact(
        self, tx: Connection, actor: Actor, files: Sequence[NewFile]
    ) -> ArtifactDetail:
        """Make an artifact of uploads that are ready, and sign its manifest. The same files give
        the same artifact, which is then returned.

        Raises InvalidInput, NotFound, UploadIncomplete (409) for an upload that is not ready.
        """
        require(actor, Permission.ARTIFACTS_WRITE)
        if not 1 <= len(files) <= MOST_FILES:
            raise InvalidInput(f"an artifact has 1 to {MOST_FILES} files, not {len(files)}")
        paths = [rules.clean_path(file.path) for file in files]
        _check_distinct(paths)
        owner, now = actor.organization_id, self._clock.now()
        uploads = [self._ready(tx, actor, file.upload_id) for file in files]
        visibilities = {upload.visibility for upload in uploads}
        if len(visibilities) != 1:
            raise InvalidInput(
                "some of these uploads are sealed and some are not",
                hint="upload all files of an artifact alike",
            )
        manifest = write_manifest(
            ManifestFile(path, _known(upload.sha256), upload.size)
            for path, upload in zip(paths, uploads, strict=True)
        )
        digest = digest_of(manifest)
        repository.lock_owner(tx, owner)
        there = repository.find_artifact(tx, owner, digest)
        if there is not None:
            return self._told_once(tx, there, visibilities.pop())
        if repository.count_artifacts(tx, owner) >= rules.MOST_ARTIFACTS:
            raise TooManyUploads(
                f"this organization has {rules.MOST_ARTIFACTS} artifacts",
                hint="delete those that nothing uses",
            )
        blobs = {_known(upload.blob_id) for upload in uploads}
        if repository.keep_blobs(tx, blobs, now) != blobs:
            raise UploadIncomplete("some of these uploads were swept", hint="upload them again")
        artifact_id = ArtifactId.new()
        repository.add_artifact(
            tx,
            {
                "id": artifact_id,
                "organization_id": owner,
                "digest": digest,
                "manifest": manifest,
                "visibility": visibilities.pop().value,
                "size": sum(upload.size for upload in uploads),
                "file_count": len(uploads),
                "is_quarantined": any(
                    upload.facts is not None and upload.facts.is_quarantined for upload in uploads
                ),
                "created_at": now,
            },
            [
                {
                    "artifact_id": artifact_id,
                    "path": path,
                    "blob_id": upload.blob_id,
                    "facts": msgspec.to_builtins(upload.facts),
                }
                for path, upload in zip(paths, uploads, strict=True)
            ],
        )
        for upload in uploads:
            repository.update_upload(tx, upload.upload_id, {"expires_at": expiry_of(now)})
        self._add_signature(tx, artifact_id, self._signer.sign(manifest))
        return _detail(tx, self._find(tx, actor, artifact_id))

    def sign(
        self,
        tx: Connection,
        actor: Actor,
        id_or_digest: str,
        *,
        public_key: bytes,
        signature: bytes,
    ) -> ArtifactDetail:
        """Add the publisher's own signature: Ed25519 over the manifest's DSSE encoding.

        Raises NotFound, SignatureRefused (422).
        """
        require(actor, Permission.ARTIFACTS_WRITE)
        row = self._find(tx, actor, id_or_digest, locks=True)
        if repository.count_signatures(tx, row.id) >= _MOST_SIGNATURES:
            raise SignatureRefused(f"an artifact has at most {_MOST_SIGNATURES} signatures")
        check_signature(bytes(row.manifest), public_key, signature)
        self._add_signature(
            tx, row.id, Signature(key_id_of(public_key), public_key, signature, "publisher")
        )
        return _detail(tx, row)

    def delete_artifact(self, tx: Connection, actor: Actor, id_or_digest: str) -> None:
        """Delete an artifact. Its bytes go when no other one has them.

        Raises NotFound, ArtifactInUse (409).
        """
        require(actor, Permission.ARTIFACTS_WRITE)
        row = self._find(tx, actor, id_or_digest, locks=True)
        for user in self._users:
            reason = user(tx, actor.organization_id, row.digest)
            if reason is not None:
                raise ArtifactInUse(f"the artifact {row.id} is used by {reason}")
        blobs = {file.id for file in repository.files_of(tx, row.id)}
        repository.delete_artifact(tx, row.id)
        # A download that began a moment ago may go on for as long as unused blobs are kept.
        repository.keep_blobs(tx, blobs, self._clock.now())

    # --- for other features and the worker ---------------------------------------------------

    def find(self, tx: Connection, digest: str) -> ArtifactDetail | None:
        """Return the artifact of a digest, whoever's it is. No permission is asked: whoever calls
        this has decided who may know.
        """
        row = None if rules.clean_digest(digest) is None else repository.find_by_digest(tx, digest)
        return None if row is None else _detail(tx, row)

    def facts(self, tx: Connection, digest: str) -> FileFacts | None:
        """Return what the artifact's files say together; None when there is no such artifact."""
        found = self.find(tx, digest)
        return None if found is None else facts_together(found.files)

    def open_for_worker(
        self, tx: Connection, digest: str, *, owner: OrganizationId | None = None
    ) -> WorkerArtifact:
        """Return what the worker needs to hand an artifact to an engine, with the keys of a sealed
        one. For the worker alone.

        Raises NotFound, ArtifactSealed for one in quarantine, SealBroken.
        """
        row = None
        if rules.clean_digest(digest) is not None:
            row = (
                repository.find_by_digest(tx, digest)
                if owner is None
                else repository.find_artifact(tx, owner, digest)
            )
        if row is None:
            raise NotFound(f"there is no artifact {digest[:80]}")
        if row.is_quarantined:
            raise ArtifactSealed(f"the artifact {row.id} is in quarantine and is not loaded")
        files = tuple(
            WorkerFile(
                file.path,
                file.size,
                file.sha256,
                file.location,
                None
                if file.sealed_key is None
                else open_key(
                    tx,
                    self._vault,
                    Sealed(file.data_key_id, bytes(file.sealed_key)),
                    sealed_as=file.sealed_as,
                    owner=file.sealed_for,
                    size=file.size,
                ),
            )
            for file in repository.files_of(tx, row.id)
        )
        return WorkerArtifact(row.digest, Visibility(row.visibility), files, self._store)

    # --- inside ----------------------------------------------------------------------------

    def _find(
        self, tx: Connection, actor: Actor, id_or_digest: str, *, locks: bool = False
    ) -> Row[Any]:
        row = None
        if rules.clean_digest(id_or_digest) is not None or _is_id(id_or_digest):
            row = repository.find_artifact(tx, actor.organization_id, id_or_digest, locks=locks)
        if row is None:
            raise NotFound(
                f"there is no artifact {id_or_digest[:80]!r}",
                hint="list the artifacts to see which there are",
            )
        return row

    def _ready(self, tx: Connection, actor: Actor, upload_id: str) -> UploadRow:
        try:
            parsed = UploadId.parse(upload_id)
        except MalformedId:
            raise NotFound(f"there is no upload {upload_id[:64]!r}") from None
        found = repository.find_upload(tx, actor.organization_id, parsed, locks=True)
        if found is None:
            raise NotFound(f"there is no upload {upload_id[:64]!r}")
        row = upload_row(found)
        if row.state is not UploadState.READY:
            raise UploadIncomplete(
                f"the upload {upload_id} of {row.name!r} is {row.state.value}",
                hint=row.reason or "complete it, and wait until it is ready",
            )
        return row

    def _told_once(self, tx: Connection, there: Row[Any], visibility: Visibility) -> ArtifactDetail:
        if there.visibility != visibility.value:
            raise ArtifactInUse(
                f"these very files are the artifact {there.id}, which is {there.visibility}",
                hint="delete that one first",
            )
        return _detail(tx, there)

    def _add_signature(self, tx: Connection, artifact_id: str, signature: Signature) -> None:
        repository.add_signature(
            tx,
            {
                "artifact_id": artifact_id,
                "key_id": signature.key_id,
                "public_key": signature.public_key,
                "signature": signature.signature,
                "signer": signature.signer,
                "created_at": self._clock.now(),
            },
        )


def verify(artifact: WorkerArtifact, manifest: bytes) -> list[Difference]:
    """Read every byte of an artifact and name each file that differs from its manifest."""
    found: dict[str, tuple[int, str]] = {}
    broken: list[Difference] = []
    for file in artifact.files:
        digest = hashlib.sha256()
        try:
            for piece in artifact.pieces(file):
                digest.update(piece)
        except (BlobMissing, BlobDamaged) as error:
            broken.append(Difference(file.path, error.message))
            continue
        found[file.path] = (file.size, digest.hexdigest())
    told = {each.path for each in broken}
    return broken + [each for each in differences(manifest, found) if each.path not in told]


def facts_together(files: Sequence[ArtifactFile]) -> FileFacts:
    """Return what files say together: weights first, then what lies beside them."""

    def rank(file: ArtifactFile) -> tuple[int, str]:
        kind = file.facts.format
        return (_FIRST.index(kind) if kind in _FIRST else len(_FIRST), file.path)

    ordered = [file.facts for file in sorted(files, key=rank)]
    merged: dict[str, Any] = {}
    for facts in ordered:
        for name in facts.__struct_fields__:
            value = getattr(facts, name)
            if value is not None and value != {} and name not in merged:
                merged[name] = value
    # A model in several files of weights has the weights of all of them.
    shards = [facts for facts in ordered if facts.format == ordered[0].format]
    for name in ("parameters", "tensors"):
        counts = [getattr(facts, name) or 0 for facts in shards]
        merged[name] = sum(counts) or None
    merged["is_quarantined"] = any(facts.is_quarantined for facts in ordered)
    merged["findings"] = tuple(text for facts in ordered for text in facts.findings)
    return FileFacts(**merged)


def _detail(tx: Connection, row: Row[Any]) -> ArtifactDetail:
    return ArtifactDetail(
        _artifact_row(row),
        tuple(_file(file) for file in repository.files_of(tx, row.id)),
        bytes(row.manifest),
        tuple(
            Signature(each.key_id, bytes(each.public_key), bytes(each.signature), each.signer)
            for each in repository.signatures_of(tx, row.id)
        ),
    )


def _artifact_row(row: Row[Any]) -> ArtifactRow:
    return ArtifactRow(
        artifact_id=ArtifactId(row.id),
        organization_id=OrganizationId(row.organization_id),
        digest=row.digest,
        visibility=Visibility(row.visibility),
        size=row.size,
        file_count=row.file_count,
        is_quarantined=row.is_quarantined,
        created_at=row.created_at,
    )


def _file(row: Row[Any]) -> ArtifactFile:
    return ArtifactFile(row.path, row.size, row.sha256, facts_of(row.facts))


def _is_id(text: str) -> bool:
    try:
        ArtifactId.parse(text)
    except MalformedId:
        return False
    return True


def _known(value: str | None) -> str:
    assert value is not None, "an upload that is ready has a digest and a blob"
    return value


def _check_distinct(paths: Sequence[str]) -> None:
    """Refuse paths that are one file to some systems, and a file that is also a folder."""
    folded = {path.casefold() for path in paths}
    if len(folded) != len(paths):
        raise InvalidInput("two paths are the same, but for the case of their letters")
    for path in folded:
        parts = path.split("/")
        if any("/".join(parts[:count]) in folded for count in range(1, len(parts))):
            raise InvalidInput(f"the path {path[:200]!r} goes through another file")
