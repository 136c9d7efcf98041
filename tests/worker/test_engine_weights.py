"""Weights on their way to an engine: the right file, whole, and nothing left behind."""

import hashlib
from pathlib import Path

import pytest

from tests.plugins.engines.gguf_builder import STRING, gguf, pair
from tests.plugins.engines.gguf_builder import text as gguf_text
from tradewind.core.errors import InvalidInput
from tradewind.features.artifacts.errors import BlobDamaged
from tradewind.features.artifacts.schemas import Visibility
from tradewind.features.artifacts.stores.disk import DiskStore
from tradewind.features.artifacts.worker_copies import WorkerArtifact, WorkerFile
from tradewind.worker.engine_weights import EngineWeights, Placed, choose_model_file

MODEL = gguf([pair("general.architecture", STRING, gguf_text("llama"))], []) + bytes(5000)
CARD = b"# A model\n"
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "model").write_bytes(MODEL)
    (folder / "card").write_bytes(CARD)
    return folder


@pytest.fixture
def artifact(blobs: Path) -> WorkerArtifact:
    files = (
        WorkerFile("m/model.gguf", len(MODEL), hashlib.sha256(MODEL).hexdigest(), "model", None),
        WorkerFile("README.md", len(CARD), hashlib.sha256(CARD).hexdigest(), "card", None),
    )
    return WorkerArtifact(DIGEST, Visibility.OPEN, files, DiskStore(blobs))


def place(folder: Path, artifact: WorkerArtifact, seen: list[int]) -> Placed:
    weights = EngineWeights(folder / "models", lambda _digest: artifact)
    return weights(DIGEST, report=lambda _line: None, progress=seen.append)


def left(folder: Path) -> list[Path]:
    return [path for path in (folder / "models").rglob("*") if path.is_file()]


def test_an_artifact_is_placed_verified_and_removed(tmp_path: Path, artifact: WorkerArtifact):
    seen: list[int] = []
    placed = place(tmp_path, artifact, seen)
    assert placed.path.read_bytes() == MODEL
    assert placed.size == len(MODEL) + len(CARD)
    assert seen == sorted(seen)
    assert seen[-1] == 100
    placed.release()
    placed.release()
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["model", "card"])
@pytest.mark.parametrize("at", [0, -1])
def test_a_changed_byte_is_refused_and_its_file_named(
    tmp_path: Path, blobs: Path, artifact: WorkerArtifact, name: str, at: int
):
    content = bytearray((blobs / name).read_bytes())
    content[at] ^= 1
    (blobs / name).write_bytes(content)
    path = {"model": "m/model.gguf", "card": "README.md"}[name]
    with pytest.raises(BlobDamaged, match=path):
        place(tmp_path, artifact, [])
    assert left(tmp_path) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path, artifact: WorkerArtifact):
    placed = place(tmp_path, artifact, [])
    assert placed.path in left(tmp_path)
    EngineWeights(tmp_path / "models").remove_left_over()
    assert left(tmp_path) == []


def test_without_a_store_no_artifact_is_loaded(tmp_path: Path):
    with pytest.raises(InvalidInput):
        EngineWeights(tmp_path)(DIGEST, report=print, progress=print)


@pytest.mark.parametrize(
    ("paths", "chosen"),
    [
        (["README.md", "a.gguf"], "a.gguf"),
        (["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"], "a-00001-of-00002.gguf"),
        (["a.GGUF", "mmproj-a.gguf"], "a.GGUF"),
    ],
)
def test_the_model_among_the_files_is_found(paths: list[str], chosen: str):
    assert choose_model_file(paths) == chosen


@pytest.mark.parametrize("paths", [["README.md"], ["a.gguf", "b.gguf"], ["mmproj.gguf"]])
def test_an_artifact_without_one_model_is_refused(paths: list[str]):
    with pytest.raises(InvalidInput):
        choose_model_file(paths)
