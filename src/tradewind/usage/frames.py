"""The bytes of a journal: how one record becomes a frame, and how frames are found again.

    magic (4) | payload length u32 | sequence u64 | crc32 u32 | payload (MessagePack)

Numbers are big-endian. The CRC covers length, sequence and payload. The sequence is the frame's
place in its segment, so a reader knows how many frames a damaged range has swallowed. The magic
begins with 0xC1, which neither UTF-8 nor MessagePack ever uses: no text a client sends can look
like the start of a frame, and what a reader finds after damage is a real frame.

The first frame of a segment is its header, the last one of a sealed segment its footer. Pure: no
file is opened here.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from tradewind.core.errors import InvalidInput
from tradewind.usage.event import Opened, Progressed, Record, Refused, UsageEvent

MAGIC = b"\xc1TWJ"
FORMAT_VERSION = 2
"""1 knew no refusals and no trails; its segments are read all the same."""
MAX_PAYLOAD_BYTES = 64 * 1024
"""A record takes a few hundred bytes; a longer length is damage and is not waited for."""

_PREFIX = struct.Struct(">4sIQI")
_COVERED = struct.Struct(">IQ")
_pack_covered, _crc32 = _COVERED.pack, zlib.crc32
PREFIX_BYTES = _PREFIX.size


class SegmentHeader(msgspec.Struct, frozen=True, array_like=True, tag="H"):
    """The first frame of a segment. It repeats the file's name, which a copy may have lost."""

    format_version: int
    node: str
    boot_ns: int
    """Unix nanoseconds at which the writer started; with `node` it names the writer."""
    number: int
    """Place of the segment among those of its writer, from 0."""


class SegmentFooter(msgspec.Struct, frozen=True, array_like=True, tag="S"):
    """The last frame of a segment that was closed on purpose. Nothing follows it."""

    frames: int
    """Frames before this one, the header among them."""
    crc32: int
    """Of every byte before this frame, so that an audit needs no other source."""


Content = Opened | Progressed | UsageEvent | Refused | SegmentHeader | SegmentFooter


class Frame(NamedTuple):
    """A whole frame in `data[start:end]`."""

    start: int
    end: int
    sequence: int
    content: Content


class Damage(NamedTuple):
    """A range that holds no readable frame. It is reported, never skipped in silence."""

    start: int
    end: int
    reason: str


class RecordTooLarge(InvalidInput):
    """A record does not fit into a frame; whoever made it must bound its texts."""

    code = "usage_record_too_large"

    def __init__(self, length: int) -> None:
        super().__init__(f"a usage record of {length} bytes is over {MAX_PAYLOAD_BYTES}")


_encode = msgspec.msgpack.Encoder().encode
_decode_opened = msgspec.msgpack.Decoder(Opened).decode
_decode = msgspec.msgpack.Decoder(Content).decode


def encode_frame(content: Content, sequence: int) -> bytes:
    """Return one frame. About 1 us. Raises RecordTooLarge."""
    payload = _encode(content)
    length = len(payload)
    if length > MAX_PAYLOAD_BYTES:
        raise RecordTooLarge(length)
    covered = _pack_covered(length, sequence)
    crc = _crc32(payload, _crc32(covered))
    return b"".join((MAGIC, covered, crc.to_bytes(4), payload))


def encode_record(record: Record) -> bytes:
    """Return a record alone, as it is kept outside a journal."""
    return _encode(record)


def decode_opened(payload: bytes) -> Opened:
    """Return what `encode_record` made of an Opened. Raises msgspec.MsgspecError."""
    return _decode_opened(payload)


def scan(data: bytes, start: int = 0, *, is_whole: bool) -> Iterator[Frame | Damage]:
    """Yield every frame and every damaged range of `data` from `start`, in order, without gaps.

    After damage it looks for the next magic with a right CRC behind it. The `end` of the last item
    is where to go on. With `is_whole` there is nothing more to come, and an unfinished tail is
    damage; without it an unfinished tail is left for the next call, when more bytes are there.
    """
    position = start
    while position < len(data):
        shape, end = _probe(data, position)
        if shape is _Shape.WHOLE:
            yield _read(data, position, end)
            position = end
            continue
        whole, unfinished = _next_candidates(data, position)
        if whole is not None:
            # A frame is never inside another one, so a whole frame behind an unfinished one proves
            # that the length of the unfinished one is damaged.
            yield Damage(position, whole, "no frame with a right checksum")
            position = whole
        elif is_whole:
            yield Damage(position, len(data), "torn at the end")
            return
        elif shape is _Shape.UNFINISHED:
            return
        else:
            resume = len(data) if unfinished is None else unfinished
            yield Damage(position, resume, "no frame with a right checksum")
            return


class _Shape(Enum):
    WHOLE = auto()
    UNFINISHED = auto()
    """It may become a frame when more bytes are there."""
    BROKEN = auto()


def _probe(data: bytes, position: int) -> tuple[_Shape, int]:
    """Say what stands at `position`, and where it ends if it is whole."""
    if not data.startswith(MAGIC, position):
        tail = data[position : position + len(MAGIC)]
        is_cut = len(tail) < len(MAGIC) and MAGIC.startswith(tail)
        return (_Shape.UNFINISHED if is_cut else _Shape.BROKEN), position
    body = position + PREFIX_BYTES
    if body > len(data):
        return _Shape.UNFINISHED, position
    _, length, sequence, crc = _PREFIX.unpack_from(data, position)
    if length > MAX_PAYLOAD_BYTES:
        return _Shape.BROKEN, position
    end = body + length
    if end > len(data):
        return _Shape.UNFINISHED, position
    if zlib.crc32(data[body:end], zlib.crc32(_COVERED.pack(length, sequence))) != crc:
        return _Shape.BROKEN, position
    return _Shape.WHOLE, end


def _next_candidates(data: bytes, position: int) -> tuple[int | None, int | None]:
    """Return the next whole frame behind `position`, and the first unfinished one before it."""
    unfinished: int | None = None
    candidate = data.find(MAGIC, position + 1)
    while candidate >= 0:
        shape, _ = _probe(data, candidate)
        if shape is _Shape.WHOLE:
            return candidate, unfinished
        if shape is _Shape.UNFINISHED and unfinished is None:
            unfinished = candidate
        candidate = data.find(MAGIC, candidate + 1)
    if unfinished is None:
        # The magic itself may be cut by the end of the data.
        for length in range(len(MAGIC) - 1, 0, -1):
            if len(data) - length > position and data.endswith(MAGIC[:length]):
                return None, len(data) - length
    return None, unfinished


def _read(data: bytes, start: int, end: int) -> Frame | Damage:
    _, _, sequence, _ = _PREFIX.unpack_from(data, start)
    try:
        content = _decode(data[start + PREFIX_BYTES : end])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The checksum is right, so it is a writer that is wrong, or of another release. Texts that
        # are not UTF-8 and very deep nesting raise errors of Python's, not of msgspec's.
        return Damage(start, end, f"not a record of this release: {error}"[:200])
    return Frame(start, end, sequence, content)
