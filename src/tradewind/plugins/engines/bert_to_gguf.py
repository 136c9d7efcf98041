"""Converts a BERT sentence encoder from safetensors to GGUF, as llama.cpp wants it.

For `sentence-transformers/all-MiniLM-L6-v2` and its like: WordPiece vocabulary, mean pooling.
Formats: safetensors (8 bytes of header length, JSON header, data) and GGUF version 3. Weights stay
float32 and are copied as they are, so nothing but the standard library is needed. What llama.cpp
expects (names of tensors, keys, the vocabulary's marks) follows its `convert_hf_to_gguf.py`.
"""

import math
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple, TypeVar

import msgspec

from tradewind.core.errors import InvalidInput
from tradewind.plugins.engines.gguf import MAGIC, VERSION

ALIGNMENT = 32
_F32 = 0
_FLOAT_BYTES = 4
_POOLING_MEAN = 1
_MOST_HEADER_BYTES = 16 * 1024 * 1024
_MOST_VOCABULARY_BYTES = 64 * 1024 * 1024
_COPY_BYTES = 4 * 1024 * 1024
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3
# The word boundary of llama.cpp's vocabularies, U+2581.
_BOUNDARY = "▁"

_TENSORS = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
_LAYER_TENSORS = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


Size = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
_T = TypeVar("_T")


class _Config(msgspec.Struct, frozen=True):
    """What is used of `config.json`."""

    architectures: list[str]
    hidden_act: str
    hidden_size: Size
    intermediate_size: Size
    layer_norm_eps: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    max_position_embeddings: Size
    num_attention_heads: Size
    num_hidden_layers: Annotated[int, msgspec.Meta(ge=1, le=1024)]
    type_vocab_size: Size
    vocab_size: Size


class _TensorInfo(msgspec.Struct, frozen=True):
    """An entry of the header of a safetensors file."""

    dtype: str
    shape: Annotated[list[Size], msgspec.Meta(min_length=1, max_length=4)]
    data_offsets: tuple[int, int]


class _Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    start: int
    """From the beginning of the source's data."""
    size: int


def convert_bert(
    source: Path, target: Path, *, name: str, licence: str, progress: Callable[[float], None]
) -> None:
    """Write the model in the folder `source` to the file `target`, whole or not at all.

    `source` has `model.safetensors`, `config.json` and `vocab.txt`. `progress` gets the part done,
    0 to 1. Raises InvalidInput when it is another kind of model, OSError when the disk refuses.
    """
    config = _parse(_read_bounded(source / "config.json"), _Config, source)
    if config.architectures != ["BertModel"] or config.hidden_act != "gelu":
        raise InvalidInput(f"'{source}' is not a BERT encoder")
    vocabulary = _read_vocabulary(source / "vocab.txt")
    if len(vocabulary) != config.vocab_size:
        raise InvalidInput(f"the vocabulary of '{source}' does not fit its weights")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        with (source / "model.safetensors").open("rb") as reading, beside.open("xb") as writing:
            tensors, data_start = _read_tensors(reading, config.num_hidden_layers, source)
            writing.write(_header(config, vocabulary, tensors, name=name, licence=licence))
            _copy(reading, writing, tensors, data_start, progress)
            writing.flush()
            os.fsync(writing.fileno())
        beside.replace(target)
    except KeyError as error:
        raise InvalidInput(f"'{source}' lacks {error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MOST_HEADER_BYTES + 1)


def _parse(raw: bytes, kind: type[_T], where: Path) -> _T:
    if len(raw) > _MOST_HEADER_BYTES:
        raise InvalidInput(f"a header in '{where}' is too large")
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"a header in '{where}' is not what it should be: {error}") from error


