"""What the files of a model say, for the card of its listing and for whoever uploads them. Pure.

All texts come from files of strangers: they are cut, and never taken for markup.
"""

from typing import Any

import msgspec

from tradewind.features.artifacts.schemas import ArtifactDetail, FileFacts
from tradewind.features.artifacts.service import facts_together
from tradewind.features.catalog.folding.licences import UNKNOWN, licence_of
from tradewind.features.deployments.weighing import of_artifact, operation_of
from tradewind.features.publishing import rules
from tradewind.features.publishing.schemas import Content

_LONGEST = 120
_MOST_FILES = 20
_MARKUP = frozenset("`<>[]*#|\\")


def with_files(former: Content, found: ArtifactDetail) -> tuple[Content, tuple[str, ...]]:
    """Return the content with these files as what answers for the model, and which fields were
    filled in from what they say. What a person has written stays.
    """
    content = msgspec.structs.replace(
        former, artifact=found.row.digest, connection_id="", upstream_model=""
    )
    filled: list[str] = []
    empty = Content()
    for name, value in _told(found).items():
        if getattr(former, name) != getattr(empty, name) or value == getattr(empty, name):
            continue
        changed = msgspec.structs.replace(content, **{name: value})
        if not rules.problems_of(changed, [name]):
            content = changed
            filled.append(name)
    return content, tuple(filled)


def facts_shown(facts: FileFacts) -> list[tuple[str, str]]:
    """Return what a file says of itself, as a person reads it."""
    shown: list[tuple[str, str | None]] = [
        ("Format", {"gguf": "GGUF"}.get(facts.format, facts.format)),
        ("Name", facts.name),
        ("Architecture", facts.architecture),
        ("Parameters", _count(facts.parameters)),
        ("Quantization", facts.quantization),
        ("Context", None if facts.context_tokens is None else f"{facts.context_tokens:,} tokens"),
        ("Layers", _count(facts.layers)),
        ("Width of embeddings", _count(facts.embedding_length)),
        ("Tensors", _count(facts.tensors)),
        ("Tokenizer", facts.tokenizer),
        ("Vocabulary", _count(facts.vocabulary)),
        ("Chat template", "present" if facts.chat_template else None),
        ("Licence", facts.licence),
    ]
    return [(label, clean) for label, text in shown if text and (clean := _line(text))]


def _told(found: ArtifactDetail) -> dict[str, Any]:
    facts = facts_together(found.files)
    licence = licence_of(facts.licence) if facts.licence else UNKNOWN
    return {
        "display_name": _line(facts.name or ""),
        "operation": operation_of(of_artifact(found)).value,
        "version": (facts.quantization or "").lower(),
        "family": _line(facts.architecture or ""),
        "context_tokens": facts.context_tokens,
        "licence": "" if licence == UNKNOWN else licence,
        "card": _card(found, facts),
    }


def _card(found: ArtifactDetail, facts: FileFacts) -> str:
    """Return a card to go on from, in Markdown: what was read, and nothing that was not."""
    title = _plain(facts.name or "The model")
    lines = [f"# {title}", "", "What its files say:", ""]
    lines += [
        f"- {label}: `{_plain(text)}`" for label, text in facts_shown(facts) if label != "Name"
    ]
    shown = found.files[:_MOST_FILES]
    lines += [f"- File: `{_plain(file.path)}` ({_size(file.size)})" for file in shown]
    if len(found.files) > len(shown):
        lines.append(f"- and {len(found.files) - len(shown)} more files")
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    """Return a text that means nothing in Markdown, neither in a line nor between backticks."""
    return "".join("'" if letter in _MARKUP else letter for letter in text)


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST]


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _size(size: int) -> str:
    return f"{size / 1024**2:,.1f} MiB" if size >= 1024**2 else f"{size:,} bytes"
