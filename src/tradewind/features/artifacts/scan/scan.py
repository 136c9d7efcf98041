"""Finds what a file is, by its name and its first bytes together, and reads it."""

from collections.abc import Callable

from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.scan.byte_source import ByteSource
from tradewind.features.artifacts.scan.chat_templates import check_template
from tradewind.features.artifacts.scan.gguf import MAGIC, read_gguf_header
from tradewind.features.artifacts.scan.json_files import read_json
from tradewind.features.artifacts.scan.pickles import read_pickle
from tradewind.features.artifacts.scan.safetensors import read_safetensors
from tradewind.features.artifacts.schemas import MOST_TEMPLATE_BYTES, FileFacts

_MOST_TEXT_BYTES = 16 * 1024 * 1024
_MOST_VOCABULARY_BYTES = 64 * 1024 * 1024
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_TEXTS = (".txt", ".md", ".merges", "license", "licence", "notice", "readme", ".tiktoken")
_TEMPLATES = (".jinja", ".jinja2")
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf",
             b"Rar!", b"\x28\xb5\x2f\xfd")  # fmt: skip
_PROGRAMS = (b"\x7fELF", b"MZ", b"#!", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe")


def scan(source: ByteSource, *, accepts_pickles: bool = False) -> FileFacts:
    """Return what the file says of itself. Raises FileRefused for whatever is not what it says."""
    name = source.name.lower()
    head = source.read(0, min(16, source.size))
    if not head:
        raise FileRefused(source.name, "it is empty")
    if head.startswith(_PROGRAMS):
        raise FileRefused(source.name, "it is a program")
    if head.startswith(MAGIC) != name.endswith(".gguf"):
        raise FileRefused(
            source.name,
            "it does not begin with GGUF"
            if name.endswith(".gguf")
            else "it is a GGUF file with another name",
            hint="name it after what it is, and upload it anew",
        )
    if name.endswith(_PICKLES):
        return read_pickle(source, is_accepted=accepts_pickles)
    if head.startswith(_ARCHIVES):
        raise FileRefused(source.name, "it is an archive", hint="upload the files in it one by one")
    reader = _reader(name)
    if reader is None:
        raise FileRefused(
            source.name,
            "files of this kind are not taken",
            hint="GGUF, safetensors, JSON, Jinja templates, SentencePiece models and texts are",
        )
    return reader(source)


def _reader(name: str) -> Callable[[ByteSource], FileFacts] | None:
    if name.endswith(".gguf"):
        return _read_gguf
    if name.endswith(".safetensors"):
        return read_safetensors
    if name.endswith(".json"):
        return read_json
    if name.endswith(_TEMPLATES):
        return _read_template
    if name.endswith(".model"):
        return _read_vocabulary
    if name.endswith(_TEXTS):
        return _read_text
    return None


def _read_gguf(source: ByteSource) -> FileFacts:
    header = read_gguf_header(source)
    for template in header.templates.values():
        check_template(source.name, template)
    return header.facts


def _read_template(source: ByteSource) -> FileFacts:
    template = _text(source, MOST_TEMPLATE_BYTES)
    check_template(source.name, template)
    return FileFacts(format="template", chat_template=template)


def _read_text(source: ByteSource) -> FileFacts:
    _text(source, _MOST_TEXT_BYTES)
    return FileFacts(format="text")


def _read_vocabulary(source: ByteSource) -> FileFacts:
    """A SentencePiece model (a protobuf message whose first field is a piece): engines parse it,
    nothing in it runs.
    """
    if source.size > _MOST_VOCABULARY_BYTES or source.read(0, 1) != b"\x0a":
        raise FileRefused(source.name, "it is not a SentencePiece model")
    return FileFacts(format="vocabulary")


def _text(source: ByteSource, most: int) -> str:
    if source.size > most:
        raise FileRefused(source.name, f"it has {source.size} bytes, and {most} are most")
    try:
        text = source.read(0, source.size).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused(source.name, "it is not text in UTF-8") from None
    if "\0" in text:
        raise FileRefused(source.name, "it is not text")
    return text
