"""Walks over the operations of a pickle, of which none is carried out.

`pickletools.genops` decodes operations and their arguments and builds nothing. A pickle that names
only what tensors are rebuilt from can still be wrong in ways that a list cannot see (an operation
that a newer Python adds, a function of the list that turns out to be a door), so that the best a
pickle can get is quarantine: kept for who wants to convert it, never loaded, never downloaded.
"""

import pickletools
from collections.abc import Iterator
from io import BytesIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.scan.byte_source import BoundedStream, ByteSource
from tradewind.features.artifacts.schemas import FileFacts

_MOST_PICKLE_BYTES = 64 * 1024 * 1024
_MOST_OPERATIONS = 5_000_000
_MOST_PICKLES = 8
_MOST_ENTRIES = 65_536
_MOST_DIRECTORY_BYTES = 16 * 1024 * 1024
_END_OF_DIRECTORY = b"PK\x05\x06"
_UNREADABLE = (
    ValueError,
    IndexError,
    KeyError,
    OverflowError,
    MemoryError,
    EOFError,
    DeprecationWarning,
)
_SYMLINK, _FORMAT_MASK = 0o120000, 0o170000
# What checkpoints of tensors are made of, and nothing that could run something.
_HARMLESS = {
    "collections": {"OrderedDict", "defaultdict"},
    "torch": {
        "Size", "device", "FloatStorage", "HalfStorage", "BFloat16Storage", "DoubleStorage",
        "IntStorage", "LongStorage", "ShortStorage", "CharStorage", "ByteStorage", "BoolStorage",
        "float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8",
    },
    "torch._utils": {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"},
    "torch.storage": {"UntypedStorage", "TypedStorage"},
    "numpy": {"dtype", "ndarray"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
}  # fmt: skip
_TEXT_OPERATIONS = {
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING",
    "SHORT_BINSTRING",
}  # fmt: skip
_MEMO_OPERATIONS = {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}


def read_pickle(source: ByteSource, *, is_accepted: bool) -> FileFacts:
    """Return facts of a pickle that may be kept in quarantine. Raises FileRefused.

    `is_accepted` is off by default wherever this is called: then every pickle is refused.
    """
    if not is_accepted:
        raise FileRefused(
            source.name,
            "a pickle runs code when it is loaded, and pickles are not taken here",
            hint="convert it to safetensors and upload that",
        )
    named = sorted(set(_names(source)))
    bad = [name for name in named if not _is_harmless(name)]
    if bad:
        raise FileRefused(
            source.name, f"loading it would call {', '.join(each[:80] for each in bad[:5])}"
        )
    return FileFacts(
        format="pickle",
        is_quarantined=True,
        findings=("A pickle: kept in quarantine, not loaded and not offered for download.",),
    )


def _is_harmless(name: str) -> bool:
    module, _, attribute = name.partition("\n")
    return attribute in _HARMLESS.get(module, ())


def _names(source: ByteSource) -> Iterator[str]:
    """Yield what the file's pickles import, as module, line feed, attribute."""
    if source.size >= 4 and source.read(0, 4) == b"PK\x03\x04":
        for content in _pickles_of_archive(source):
            yield from _names_in(source, content, 1)
    else:
        # Checkpoints of old: pickles one after the other, then the weights as they are.
        head = source.read(0, min(source.size, _MOST_PICKLE_BYTES))
        yield from _names_in(source, head, _MOST_PICKLES)


def _names_in(source: ByteSource, content: bytes, most: int) -> Iterator[str]:
    stream = BytesIO(content)
    for number in range(most):
        start = stream.tell()
        if start == len(content) or (number and content[start : start + 1] != b"\x80"):
            return
        try:
            yield from _names_of_one(source, stream)
        except FileRefused:
            raise
        # What pickletools raises for what it cannot read is not told anywhere; these are all that
        # fuzzing has found. Behind the first pickle it is weights that look like one.
        # It also warns of odd escapes, which is an error where warnings are.
        except _UNREADABLE as error:
            raise FileRefused(
                source.name, f"its pickle cannot be read to the end ({type(error).__name__})"
            ) from None


def _names_of_one(source: ByteSource, stream: BytesIO) -> Iterator[str]:
    texts: list[str] = []
    for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if count > _MOST_OPERATIONS:
            raise FileRefused(source.name, f"its pickle has more than {count} operations")
        name = operation.name
        if name in _TEXT_OPERATIONS:
            texts = [*texts[-1:], str(argument)]
        elif name in {"GLOBAL", "INST"}:
            yield str(argument).replace(" ", "\n", 1)
        elif name == "STACK_GLOBAL":
            # Its operands are on the stack, which nobody builds here. Whatever is not written as
            # two texts right before it was made to be missed.
            if len(texts) != 2:
                raise FileRefused(source.name, "its pickle hides what it imports")
            yield "\n".join(texts)
            texts = []
        elif name in {"EXT1", "EXT2", "EXT4"}:
            raise FileRefused(source.name, "its pickle imports by a number")
        elif name not in _MEMO_OPERATIONS:
            texts = []


def _pickles_of_archive(source: ByteSource) -> Iterator[bytes]:
    """Yield the pickles of a zip archive as torch writes it: nothing in it is compressed."""

    def refuse(why: str) -> FileRefused:
        return FileRefused(source.name, why)

    _check_end(source)
    try:
        with ZipFile(BoundedStream(source, _MOST_PICKLE_BYTES, refuse)) as archive:
            entries = archive.infolist()
            _check_entries(source, entries)
            pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
            if not pickles:
                raise FileRefused(source.name, "it is a zip archive without a pickle of tensors")
            for entry in pickles:
                if entry.file_size > _MOST_PICKLE_BYTES:
                    raise FileRefused(
                        source.name, f"{entry.filename[:80]!r} in it has {entry.file_size} bytes"
                    )
                yield archive.read(entry)
    except (BadZipFile, ValueError, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise refuse(f"it is a damaged zip archive ({type(error).__name__})") from None


def _check_end(source: ByteSource) -> None:
    """Refuse a directory that would take more memory than an archive of weights needs."""
    tail = source.read(max(0, source.size - 65_557), min(source.size, 65_557))
    at = tail.rfind(_END_OF_DIRECTORY)
    if at < 0 or at + 22 > len(tail):
        raise FileRefused(source.name, "it is a zip archive without its end")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if size > _MOST_DIRECTORY_BYTES and size != 0xFFFFFFFF:
        raise FileRefused(source.name, f"its directory claims {size} bytes")


def _check_entries(source: ByteSource, entries: list[ZipInfo]) -> None:
    if len(entries) > _MOST_ENTRIES:
        raise FileRefused(source.name, f"it has {len(entries)} entries")
    names: set[str] = set()
    claimed = 0
    for entry in entries:
        name, shown = entry.filename, entry.filename[:80]
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or ".." in parts or ":" in parts[0]:
            raise FileRefused(source.name, f"the path {shown!r} in it leads out of it")
        if (entry.external_attr >> 16) & _FORMAT_MASK == _SYMLINK:
            raise FileRefused(source.name, f"{shown!r} in it is a symbolic link")
        if name in names:
            raise FileRefused(source.name, f"{shown!r} occurs twice in it")
        names.add(name)
        claimed += entry.file_size
        # torch compresses nothing, so that whatever grows when it is unpacked was made to.
        if entry.compress_type != ZIP_STORED or entry.compress_size != entry.file_size:
            raise FileRefused(source.name, f"{shown!r} in it is compressed: weights never are")
        if entry.flag_bits & 0x1:
            raise FileRefused(source.name, f"{shown!r} in it is encrypted")
    if claimed > source.size:
        raise FileRefused(
            source.name, f"its entries claim {claimed} bytes, and it has {source.size}"
        )
