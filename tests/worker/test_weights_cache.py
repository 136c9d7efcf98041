"""Weights from an object store are fetched once, shared, bounded, and never trusted unread."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.plugins.engines.gguf_builder import STRING, gguf, pair
from tests.plugins.engines.gguf_builder import text as gguf_text
from tradewind.core.errors import Unavailable
from tradewind.features.artifacts.errors import BlobDamaged, BlobMissing
from tradewind.features.artifacts.schemas import Visibility
from tradewind.features.artifacts.sealed_bytes import FileCipher
from tradewind.features.artifacts.worker_copies import MEMORY, WorkerArtifact, WorkerFile
from tradewind.worker.engine_weights import EngineWeights
from tradewind.worker.weights_cache import WeightsCache

PATIENCE_S = 60


class DistantStore:
    """A store whose files are not on this host; counts how often each is fetched."""

    name = "distant"

    def __init__(self):
        self.blobs: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def stream(self, location, start, count):
        self.fetched.append(location)
        self.begun.set()
        assert self.gate.wait(PATIENCE_S)
        if location not in self.blobs:
            raise BlobMissing(location)
        yield self.blobs[location][start : start + count]

    def read(self, location, start, count):
        return self.blobs[location][start : start + count]

    def local_path(self, _location):
        return None


@pytest.fixture
def store():
    return DistantStore()


@pytest.fixture
def file_of(store):
    def make(content: bytes, path="model.gguf") -> WorkerFile:
        digest = hashlib.sha256(content).hexdigest()
        store.blobs[digest] = content
        return WorkerFile(path, len(content), digest, digest, None)

    return make


@pytest.fixture
def place(tmp_path, store):
    """Place a file through a cache made anew, as another process would; return where it is."""
    numbers = iter(range(1000))

    def place(file, most_bytes=1000):
        target = tmp_path / f"placed-{next(numbers)}"
        cache = WeightsCache(tmp_path / "kept", most_bytes)
        is_placed = cache.place(file, lambda one: store.stream(one.location, 0, one.size), target)
        return target if is_placed else None

    return place


def kept(tmp_path: Path) -> set[bytes]:
    files = (tmp_path / "kept").iterdir()
    return {path.read_bytes() for path in files if path.suffix != ".lock"}


def test_a_file_is_fetched_once_and_shared(place, store, file_of):
    file = file_of(b"a" * 100)
    first, second = place(file), place(file)
    assert first.read_bytes() == b"a" * 100
    assert first.samefile(second)
    assert len(store.fetched) == 1


def test_what_was_not_used_for_longest_goes(place, store, file_of, tmp_path):
    a, b, c = (file_of(letter * 400) for letter in (b"a", b"b", b"c"))
    placed = [place(file) for file in (a, b, a, c)]
    assert kept(tmp_path) == {b"a" * 400, b"c" * 400}
    assert placed[1].read_bytes() == b"b" * 400, "an engine keeps what it was given"
    place(b)
    assert kept(tmp_path) == {b"b" * 400, b"c" * 400}
    assert store.fetched == [a.sha256, b.sha256, c.sha256, b.sha256]
    locks = [path.name for path in (tmp_path / "kept").glob("*.lock")]
    assert len(locks) == 3, "of the two that are kept, and the one for making room"


def test_what_is_larger_than_all_that_may_be_kept_is_not_kept(place, file_of, tmp_path):
    assert place(file_of(b"a" * 1001)) is None
    assert place(file_of(b"a"), most_bytes=0) is None
    assert not (tmp_path / "kept").exists()


def test_a_damaged_file_is_fetched_anew(place, store, file_of, tmp_path):
    file = file_of(b"a" * 100)
    place(file)
    (tmp_path / "kept" / file.sha256).write_bytes(b"a" * 99 + b"b")
    assert place(file).read_bytes() == b"a" * 100
    assert len(store.fetched) == 2


def test_what_the_store_gives_damaged_is_not_kept(place, store, file_of, tmp_path):
    file = file_of(b"a" * 100)
    store.blobs[file.location] = b"b" * 100
    with pytest.raises(BlobDamaged, match=r"model\.gguf"):
        place(file)
    store.blobs.clear()
    with pytest.raises(BlobMissing):
        place(file)
    assert kept(tmp_path) == set()


def test_what_a_killed_fetch_left_makes_room(place, file_of, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / f"{'0' * 64}.new").write_bytes(b"x" * 900)
    place(file_of(b"a" * 400))
    assert kept(tmp_path) == {b"a" * 400}


def test_two_starts_at_once_fetch_once(place, store, file_of):
    file = file_of(b"a" * 100)
    store.gate.clear()
    with ThreadPoolExecutor(4) as pool:
        starts = [pool.submit(place, file) for _ in range(4)]
        assert store.begun.wait(PATIENCE_S)
        store.gate.set()
        placed = [start.result(PATIENCE_S) for start in starts]
    assert {path.read_bytes() for path in placed} == {b"a" * 100}
    assert store.fetched == [file.location]


def test_many_that_come_at_once_stay_within_bounds(place, file_of, tmp_path):
    files = [file_of(bytes([number]) * 300) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        placed = list(pool.map(place, files * 4))
    assert [path.read_bytes() for path in placed] == [bytes([n]) * 300 for n in range(8)] * 4
    # One more comes alone, so that nobody is in its way.
    place(file_of(b"z" * 300))
    assert sum(map(len, kept(tmp_path))) <= 1000


def test_a_disk_that_refuses_is_told(file_of, tmp_path, store):
    (tmp_path / "file").write_bytes(b"")
    cache = WeightsCache(tmp_path / "file" / "kept", 1000)
    file = file_of(b"a")
    with pytest.raises(Unavailable, match="cannot be kept"):
        cache.place(file, lambda one: store.stream(one.location, 0, one.size), tmp_path / "t")


# --- as an engine's start uses it -----------------------------------------------------------------

MODEL = gguf([pair("general.architecture", STRING, gguf_text("llama"))], []) + bytes(5000)
DIGEST = "sha256:" + "0" * 64


def weights_of(tmp_path, artifact):
    return EngineWeights(tmp_path / "models", lambda _digest: artifact, most_kept_bytes=10_000)


def test_a_second_start_fetches_nothing_and_only_the_kept_copy_stays(tmp_path, store, file_of):
    artifact = WorkerArtifact(DIGEST, Visibility.OPEN, (file_of(MODEL),), store)
    for _ in range(2):
        placed = weights_of(tmp_path, artifact)(DIGEST, report=print, progress=print)
        assert placed.path.read_bytes() == MODEL
        placed.release()
    assert len(store.fetched) == 1
    weights_of(tmp_path, artifact).remove_left_over()
    left = [path for path in (tmp_path / "models").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in left if path.suffix != ".lock"] == [MODEL]


def test_sealed_weights_are_on_no_disk_and_gone_when_they_are_released(tmp_path, store):
    cipher = FileCipher(bytes(32), sealed_as="upl_1", size=len(MODEL))
    store.blobs["sealed"] = cipher.seal(0, MODEL)
    digest = hashlib.sha256(MODEL).hexdigest()
    file = WorkerFile("model.gguf", len(MODEL), digest, "sealed", cipher)
    artifact = WorkerArtifact(DIGEST, Visibility.SEALED, (file,), store)
    placed = weights_of(tmp_path, artifact)(DIGEST, report=print, progress=print)
    assert placed.path.read_bytes() == MODEL
    assert placed.path.is_relative_to(MEMORY)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    placed.release()
    assert not placed.path.exists()
