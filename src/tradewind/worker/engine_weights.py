"""Puts weights where an engine loads them, verified: of installed packages, files of the operator,
and artifacts of the store.

An artifact's files are placed anew for each start: linked into a folder of their own, from this
disk or from what was fetched and kept; a sealed one decrypted into memory. Every byte is held
against the digest before an engine sees it, and the folder goes as soon as the engine has the files
open: what it mapped stays until it ends.
"""

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple, Protocol

from tradewind.core.errors import InvalidInput
from tradewind.features.artifacts.errors import BlobDamaged
from tradewind.features.artifacts.schemas import Visibility
from tradewind.features.artifacts.worker_copies import WorkerArtifact, WorkerFile, private_folder
from tradewind.plugins.engines.gguf import read_gguf
from tradewind.plugins.engines.weights import find_weights
from tradewind.worker.weights_cache import WeightsCache

STORED = "sha256:"
_FOLDER = "loading"
_KEPT = "fetched"
_READ_BYTES = 1024 * 1024
# llama.cpp loads the rest by itself when it is given the first part (docs of llama-gguf-split).
_FIRST_PART = re.compile(r"-0*1-of-[0-9]+\.gguf$", re.IGNORECASE)
_PART = re.compile(r"-[0-9]+-of-[0-9]+\.gguf$", re.IGNORECASE)
_PROJECTOR = re.compile(r"(^|/)mmproj[^/]*$", re.IGNORECASE)


class Placed(NamedTuple):
    """Weights that an engine may load now."""

    path: Path
    size: int
    release: Callable[[], None] = lambda: None
    """Called once the engine has them open, or will not open them any more. Idempotent."""


class Place(Protocol):
    """Turns a version's artifact into a model file; may take its time."""

    def __call__(
        self, artifact: str, *, report: Callable[[str], None], progress: Callable[[int], None]
    ) -> Placed:
        """`report` takes lines for a person, `progress` the percentage that is verified."""
        ...


class EngineWeights:
    """Implements `Place`."""

    def __init__(
        self,
        models: Path,
        open_artifact: Callable[[str], WorkerArtifact] | None = None,
        *,
        most_kept_bytes: int = 0,
    ) -> None:
        """`open_artifact` returns what is behind a digest, with the keys of a sealed one. Of what
        an object store gave, `most_kept_bytes` are kept for later starts.
        """
        self._models = models
        self._open = open_artifact
        self._kept = WeightsCache(models / _KEPT, most_kept_bytes)

    def __call__(
        self, artifact: str, *, report: Callable[[str], None], progress: Callable[[int], None]
    ) -> Placed:
        """Raises what the store, the scan of the header or `find_weights` raise."""
        if not artifact.startswith(STORED):
            path = find_weights(artifact, models=self._models, report=report)
            return Placed(path, path.stat().st_size)
        if self._open is None:
            raise InvalidInput("artifacts of the store are not loaded here")
        return self._place(self._open(artifact), progress)

    def remove_left_over(self) -> None:
        """Remove what a killed process left. Called before any engine is started."""
        shutil.rmtree(self._models / _FOLDER, ignore_errors=True)

    def _place(self, artifact: WorkerArtifact, progress: Callable[[int], None]) -> Placed:
        chosen = choose_model_file([file.path for file in artifact.files])
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(self._folder(artifact))
            artifact.place_in(folder, self._kept.place)
            self._verify(artifact, folder, progress)
            read_gguf(folder / chosen)
            size = sum(file.size for file in artifact.files)
            return Placed(folder / chosen, size, stack.pop_all().close)

    def _folder(self, artifact: WorkerArtifact) -> contextlib.AbstractContextManager[Path]:
        if artifact.visibility is Visibility.SEALED:
            return private_folder()
        parent = self._models / _FOLDER
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _folder_in(parent)

    def _verify(
        self, artifact: WorkerArtifact, folder: Path, progress: Callable[[int], None]
    ) -> None:
        """Hold every byte against its digest. What was copied was checked as it was written."""
        linked = [
            file
            for file in artifact.files
            if file.cipher is None and artifact.store.local_path(file.location) is not None
        ]
        total, seen = sum(file.size for file in linked), 0
        for file in linked:
            digest = hashlib.sha256()
            with (folder / file.path).open("rb", buffering=0) as stream:
                while data := stream.read(_READ_BYTES):
                    digest.update(data)
                    seen += len(data)
                    progress(min(100, seen * 100 // max(total, 1)))
            _check(file, digest.hexdigest())


def choose_model_file(paths: list[str]) -> str:
    """Return which file of an artifact an engine is given. Raises InvalidInput, naming them."""
    found = [
        path for path in paths if path.lower().endswith(".gguf") and not _PROJECTOR.search(path)
    ]
    whole = [path for path in found if not _PART.search(path)]
    parts = [path for path in found if _FIRST_PART.search(path)]
    if len(whole) + len(parts) == 1:
        return (whole or parts)[0]
    if not found:
        raise InvalidInput("the artifact has no GGUF file", hint="upload the model as GGUF")
    raise InvalidInput(
        f"the artifact has several models: {', '.join(sorted(found)[:5])}",
        hint="make a version of each",
    )


@contextlib.contextmanager
def _folder_in(parent: Path) -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(file: WorkerFile, found: str) -> None:
    if found != file.sha256:
        raise BlobDamaged(
            f"{file.path!r} has the sha256 {found}, and its manifest says {file.sha256}:"
            " it is not loaded"
        )
