"""Reads the header of a GGUF file, version 2 or 3, and holds it against the file.

Format: ggml, docs/gguf.md; block sizes and numbers of types: llama.cpp, gguf-py/gguf/constants.py.
Magic, version, counts, typed key-value pairs, tensor infos, aligned data; little-endian. Unlike
the engines' reader, which asks whether a file can be loaded, this one checks that every tensor lies
inside the file and over no other, and reads what a card shows. Vocabularies are stepped over.
"""

import struct
from collections import Counter
from typing import NamedTuple

from tradewind.features.artifacts.scan.byte_source import ByteSource, Cursor
from tradewind.features.artifacts.schemas import MOST_TEMPLATE_BYTES, FileFacts

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST_HEADER_BYTES = 256 * 1024 * 1024
_MOST_KEYS = 4096
_MOST_TENSORS = 65_536
_MOST_NAME_BYTES = 65_535
_MOST_TEXT_BYTES = 4 * 1024 * 1024
_MOST_ITEMS = 8 * 1024 * 1024
_MOST_DIMENSIONS = 4
_MOST_WEIGHTS = 2**50
_MOST_ALIGNMENT = 1024 * 1024
_MOST_SHOWN = 200
_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B",
    10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
# Number of a tensor's type: its name, weights in a block, bytes of a block.
_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2),
    26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip
# `general.file_type`: what most tensors of the file are.
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0",
    38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0",
}  # fmt: skip
_TEMPLATE = "tokenizer.chat_template"
_TOKENS = "tokenizer.ggml.tokens"

Scalar = int | float | str


class _Tensor(NamedTuple):
    name: str
    type: str
    weights: int
    bytes: int
    offset: int


class GgufHeader(NamedTuple):
    facts: FileFacts
    templates: dict[str, str]
    """Every chat template by its key: a file may hold several, all of which may be used."""


def read_gguf_header(source: ByteSource) -> GgufHeader:
    """Raises FileRefused."""
    cursor = Cursor(source, limit=_MOST_HEADER_BYTES)
    if cursor.take(4) != MAGIC:
        raise cursor.refuse("it does not begin with GGUF")
    version = cursor.u32()
    if version not in _VERSIONS:
        raise cursor.refuse(f"its version is {version}, and versions 2 and 3 are read")
    tensor_count = _count(cursor, _MOST_TENSORS, "tensors")
    keys = _count(cursor, _MOST_KEYS, "keys")
    values, lengths = _key_values(cursor, keys)
    tensors = [_tensor(cursor) for _ in range(tensor_count)]
    _check_data(cursor, source, tensors, values.get("general.alignment", 32))
    return _facts(cursor, values, lengths, tensors)


def _key_values(cursor: Cursor, keys: int) -> tuple[dict[str, Scalar], dict[str, int]]:
    """Return single values by key, and the lengths of lists by theirs."""
    values: dict[str, Scalar] = {}
    lengths: dict[str, int] = {}
    for _ in range(keys):
        key = _text(cursor, _MOST_NAME_BYTES)
        if key in values or key in lengths:
            raise cursor.refuse(f"the key {key[:80]!r} occurs twice")
        kind = cursor.u32()
        if kind == _ARRAY:
            lengths[key] = _skip_array(cursor)
        elif kind == _STRING:
            text = _text(cursor, _MOST_TEXT_BYTES)
            # Only templates are needed whole; thousands of other texts need not be held.
            values[key] = text if key.startswith(_TEMPLATE) else text[:_MOST_SHOWN]
        else:
            raw: int | float = struct.unpack(
                _format(cursor, kind), cursor.take(struct.calcsize(_format(cursor, kind)))
            )[0]
            if kind == _BOOL and raw not in (0, 1):
                raise cursor.refuse(f"the key {key[:80]!r} is neither true nor false")
            values[key] = raw
    return values, lengths


def _skip_array(cursor: Cursor) -> int:
    kind = cursor.u32()
    count = _count(cursor, _MOST_ITEMS, "items in a list")
    if kind == _STRING:
        for _ in range(count):
            cursor.skip(_count(cursor, _MOST_TEXT_BYTES, "bytes in a text"))
    elif kind == _ARRAY:
        # Allowed by the format, used by no model: nesting is where a reader's stack is attacked.
        raise cursor.refuse("it has lists within lists")
    else:
        cursor.skip(count * struct.calcsize(_format(cursor, kind)))
    return count


