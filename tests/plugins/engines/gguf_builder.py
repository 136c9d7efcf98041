"""Builds GGUF headers byte by byte, right and wrong ones; independent of our own writer."""

import struct

U32, STRING = 4, 8


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def array(kind: int, items: list[bytes]) -> tuple[int, bytes]:
    return 9, struct.pack("<IQ", kind, len(items)) + b"".join(items)


def gguf(
    pairs: list[bytes],
    tensors: list[tuple[str, tuple[int, ...]]],
    *,
    tensor_count: int | None = None,
    key_count: int | None = None,
) -> bytes:
    counts = (
        len(tensors) if tensor_count is None else tensor_count,
        len(pairs) if key_count is None else key_count,
    )
    infos = [
        text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, 0)
        for name, shape in tensors
    ]
    return b"GGUF" + struct.pack("<IQQ", 3, *counts) + b"".join(pairs) + b"".join(infos)
