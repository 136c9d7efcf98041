"""Small files of models, made for the test that needs them: right to the byte, or wrong in one."""

import io
import json
import math
import pickle
import random
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

ALIGNMENT = 32
_SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_F32 = 0


class GgufTensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    type: int = _F32
    offset: int | None = None
    """Where the tables say it lies; None is where it does."""


def gguf_header(
    values: Mapping[str, Any] | None = None,
    tensors: Sequence[GgufTensor] = (GgufTensor("token_embd.weight", (8, 4)),),
    *,
    version: int = 3,
    architecture: str = "llama",
) -> tuple[bytes, int]:
    """Return everything before the data, padded, and how many bytes of data belong to it. Tensors
    are of 32 bits, whatever type they claim.
    """
    pairs = {"general.architecture": architecture, **(values or {})}
    out = io.BytesIO()
    out.write(b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs)))
    for key, value in pairs.items():
        out.write(_text(key) + _value(value))
    at = 0
    for tensor in tensors:
        size = 4
        for length in tensor.shape:
            size *= length
        out.write(_text(tensor.name) + struct.pack("<I", len(tensor.shape)))
        out.write(b"".join(struct.pack("<Q", length) for length in tensor.shape))
        offset = at if tensor.offset is None else tensor.offset
        out.write(struct.pack("<IQ", tensor.type, offset))
        at += _padded(size)
    head = out.getvalue()
    return head + bytes(_padded(len(head)) - len(head)), at


def gguf_file(
    values: Mapping[str, Any] | None = None,
    tensors: Sequence[GgufTensor] = (GgufTensor("token_embd.weight", (8, 4)),),
    *,
    version: int = 3,
    architecture: str = "llama",
) -> bytes:
    head, size = gguf_header(values, tensors, version=version, architecture=architecture)
    return head + bytes(index % 251 for index in range(size))


def small_reranker() -> bytes:
    """Return a BERT of one layer that ranks documents, as a GGUF file that llama.cpp loads. Its
    weights are random and always the same: it has opinions, and no reason for them.
    """
    wide, inner, length = 32, 64, 128
    tokens = [*_SPECIAL_TOKENS, *(f"\u2581{word}" for word in ("banana", "colour", "yellow"))]
    kinds = [3, 2, 3, 3, 3, *[1] * (len(tokens) - len(_SPECIAL_TOKENS))]
    values: dict[str, Any] = {
        "general.type": "model",
        "general.name": "small-reranker",
        "general.alignment": ALIGNMENT,
        "bert.block_count": 1,
        "bert.context_length": length,
        "bert.embedding_length": wide,
        "bert.feed_forward_length": inner,
        "bert.attention.head_count": 2,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": 4,  # of ranking
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": struct.pack(f"<IIQ{len(kinds)}i", 9, 5, len(kinds), *kinds),
    }
    names = ("padding", "unknown", "cls", "seperator", "mask")  # codespell:ignore
    values |= {f"tokenizer.ggml.{name}_token_id": place for place, name in enumerate(names)}
    values |= {"tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.eos_token_id": 3}
    pairs = [
        *((f"blk.0.attn_{name}", (wide, wide)) for name in ("q", "k", "v", "output")),
        ("blk.0.ffn_up", (wide, inner)),
        ("blk.0.ffn_down", (inner, wide)),
        ("cls", (wide, wide)),
        ("cls.output", (wide, 1)),
    ]
    norms = ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm")
    tensors = [
        GgufTensor("token_embd.weight", (wide, len(tokens))),
        GgufTensor("position_embd.weight", (wide, length)),
        GgufTensor("token_types.weight", (wide, 2)),
    ]
    for name, shape in (*pairs, *((name, (wide,)) for name in norms)):
        tensors += [GgufTensor(f"{name}.weight", shape), GgufTensor(f"{name}.bias", shape[-1:])]
    head, _ = gguf_header(values, tensors, architecture="bert")
    dice = random.Random(7)  # noqa: S311  weights, not a secret
    pieces = [head]
    for tensor in tensors:
        count = math.prod(tensor.shape)
        data = struct.pack(f"<{count}f", *(dice.uniform(-0.5, 0.5) for _ in range(count)))
        pieces.append(data.ljust(_padded(len(data)), b"\0"))
    return b"".join(pieces)


def safetensors_file(
    tensors: Mapping[str, tuple[str, list[int], int]] | None = None,
    *,
    metadata: Mapping[str, str] | None = None,
    tail: bytes = b"",
) -> bytes:
    """Return a file of tensors by name: their type, shape and bytes."""
    described: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    at = 0
    for name, (dtype, shape, size) in (tensors or {"weight": ("F32", [2, 3], 24)}).items():
        described[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    return safetensors_of(
        json.dumps(described).encode(), bytes(range(251)) * (at // 251 + 1), at, tail
    )


def safetensors_of(header: bytes, data: bytes, size: int, tail: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data[:size] + tail


def torch_archive(content: bytes, *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return what torch.save writes, with this pickle in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", bytes(64))
        archive.writestr("archive/version", b"3\n")
    return out.getvalue()


def harmless_pickle() -> bytes:
    return pickle.dumps({"weight": [1.0, 2.0], "name": "a"}, protocol=2)


def _value(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value  # written out by the test, with its type
    if isinstance(value, bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, list):
        texts = cast("list[str]", value)
        return struct.pack("<IIQ", 9, 8, len(texts)) + b"".join(map(_text, texts))
    return struct.pack("<II", 4, value)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
