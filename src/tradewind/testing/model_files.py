"""Small files of models, made for the test that needs them: right to the byte, or wrong in one."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

ALIGNMENT = 32
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
