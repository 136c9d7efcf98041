"""Reads the JSON that lies beside weights: configurations and tokenizers."""

import json
from typing import Any, cast

from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.scan.byte_source import ByteSource
from tradewind.features.artifacts.scan.chat_templates import check_template
from tradewind.features.artifacts.schemas import FileFacts

_MOST_BYTES = 64 * 1024 * 1024
_MOST_TEMPLATES = 32


def read_json(source: ByteSource) -> FileFacts:
    """Raises FileRefused, also for a template in it that may not be used."""
    content = _object(source)
    # Loaders that are told to trust it import whatever this names, from wherever it says.
    if "auto_map" in content or content.get("trust_remote_code"):
        raise FileRefused(source.name, "it names code that would be loaded with the model")
    template = _templates(source, content.get("chat_template"))
    said: object = content.get("architectures")
    architectures = cast("list[object]", said) if isinstance(said, list) else []
    context = content.get("max_position_embeddings")
    return FileFacts(
        format="json",
        architecture=str(architectures[0])[:80] if architectures else None,
        context_tokens=context if type(context) is int and 0 < context < 2**40 else None,
        chat_template=template,
    )


def _object(source: ByteSource) -> dict[str, Any]:
    if source.size > _MOST_BYTES:
        raise FileRefused(source.name, f"it has {source.size} bytes, too many for its kind")
    try:
        content: object = json.loads(source.read(0, source.size).decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise FileRefused(source.name, "it is not JSON") from None
    # Lists (of merges, of special tokens) are as good, and say nothing that is shown.
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _templates(source: ByteSource, said: object) -> str | None:
    """Check every template; return the one that is used when none is named."""
    if isinstance(said, str):
        check_template(source.name, said)
        return said
    if not isinstance(said, list):
        return None
    entries = cast("list[object]", said)
    if len(entries) > _MOST_TEMPLATES:
        raise FileRefused(source.name, f"it has {len(entries)} chat templates")
    default: str | None = None
    for entry in entries:
        described = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        template = described.get("template")
        if not isinstance(template, str):
            raise FileRefused(source.name, "a chat template in it is not a text")
        check_template(source.name, template)
        if described.get("name") == "default":
            default = template
    return default