def _read_vocabulary(path: Path) -> list[str]:
    if path.stat().st_size > _MOST_VOCABULARY_BYTES:
        raise InvalidInput(f"'{path}' is too large")
    try:
        return path.read_text("utf-8").rstrip("\n").split("\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"'{path}' is not UTF-8") from None


def _read_tensors(stream: BinaryIO, layers: int, where: Path) -> tuple[list[_Tensor], int]:
    length = int.from_bytes(stream.read(8), "little")
    if not 2 <= length <= _MOST_HEADER_BYTES:
        raise InvalidInput(f"a header in '{where}' has an impossible length")
    header = _parse(stream.read(length), dict[str, msgspec.Raw], where)
    data_start = 8 + length
    room = os.fstat(stream.fileno()).st_size - data_start
    tensors: list[_Tensor] = []
    for source, name in _wanted(layers):
        info = _parse(bytes(header[source]), _TensorInfo, where)
        start, end = info.data_offsets
        size = _FLOAT_BYTES * math.prod(info.shape)
        if info.dtype != "F32" or not 0 <= start <= end <= room or end - start != size:
            raise InvalidInput(f"the tensor '{source}' is not float32 or lies outside the file")
        tensors.append(_Tensor(name, tuple(info.shape), start, size))
    return tensors, data_start


def _wanted(layers: int) -> Iterator[tuple[str, str]]:
    """Yield each tensor's name there and here. Positions and the pooler are not among them."""
    for source, name in _TENSORS.items():
        yield f"{source}.weight", f"{name}.weight"
    yield "embeddings.LayerNorm.bias", "token_embd_norm.bias"
    for layer in range(layers):
        for source, name in _LAYER_TENSORS.items():
            for kind in ("weight", "bias"):
                yield f"encoder.layer.{layer}.{source}.{kind}", f"blk.{layer}.{name}.{kind}"


def _header(
    config: _Config,
    vocabulary: list[str],
    tensors: list[_Tensor],
    *,
    name: str,
    licence: str,
) -> bytes:
    special = {token: number for number, token in enumerate(vocabulary)}
    pairs = [
        _text_pair("general.architecture", "bert"),
        _text_pair("general.type", "model"),
        _text_pair("general.name", name),
        _text_pair("general.license", licence),
        _u32_pair("general.file_type", 0),
        _u32_pair("general.alignment", ALIGNMENT),
        _u32_pair("bert.block_count", config.num_hidden_layers),
        _u32_pair("bert.context_length", config.max_position_embeddings),
        _u32_pair("bert.embedding_length", config.hidden_size),
        _u32_pair("bert.feed_forward_length", config.intermediate_size),
        _u32_pair("bert.attention.head_count", config.num_attention_heads),
        _pair("bert.attention.layer_norm_epsilon", 6, struct.pack("<f", config.layer_norm_eps)),
        _pair("bert.attention.causal", 7, b"\0"),
        _u32_pair("bert.pooling_type", _POOLING_MEAN),
        _text_pair("tokenizer.ggml.model", "bert"),
        _text_pair("tokenizer.ggml.pre", "default"),
        _u32_pair("tokenizer.ggml.token_type_count", config.type_vocab_size),
        _pair("tokenizer.ggml.tokens", 9, _texts(list(map(_marked, vocabulary)))),
        _pair("tokenizer.ggml.token_type", 9, _i32s(list(map(_kind, vocabulary)))),
        _u32_pair("tokenizer.ggml.bos_token_id", special["[CLS]"]),
        _u32_pair("tokenizer.ggml.eos_token_id", special["[SEP]"]),
        _u32_pair("tokenizer.ggml.unknown_token_id", special["[UNK]"]),
        _u32_pair("tokenizer.ggml.seperator_token_id", special["[SEP]"]),  # codespell:ignore
        _u32_pair("tokenizer.ggml.padding_token_id", special["[PAD]"]),
        _u32_pair("tokenizer.ggml.cls_token_id", special["[CLS]"]),
        _u32_pair("tokenizer.ggml.mask_token_id", special["[MASK]"]),
    ]
    parts = [MAGIC, struct.pack("<IQQ", VERSION, len(tensors), len(pairs)), *pairs]
    offset = 0
    for tensor in tensors:
        # The innermost dimension first, the reverse of safetensors.
        shape = tensor.shape[::-1]
        parts.append(_text(tensor.name))
        parts.append(struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        parts.append(struct.pack("<IQ", _F32, offset))
        offset += _aligned(tensor.size)
    header = b"".join(parts)
    return header.ljust(_aligned(len(header)), b"\0")


def _copy(
    reading: BinaryIO,
    writing: BinaryIO,
    tensors: list[_Tensor],
    data_start: int,
    progress: Callable[[float], None],
) -> None:
    total = sum(tensor.size for tensor in tensors)
    done = 0
    for tensor in tensors:
        reading.seek(data_start + tensor.start)
        left = tensor.size
        while left:
            data = reading.read(min(left, _COPY_BYTES))
            if not data:
                raise InvalidInput("the safetensors file became shorter while it was read")
            writing.write(data)
            left -= len(data)
            done += len(data)
            progress(done / total)
        writing.write(bytes(_aligned(tensor.size) - tensor.size))


def _marked(token: str) -> str:
    """Return a WordPiece token with llama.cpp's marks: the start of a word is marked, not its
    continuation.
    """
    if _is_control(token):
        return token
    return token[2:] if token.startswith("##") else _BOUNDARY + token


def _kind(token: str) -> int:
    if token == "[UNK]":  # noqa: S105 - a word of a vocabulary
        return _UNKNOWN
    return _CONTROL if _is_control(token) else _NORMAL


def _is_control(token: str) -> bool:
    return len(token) > 2 and token.startswith("[") and token.endswith("]")


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _text_pair(key: str, value: str) -> bytes:
    return _pair(key, 8, _text(value))


def _u32_pair(key: str, value: int) -> bytes:
    return _pair(key, 4, struct.pack("<I", value))


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _texts(values: list[str]) -> bytes:
    return struct.pack("<IQ", 8, len(values)) + b"".join(map(_text, values))


def _i32s(values: list[int]) -> bytes:
    return struct.pack(f"<IQ{len(values)}i", 5, len(values), *values)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
