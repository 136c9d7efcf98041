"""The real platform with the real models, started once for all tests of this folder."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running_platform import RunningPlatform, running_platform

CHAT_MODEL = "huggingfacetb/smollm2-135m-instruct"
EMBEDDINGS_MODEL = "sentence-transformers/all-minilm-l6-v2"


@pytest.fixture
def data_root() -> Iterator[Path]:
    """A folder of its own below the system's temporary folder, removed at the end."""
    root = Path(tempfile.mkdtemp(prefix="tradewind-e2e-"))
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def platform() -> Iterator[RunningPlatform]:
    with running_platform() as running:
        yield running