def _tensor(cursor: Cursor) -> _Tensor:
    name = _text(cursor, _MOST_NAME_BYTES)
    dimensions = cursor.u32()
    if dimensions > _MOST_DIMENSIONS:
        raise cursor.refuse(f"the tensor {name[:80]!r} has {dimensions} dimensions")
    shape = [_count(cursor, _MOST_WEIGHTS, "weights in a row") for _ in range(dimensions)]
    weights = 1
    for size in shape:
        weights *= size
    number = cursor.u32()
    if number not in _TYPES:
        raise cursor.refuse(f"the tensor {name[:80]!r} is of the unknown type {number}")
    kind, block_weights, block_bytes = _TYPES[number]
    row = shape[0] if shape else 1
    if weights > _MOST_WEIGHTS or row % block_weights:
        raise cursor.refuse(f"the shape of the tensor {name[:80]!r} cannot be for {kind}")
    return _Tensor(name, kind, weights, weights // block_weights * block_bytes, cursor.u64())


def _check_data(
    cursor: Cursor, source: ByteSource, tensors: list[_Tensor], alignment: Scalar
) -> None:
    if not isinstance(alignment, int) or not (
        8 <= alignment <= _MOST_ALIGNMENT and alignment & (alignment - 1) == 0
    ):
        raise cursor.refuse(f"it is aligned to {str(alignment)[:20]} bytes")
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise cursor.refuse("a tensor in it occurs twice")
    start = -(-cursor.at // alignment) * alignment
    end = 0
    for tensor in sorted(tensors, key=lambda each: (each.offset, each.bytes)):
        name = tensor.name[:80]
        if tensor.offset % alignment:
            raise cursor.refuse(f"the tensor {name!r} is not aligned to {alignment} bytes")
        if tensor.offset < end:
            raise cursor.refuse(f"the tensor {name!r} overlaps the one before it")
        end = tensor.offset + tensor.bytes
        if start + end > source.size:
            raise cursor.refuse(
                f"the tensor {name!r} ends at byte {start + end}, the file at {source.size}"
            )
    # Room for padding; more would be bytes that no reader looks at and a digest still vouches for.
    if tensors and source.size - start - end >= alignment:
        raise cursor.refuse(f"{source.size - start - end} bytes follow its last tensor")


def _facts(
    cursor: Cursor, values: dict[str, Scalar], lengths: dict[str, int], tensors: list[_Tensor]
) -> GgufHeader:
    architecture = _string(values, "general.architecture")
    if not architecture:
        raise cursor.refuse("it does not name its architecture")
    weights: Counter[str] = Counter()
    for tensor in tensors:
        weights[tensor.type] += tensor.weights
    most = max(weights, key=lambda each: weights[each]) if weights else None
    file_type = _number(values, "general.file_type")
    template = values.get(_TEMPLATE)
    templates = {
        key: value
        for key, value in values.items()
        if key.startswith(_TEMPLATE) and isinstance(value, str)
    }
    if any(len(each.encode()) > MOST_TEMPLATE_BYTES for each in templates.values()):
        raise cursor.refuse(f"a chat template in it is longer than {MOST_TEMPLATE_BYTES} bytes")
    facts = FileFacts(
        format="gguf",
        architecture=architecture[:80],
        name=_string(values, "general.name"),
        licence=_string(values, "general.license"),
        context_tokens=_number(values, f"{architecture}.context_length"),
        embedding_length=_number(values, f"{architecture}.embedding_length"),
        layers=_number(values, f"{architecture}.block_count"),
        heads=_number(values, f"{architecture}.attention.head_count"),
        key_value_heads=_number(values, f"{architecture}.attention.head_count_kv"),
        key_length=_number(values, f"{architecture}.attention.key_length"),
        value_length=_number(values, f"{architecture}.attention.value_length"),
        parameters=sum(tensor.weights for tensor in tensors),
        tensors=len(tensors),
        tensor_types=dict(sorted(Counter(tensor.type for tensor in tensors).items())),
        quantization=_FILE_TYPES.get(-1 if file_type is None else file_type, most),
        tokenizer=_string(values, "tokenizer.ggml.model"),
        vocabulary=lengths.get(_TOKENS),
        chat_template=template if isinstance(template, str) and template else None,
    )
    return GgufHeader(facts, templates)


def _count(cursor: Cursor, limit: int, what: str) -> int:
    number = cursor.u64()
    if number > limit:
        raise cursor.refuse(f"it claims {number} {what}")
    return number


def _text(cursor: Cursor, limit: int) -> str:
    raw = cursor.take(_count(cursor, limit, "bytes in a text"))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise cursor.refuse("a text in its header is not UTF-8") from None


def _format(cursor: Cursor, kind: int) -> str:
    try:
        return _SCALARS[kind]
    except KeyError:
        raise cursor.refuse(f"it has a value of the unknown type {kind}") from None


def _string(values: dict[str, Scalar], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) and value else None


def _number(values: dict[str, Scalar], key: str) -> int | None:
    value = values.get(key)
    return value if isinstance(value, int) and 0 <= value < 2**63 else None
