"""`tradewind pull`: files of an open model out of the store, or files of this machine into it."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.settings import Settings
from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.rules import part_span
from tradewind.features.artifacts.schemas import (
    ArtifactDetail,
    NewFile,
    NewUpload,
    PartRow,
    UploadRow,
    UploadState,
    Visibility,
)
from tradewind.features.artifacts.service import facts_together
from tradewind.features.artifacts.staging import BLOCK_BYTES
from tradewind.features.catalog.schemas import NewModel, NewVersion
from tradewind.features.deployments.weighing import STORED, of_artifact, operation_of
from tradewind.serve.operating import Operating, operating

_LOOK_EVERY_S = 0.1
_MOST_FILES = 2_000
_READ_BYTES = 1024 * 1024
_DEFAULT_CONTEXT = 4_096


class Pulled(NamedTuple):
    model: str
    version: str
    digest: str
    files: int
    size: int
    to: Path | None
    """Where the files are now; None when they went into the store."""


class Described(NamedTuple):
    """What is said of a model that is imported."""

    name: str
    version: str | None = None
    licence: str = ""
    is_sealed: bool = False


def bring_in(
    settings: Settings, source: Path, about: Described, report: Callable[[str], None]
) -> Pulled:
    """Put a GGUF file, or a folder with one, into the store as a version of a model.

    Idempotent: the same files are the same artifact and the same version. Raises FileRefused when
    the scan refuses a file, InvalidInput, StartupError when no platform runs.
    """
    files = _files(source)
    publisher, slash, slug = about.name.lower().partition("/")
    if not slash:
        raise InvalidInput(f"{about.name[:80]!r} is not of the form publisher/model")
    visibility = Visibility.SEALED if about.is_sealed else Visibility.OPEN
    with operating(settings) as at:
        uploads = [
            NewFile(path, _upload(at, local, visibility, report).upload_id) for path, local in files
        ]
        with at.database.transaction() as tx:
            made = at.artifacts.artifacts.make_artifact(tx, at.operator, uploads)
        return _list(at, publisher, slug, about, made)


def take_out(
    settings: Settings, name: str, version: str | None, to: Path, report: Callable[[str], None]
) -> Pulled:
    """Write the files of an open model below `to`, each verified. Raises ArtifactSealed (403) for
    a sealed one, NotFound, InvalidInput when a file is there already.
    """
    with operating(settings) as at:
        with at.database.transaction() as tx:
            model = at.services.catalog.show_model(tx, name, at.operator.organization_id)
            rows = at.services.catalog.list_versions(tx, model.model_id)
        stored = [row for row in rows if row.artifact.startswith(STORED)]
        chosen = next((row for row in stored if version in {None, row.label}), None)
        if chosen is None:
            raise InvalidInput(
                f"no files of {model.name} {version or ''} are in the store".replace("  ", " "),
                hint=f"bring them in: tradewind pull {model.name} --from FILE.gguf",
            )
        with at.database.transaction() as tx:
            found = at.artifacts.artifacts.get_artifact(tx, at.operator, chosen.artifact)
        for file in found.files:
            report(f"{file.path} ({file.size / 1024**2:,.1f} MiB)")
            _write(at, found, file.path, file.sha256, to)
        return Pulled(
            model.name, chosen.label, found.row.digest, len(found.files), found.row.size, to
        )


def _files(source: Path) -> list[tuple[str, Path]]:
    """Return what is to be uploaded, each with its path in the artifact."""
    if source.is_file():
        return [(source.name, source)]
    if not source.is_dir():
        raise InvalidInput(f"there is no file or folder '{source}'")
    found = sorted(path for path in source.rglob("*") if path.is_file())
    shown = [path for path in found if not _is_hidden(path.relative_to(source))]
    if not 1 <= len(shown) <= _MOST_FILES:
        raise InvalidInput(f"'{source}' has {len(shown)} files, and 1 to {_MOST_FILES} are taken")
    return [(path.relative_to(source).as_posix(), path) for path in shown]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _upload(
    at: Operating, local: Path, visibility: Visibility, report: Callable[[str], None]
) -> UploadRow:
    """Upload one file, going on where an earlier try ended, and wait until it was scanned."""
    report(f"Reading {local.name}")
    size, digest = local.stat().st_size, _sha256(local)
    with at.database.transaction() as tx:
        begun = at.artifacts.uploads.begin(
            tx, at.operator, NewUpload(local.name, size, digest, visibility)
        )
    row = begun.row
    if row.state is UploadState.OPEN:
        report(f"Storing {local.name} ({size / 1024**2:,.1f} MiB)")
        for number in range(1, row.parts + 1):
            _send(at, row, number, local)
        with at.database.transaction() as tx:
            row = at.artifacts.uploads.complete(tx, at.operator, row.upload_id)
    while row.state is UploadState.CHECKING:
        time.sleep(_LOOK_EVERY_S)
        with at.database.transaction() as tx:
            row = at.artifacts.uploads.get_upload(tx, at.operator, row.upload_id).row
    if row.state is UploadState.REFUSED:
        raise FileRefused(local.name, row.reason)
    return row


def _send(at: Operating, row: UploadRow, number: int, local: Path) -> None:
    span = part_span(row.size, number)
    with at.database.transaction() as tx:
        opened = at.artifacts.uploads.open_part(tx, at.operator, row.upload_id, number)
    if isinstance(opened, PartRow):
        return
    with opened.writer, local.open("rb") as stream:
        stream.seek(span.start)
        while opened.writer.left:
            opened.writer.write(stream.read(min(BLOCK_BYTES, opened.writer.left)))
        opened.writer.finish()
        with at.database.transaction() as tx:
            at.artifacts.uploads.part_written(tx, opened)


def _list(
    at: Operating, publisher: str, slug: str, about: Described, made: ArtifactDetail
) -> Pulled:
    """Have the catalog know a model with these files as a version."""
    facts = facts_together(made.files)
    weighed = of_artifact(made)
    label = about.version or (facts.quantization or "1").lower()
    digest = made.row.digest.removeprefix(STORED)
    catalog = at.services.catalog
    with at.database.transaction() as tx:
        if catalog.find_model(tx, f"{publisher}/{slug}") is None:
            catalog.add_model(
                tx,
                NewModel(
                    publisher=publisher,
                    publisher_name=publisher,
                    slug=slug,
                    display_name=(facts.name or slug)[:120],
                    operation=operation_of(weighed),
                    version=label,
                    artifact=made.row.digest,
                    context_tokens=facts.context_tokens or _DEFAULT_CONTEXT,
                    licence=about.licence or facts.licence or "",
                    dimensions=facts.embedding_length if weighed.shape.is_encoder else None,
                    parameters=facts.parameters,
                ),
            )
        model = catalog.find_model(tx, f"{publisher}/{slug}")
        assert model is not None, "added, or there before"
        there = catalog.find_version(tx, model.model_id, label)
        if there is None or there.artifact != made.row.digest:
            there = catalog.add_version(
                tx,
                model.model_id,
                NewVersion(
                    label=label,
                    artifact=made.row.digest,
                    digest=digest,
                    is_sealed=about.is_sealed,
                    quantization=facts.quantization or "",
                    size_bytes=made.row.size,
                ),
            )
    return Pulled(model.name, there.label, made.row.digest, len(made.files), made.row.size, None)


def _write(at: Operating, found: ArtifactDetail, path: str, sha256: str, to: Path) -> None:
    """Write one file, whole or not at all."""
    target = to / path
    if target.exists():
        if _sha256(target) == sha256:
            return
        raise Conflict(f"'{target}' is there and is another file", hint="move it away")
    target.parent.mkdir(parents=True, exist_ok=True)
    with at.database.transaction() as tx:
        download = at.artifacts.artifacts.open_download(
            tx, at.operator, found.row.artifact_id, path
        )
    beside, digest = target.with_name(target.name + ".part"), hashlib.sha256()
    with beside.open("wb") as stream:
        for piece in download.stream(0, download.file.size):
            digest.update(piece)
            stream.write(piece)
    if digest.hexdigest() != sha256:
        beside.unlink()
        raise FileRefused(path, f"it came with the sha256 {digest.hexdigest()}, not {sha256}")
    beside.replace(target)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while data := stream.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()
