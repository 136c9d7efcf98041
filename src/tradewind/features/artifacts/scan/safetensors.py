"""Reads the header of a safetensors file and holds it against the file.

Format (huggingface/safetensors, README "Format"): 8 bytes little-endian length of the header, a
JSON object that begins with `{`, then the data, which the tensors' offsets cover from its first
byte to its last without holes or overlaps.
"""

import json
from collections import Counter
from typing import Any, cast

from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.scan.byte_source import ByteSource
from tradewind.features.artifacts.schemas import FileFacts

# The reference implementation's own limit.
_MOST_HEADER_BYTES = 100_000_000
_MOST_TENSORS = 200_000
_MOST_DIMENSIONS = 16
_MOST_WEIGHTS = 2**50
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


def read_safetensors(source: ByteSource) -> FileFacts:
    """Raises FileRefused."""
    if source.size < 8:
        raise FileRefused(source.name, f"it has {source.size} bytes, too few for its header")
    length = int.from_bytes(source.read(0, 8), "little")
    if length > min(_MOST_HEADER_BYTES, source.size - 8):
        raise FileRefused(
            source.name, f"it claims a header of {length} bytes and has {source.size} in all"
        )
    tensors, metadata = _tensors(source, _header(source, length))
    _check_cover(source, tensors, source.size - 8 - length)
    weights, counted = _Counts(), Counter[str]()
    for _, dtype, _, _, count in tensors:
        weights[dtype] += count
        counted[dtype] += 1
    return FileFacts(
        format="safetensors",
        name=_text(metadata, "title"),
        licence=_text(metadata, "license"),
        parameters=sum(weights.values()),
        tensors=len(tensors),
        tensor_types=dict(sorted(counted.items())),
        quantization=max(weights, key=lambda each: weights[each]) if weights else None,
    )


_Counts = Counter[str]
_Tensor = tuple[str, str, int, int, int]
"""Name, type, first byte, byte behind the last one, number of weights."""


def _header(source: ByteSource, length: int) -> dict[str, Any]:
    raw = source.read(8, length)
    if not raw.startswith(b"{"):
        raise FileRefused(source.name, "its header does not begin with {")

    def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            # Two readers could take two different ones.
            raise FileRefused(source.name, "a name in its header occurs twice")
        return made

    try:
        header: object = json.loads(raw, object_pairs_hook=without_doubles)
    except (ValueError, RecursionError):
        raise FileRefused(source.name, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise FileRefused(source.name, "its header is not a JSON object")
    return cast("dict[str, Any]", header)


def _tensors(source: ByteSource, header: dict[str, Any]) -> tuple[list[_Tensor], dict[str, Any]]:
    metadata: dict[str, Any] = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(  # pyright: ignore[reportUnnecessaryIsInstance]
        isinstance(value, str) for value in metadata.values()
    ):
        raise FileRefused(source.name, "its __metadata__ is not a map of texts")
    if len(header) > _MOST_TENSORS:
        raise FileRefused(source.name, f"it claims {len(header)} tensors")
    return [_tensor(source, name, entry) for name, entry in header.items()], metadata


def _tensor(source: ByteSource, name: str, entry: object) -> _Tensor:
    shown = name[:80]
    if not isinstance(entry, dict):
        raise FileRefused(source.name, f"the tensor {shown!r} is not described")
    described = cast("dict[str, object]", entry)
    dtype, shape = described.get("dtype"), described.get("shape")
    offsets = described.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise FileRefused(source.name, f"the tensor {shown!r} is of the type {str(dtype)[:40]!r}")
    sizes, places = _counts(shape, _MOST_DIMENSIONS), _counts(offsets, 2)
    if sizes is None:
        raise FileRefused(source.name, f"the shape of the tensor {shown!r} cannot be")
    if places is None or len(places) != 2:
        raise FileRefused(source.name, f"the offsets of the tensor {shown!r} cannot be")
    weights = 1
    for size in sizes:
        weights *= size
    bits = weights * _BITS[dtype]
    if bits % 8 or places[1] - places[0] != bits // 8:
        raise FileRefused(
            source.name,
            f"the tensor {shown!r} has {bits / 8:g} bytes by its shape"
            f" and {places[1] - places[0]} by its offsets",
        )
    return name, dtype, places[0], places[1], weights


def _counts(value: object, most: int) -> list[int] | None:
    """Return a list of numbers that can be sizes; None when it is anything else."""
    if not isinstance(value, list):
        return None
    numbers = cast("list[object]", value)
    if len(numbers) > most:
        return None
    found: list[int] = []
    for number in numbers:
        if type(number) is not int or not 0 <= number <= _MOST_WEIGHTS:
            return None
        found.append(number)
    return found


def _check_cover(source: ByteSource, tensors: list[_Tensor], size: int) -> None:
    at = 0
    for name, _, start, end, _ in sorted(tensors, key=lambda tensor: (tensor[2], tensor[3])):
        if start != at:
            what = "overlaps the one before it" if start < at else "leaves a hole before it"
            raise FileRefused(source.name, f"the tensor {name[:80]!r} {what}, at byte {start}")
        at = end
    if at != size:
        raise FileRefused(source.name, f"its tensors have {at} bytes and {size} follow the header")


def _text(metadata: dict[str, Any], key: str) -> str | None:
    value = metadata.get(key)
    return value[:200] if isinstance(value, str) and value else None
