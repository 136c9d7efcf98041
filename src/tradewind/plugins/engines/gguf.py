"""Reads the header of a GGUF file: what the model is, without loading it.

Format: GGUF version 3 (ggml, docs/gguf.md): magic, version, counts, typed key-value pairs, tensor
infos, aligned data; all little-endian. The file is hostile until read: every count, length and
nesting has a limit, every read is checked against the file's end, and only keys that are asked for
are kept. About 10 ms for a vocabulary of 49,000 tokens, which is stepped over and not built.
"""

import mmap
import struct
from pathlib import Path
from typing import NamedTuple

from tradewind.core.errors import InvalidInput

MAGIC = b"GGUF"
VERSION = 3
_MOST_KEYS = 4096
_MOST_TENSORS = 65_536
_MOST_KEY_BYTES = 65_535
_MOST_TEXT_BYTES = 4 * 1024 * 1024
_MOST_ITEMS = 8 * 1024 * 1024
_MOST_DIMENSIONS = 4
_MOST_PARAMETERS = 2**50
_STRING, _ARRAY = 8, 9
# Value types 0 to 12 by number: their struct format. 8 is a string and 9 an array.
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_CHAT_TEMPLATE = "tokenizer.chat_template"

Scalar = int | float | bool | str


class GgufFacts(NamedTuple):
    """What the header says. Texts come from the file: escape them before they are shown."""

    architecture: str
    name: str | None
    licence: str | None
    context_tokens: int | None
    embedding_length: int | None
    parameters: int
    """Number of weights, reckoned from the shapes of the tensors."""
    tensors: int
    tokenizer: str | None
    has_chat_template: bool
    layers: int | None = None
    heads: int | None = None
    """Of attention, as the three that follow: they tell how much memory a token takes. None also
    where the file has a list, with another number for each layer."""
    key_value_heads: int | None = None
    key_length: int | None = None
    value_length: int | None = None


class GgufDamaged(InvalidInput):
    code = "gguf_damaged"

    def __init__(self, why: str) -> None:
        super().__init__(f"the file is not a GGUF file that can be served: {why}")


def read_gguf(path: Path) -> GgufFacts:
    """Return what the header says. Raises GgufDamaged, OSError."""
    with path.open("rb") as stream:
        try:
            view = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise GgufDamaged("it is empty") from None
        with view:
            return _read(_Cursor(view))


class _Cursor:
    """Walks over the file; every step is checked against its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._end = len(data)
        self._at = 0

    def skip(self, count: int) -> None:
        if count > self._end - self._at:
            raise GgufDamaged("it ends inside its header")
        self._at += count

    def take(self, count: int) -> bytes:
        start = self._at
        self.skip(count)
        return self._data[start : self._at]

    def scalar(self, kind: str) -> int | float | bool:
        return struct.unpack(kind, self.take(struct.calcsize(kind)))[0]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def count(self, limit: int, what: str) -> int:
        number = int.from_bytes(self.take(8), "little")
        if number > limit:
            raise GgufDamaged(f"it claims {number} {what}")
        return number

    def text(self, limit: int = _MOST_TEXT_BYTES) -> str:
        raw = self.take(self.count(limit, "bytes in a text"))
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise GgufDamaged("a text in it is not UTF-8") from None

    def skip_texts(self, count: int) -> None:
        # The inner loop of the whole reader: a vocabulary has up to a million tokens.
        data, at, end = self._data, self._at, self._end
        for _ in range(count):
            at += 8 + int.from_bytes(data[at : at + 8], "little")
            if at > end:
                raise GgufDamaged("it ends inside its header")
        self._at = at


def _read(cursor: _Cursor) -> GgufFacts:
    if cursor.take(4) != MAGIC:
        raise GgufDamaged("it does not begin with GGUF")
    version = cursor.u32()
    if version != VERSION:
        raise GgufDamaged(f"its version is {version}, not {VERSION}")
    tensors = cursor.count(_MOST_TENSORS, "tensors")
    keys = cursor.count(_MOST_KEYS, "keys")
    values: dict[str, Scalar] = {}
    for _ in range(keys):
        key = cursor.text(_MOST_KEY_BYTES)
        if key in values:
            raise GgufDamaged("a key in it occurs twice")
        value = _value(cursor, cursor.u32())
        if value is not None:
            values[key] = value
    parameters = sum(_parameters(cursor) for _ in range(tensors))
    architecture = _text(values, "general.architecture")
    if not architecture:
        raise GgufDamaged("it does not name its architecture")
    return GgufFacts(
        architecture,
        _text(values, "general.name"),
        _text(values, "general.license"),
        _number(values, f"{architecture}.context_length"),
        _number(values, f"{architecture}.embedding_length"),
        parameters,
        tensors,
        _text(values, "tokenizer.ggml.model"),
        bool(_text(values, _CHAT_TEMPLATE)),
        _number(values, f"{architecture}.block_count"),
        _number(values, f"{architecture}.attention.head_count"),
        _number(values, f"{architecture}.attention.head_count_kv"),
        _number(values, f"{architecture}.attention.key_length"),
        _number(values, f"{architecture}.attention.value_length"),
    )


def _value(cursor: _Cursor, kind: int) -> Scalar | None:
    """Read a value; None for an array, which is stepped over."""
    if kind == _STRING:
        return cursor.text()
    if kind == _ARRAY:
        _skip_array(cursor)
        return None
    return cursor.scalar(_format(kind))


def _skip_array(cursor: _Cursor) -> None:
    kind = cursor.u32()
    count = cursor.count(_MOST_ITEMS, "items in a list")
    if kind == _STRING:
        cursor.skip_texts(count)
    elif kind == _ARRAY:
        # Allowed by the format, used by no model: nesting is where a reader's stack is attacked.
        raise GgufDamaged("it has lists within lists")
    else:
        cursor.skip(count * struct.calcsize(_format(kind)))


def _format(kind: int) -> str:
    try:
        return _SCALARS[kind]
    except KeyError:
        raise GgufDamaged(f"it has a value of the unknown type {kind}") from None


def _parameters(cursor: _Cursor) -> int:
    cursor.text(_MOST_KEY_BYTES)
    dimensions = cursor.u32()
    if dimensions > _MOST_DIMENSIONS:
        raise GgufDamaged(f"a tensor in it has {dimensions} dimensions")
    product = 1
    for _ in range(dimensions):
        product *= cursor.count(_MOST_PARAMETERS, "weights in a row")
    if product > _MOST_PARAMETERS:
        raise GgufDamaged("a tensor in it is impossibly large")
    cursor.skip(4 + 8)  # its type and where its data lies
    return product


def _text(values: dict[str, Scalar], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) else None


def _number(values: dict[str, Scalar], key: str) -> int | None:
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
