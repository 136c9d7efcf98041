import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tradewind.core.errors import InvalidInput
from tradewind.plugins.engines.bert_to_gguf import ALIGNMENT, convert_bert
from tradewind.plugins.engines.gguf import read_gguf

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[", "the", "##ing", "sea"]
SIZE, INNER, POSITIONS = 4, 6, 8
CONFIG = {
    "architectures": ["BertModel"],
    "hidden_act": "gelu",
    "hidden_size": SIZE,
    "intermediate_size": INNER,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": POSITIONS,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "type_vocab_size": 2,
    "vocab_size": len(WORDS),
}
LAYER = "encoder.layer.0"
SHAPES: dict[str, tuple[int, ...]] = {
    "embeddings.word_embeddings.weight": (len(WORDS), SIZE),
    "embeddings.position_embeddings.weight": (POSITIONS, SIZE),
    "embeddings.token_type_embeddings.weight": (2, SIZE),
    "embeddings.LayerNorm.weight": (SIZE,),
    "embeddings.LayerNorm.bias": (SIZE,),
    **{
        f"{LAYER}.{name}.{kind}": shape if kind == "weight" else shape[:1]
        for name, shape in {
            "attention.self.query": (SIZE, SIZE),
            "attention.self.key": (SIZE, SIZE),
            "attention.self.value": (SIZE, SIZE),
            "attention.output.dense": (SIZE, SIZE),
            "attention.output.LayerNorm": (SIZE,),
            "intermediate.dense": (INNER, SIZE),
            "output.dense": (SIZE, INNER),
            "output.LayerNorm": (SIZE,),
        }.items()
        for kind in ("weight", "bias")
    },
    "pooler.dense.weight": (SIZE, SIZE),
}


def count(shape: tuple[int, ...]) -> int:
    product = 1
    for number in shape:
        product *= number
    return product


def write_source(folder: Path, **changes: Any) -> Path:
    """Write a tiny model whose weights are 0, 1, 2 … in the order of SHAPES."""
    folder.mkdir()
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    number = 0
    for name, shape in SHAPES.items():
        values = range(number, number + count(shape))
        number += count(shape)
        raw = struct.pack(f"<{len(values)}f", *values)
        header[name] = {
            "dtype": "F32",
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    header.update(changes.get("tensors", {}))
    for name in changes.get("without", ()):
        del header[name]
    encoded = json.dumps(header).encode()
    content = struct.pack("<Q", len(encoded)) + encoded + data
    (folder / "model.safetensors").write_bytes(content)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **changes.get("config", {})}))
    (folder / "vocab.txt").write_text("\n".join(changes.get("words", WORDS)) + "\n")
    return folder


def convert(source: Path, target: Path) -> list[float]:
    parts: list[float] = []
    convert_bert(source, target, name="Tiny", licence="mit", progress=parts.append)
    return parts


def test_converted_file_says_what_it_is(tmp_path: Path):
    target = tmp_path / "models" / "tiny.gguf"
    parts = convert(write_source(tmp_path / "source"), target)
    facts = read_gguf(target)
    assert facts.architecture == "bert"
    assert (facts.name, facts.licence) == ("Tiny", "mit")
    assert (facts.context_tokens, facts.embedding_length) == (POSITIONS, SIZE)
    assert facts.tokenizer == "bert"
    assert facts.parameters == sum(
        count(shape) for name, shape in SHAPES.items() if not name.startswith("pooler")
    )
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert [path.name for path in target.parent.iterdir()] == ["tiny.gguf"]


def test_vocabulary_carries_the_marks_of_word_starts(tmp_path: Path):
    target = tmp_path / "tiny.gguf"
    convert(write_source(tmp_path / "source"), target)
    marked = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁[", "▁the", "ing", "▁sea"]
    raw = b"".join(struct.pack("<Q", len(word.encode())) + word.encode() for word in marked)
    content = target.read_bytes()
    assert struct.pack("<IQ", 8, len(marked)) + raw in content
    assert struct.pack("<IQ9i", 5, 9, 3, 2, 3, 3, 3, 1, 1, 1, 1) in content


def test_weights_are_copied_in_order_and_aligned(tmp_path: Path):
    target = tmp_path / "tiny.gguf"
    convert(write_source(tmp_path / "source"), target)
    content = target.read_bytes()
    word_embeddings = struct.pack(f"<{len(WORDS) * SIZE}f", *range(len(WORDS) * SIZE))
    start = content.index(word_embeddings)
    assert start % ALIGNMENT == 0
    positions = content.index(struct.pack("<2f", len(WORDS) * SIZE, len(WORDS) * SIZE + 1))
    assert positions == start + -(-len(word_embeddings) // ALIGNMENT) * ALIGNMENT
    assert len(content) % ALIGNMENT == 0


BIAS = "embeddings.LayerNorm.bias"


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"architectures": ["GPT2"]}},
        {"config": {"vocab_size": 5}},
        {"config": {"num_hidden_layers": 2}},
        {"without": [BIAS]},
        {"tensors": {BIAS: {"dtype": "F16", "shape": [4], "data_offsets": [0, 16]}}},
        {"tensors": {BIAS: {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}}},
        {"tensors": {BIAS: {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}}},
        {"tensors": {BIAS: {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}},
        {"tensors": {BIAS: {"dtype": "F32", "shape": "four", "data_offsets": [0, 16]}}},
        {"tensors": {BIAS: 5}},
        {"words": ["[UNK]"] * len(WORDS)},
    ],
)
def test_other_models_are_refused_and_leave_nothing_behind(tmp_path: Path, changes: dict[str, Any]):
    target = tmp_path / "models" / "tiny.gguf"
    with pytest.raises(InvalidInput):
        convert(write_source(tmp_path / "source", **changes), target)
    assert not target.parent.exists() or not list(target.parent.iterdir())


@pytest.mark.parametrize("raw", [b"", b"\xff" * 8, struct.pack("<Q", 20) + b"[]" * 10])
def test_file_that_is_no_safetensors_is_refused(tmp_path: Path, raw: bytes):
    source = write_source(tmp_path / "source")
    (source / "model.safetensors").write_bytes(raw)
    with pytest.raises(InvalidInput):
        convert(source, tmp_path / "tiny.gguf")
    assert not (tmp_path / "tiny.gguf").exists()
