"""What a publisher's files say of models: manifests, a feed in OpenRouter's form, cards of Hugging
Face. Pure: whoever reads files hands in what was parsed.

Sources: openrouter.ai/docs, "Provider Integration", "List Models Endpoint" (`id`, `name`,
`hugging_face_id`, `input_modalities`, `output_modalities`, `quantization`, `context_length`,
`max_output_length`, `pricing` in USD per token as text, `supported_features`, `is_ready`);
the documentation of Hugging Face's Hub, "Model Cards" (`license`, `license_name`, `license_link`,
`pipeline_tag`).
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec

from tradewind.core.errors import InvalidInput
from tradewind.features.catalog.folding.licences import licence_of
from tradewind.features.publishing import rules
from tradewind.features.publishing.schemas import Content, Desired

MODELS_MAX = 1_000
"""Of one manifest or feed."""
_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FIELDS = frozenset(Content.__struct_fields__)
_TOP = frozenset({"publisher", "models", "defaults"})
_FEATURES = {
    "tools": "tools",
    "structured_outputs": "structured_output",
    "json_mode": "structured_output",
    "reasoning": "reasoning",
}
_TASKS = {
    "text-generation": "chat",
    "image-text-to-text": "chat",
    "any-to-any": "chat",
    "feature-extraction": "embeddings",
    "sentence-similarity": "embeddings",
}
_MILLION = Decimal(1_000_000)


def read_manifest(document: object) -> list[Desired]:
    """Return the models of a manifest of our own form. Raises InvalidInput, which says where."""
    top = _mapping(document, "the manifest")
    unknown = sorted(top.keys() - _TOP - _FIELDS - {"model", "connection"})
    if unknown:
        raise InvalidInput(f"the manifest has a member {unknown[0][:60]!r} that is not known")
    publisher = _text(top.get("publisher"), "publisher")
    defaults = _mapping(top.get("defaults", {}), "defaults")
    if "models" not in top:
        one = {name: value for name, value in top.items() if name not in {"publisher", "defaults"}}
        return [_desired(publisher, defaults | one, "the manifest")]
    models = _list(top["models"], "models")
    if not 1 <= len(models) <= MODELS_MAX:
        raise InvalidInput(f"a manifest has 1 to {MODELS_MAX} models")
    found = [
        _desired(publisher, defaults | _mapping(each, f"models[{place}]"), f"models[{place}]")
        for place, each in enumerate(models)
    ]
    names = [each.slug for each in found]
    if len(set(names)) != len(names):
        raise InvalidInput("a model is named twice in the manifest")
    return found


def is_feed(document: object) -> bool:
    """Say whether a document is a feed in OpenRouter's form."""
    return isinstance(document, dict) and isinstance(
        cast("dict[str, object]", document).get("data"), list
    )


def read_feed(document: object, publisher: str, connection: str) -> list[Desired]:
    """Return the models of a feed; what the feed does not tell is empty. Raises InvalidInput."""
    entries = _list(_mapping(document, "the feed").get("data"), "data")
    if len(entries) > MODELS_MAX:
        raise InvalidInput(f"a feed has at most {MODELS_MAX} models")
    return [
        _of_feed(_mapping(each, f"data[{place}]"), publisher, connection, f"data[{place}]")
        for place, each in enumerate(entries)
    ]


def split_card(text: str) -> tuple[str, str]:
    """Return the front matter of a README and its Markdown; the first is empty without one."""
    found = _FRONT.match(text)
    return ("", text) if found is None else (found[1], text[found.end() :])


def read_card(front: object, markdown: str, publisher: str, slug: str) -> Desired:
    """Return what a card of Hugging Face says of a model. Raises InvalidInput."""
    facts = _mapping(front, "the front matter") if front else {}
    notes: list[str] = []
    licence = licence_of(str(facts.get("license") or ""))
    name = str(facts.get("license_name") or "")
    if not licence and name:
        licence = licence_of(name) or f"LicenseRef-{re.sub(r'[^A-Za-z0-9.-]+', '-', name)}"
    task = str(facts.get("pipeline_tag") or "text-generation")
    if task not in _TASKS:
        notes.append(f"pipeline_tag {task[:40]!r} is taken for chat")
    title = re.search(r"^#\s+(.+)$", markdown, re.MULTILINE)
    paragraph = next(
        (
            " ".join(part.split())
            for part in re.split(r"\n\s*\n", markdown)
            if part.strip() and not part.lstrip().startswith(("#", "<", "!", "|", "-", "`", "["))
        ),
        "",
    )
    link = str(facts.get("license_link") or "")
    content = Content(
        display_name=(title[1].strip() if title else slug)[: rules.NAME_MAX],
        operation=_TASKS.get(task, "chat"),
        description=paragraph[: rules.DESCRIPTION_MAX],
        card=markdown.strip(),
        licence=licence,
        licence_url=link if link.startswith("https://") else "",
    )
    return Desired(publisher, slug, content, tuple(notes), _told(content))


def _desired(publisher: str, said: Mapping[str, object], where: str) -> Desired:
    unknown = sorted(said.keys() - _FIELDS - {"model", "connection"})
    if unknown:
        raise InvalidInput(f"{where} has a member {unknown[0][:60]!r} that is not known")
    slug = _text(said.get("model"), f"{where}.model")
    values: dict[str, Any] = {
        name: _plain(value) for name, value in said.items() if name in _FIELDS
    }
    if "connection" in said:
        values["connection_id"] = _text(said["connection"], f"{where}.connection")
    try:
        content = msgspec.convert(values, Content)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{where}: {error}") from error
    rules.check_bounds(content)
    return Desired(publisher, slug, content)


def _of_feed(said: Mapping[str, object], publisher: str, connection: str, where: str) -> Desired:
    upstream = _text(said.get("id"), f"{where}.id")
    notes: list[str] = []
    pricing = _mapping(said.get("pricing") or {}, f"{where}.pricing")
    notes += [
        f"the price of {name} is left out"
        for name in ("image", "request")
        if _per_million(pricing.get(name)) not in {"", "0"}
    ]
    features = [str(one) for one in _list(said.get("supported_features") or [], where)]
    output = [str(one) for one in _list(said.get("output_modalities") or ["text"], where)]
    if "text" not in output and "embeddings" not in output:
        notes.append(f"makes {', '.join(output)[:60]}, which cannot be published yet")
    sampling = _list(said.get("supported_sampling_parameters") or [], where)
    capabilities = {_FEATURES[name] for name in features if name in _FEATURES}
    if "temperature" in sampling:
        capabilities.add("temperature")
    if set(map(str, _list(said.get("input_modalities") or [], where))) - {"text"}:
        capabilities.add("attachments")
    quantization = str(said.get("quantization") or "")
    content = Content(
        display_name=str(said.get("name") or upstream)[: rules.NAME_MAX],
        operation="embeddings" if "embeddings" in output else "chat",
        version=re.sub(r"[^A-Za-z0-9._+-]+", "-", quantization)[:80] or "hosted",
        context_tokens=_count(said.get("context_length")),
        max_output_tokens=_count(said.get("max_output_length")),
        capabilities=tuple(sorted(capabilities)),
        description=str(said.get("description") or "")[: rules.DESCRIPTION_MAX],
        connection_id=connection,
        upstream_model=upstream,
        input_price=_per_million(pricing.get("prompt")),
        output_price=_per_million(pricing.get("completion")),
    )
    if said.get("is_ready") is False:
        notes.append("is not ready, says the feed")
    slug = re.sub(r"[^a-z0-9._-]+", "-", upstream.rpartition("/")[2].lower()).strip("-._")
    return Desired(publisher, slug[:100], content, tuple(notes), _told(content))


def _told(content: Content) -> frozenset[str]:
    return frozenset(
        name for name in _FIELDS if getattr(content, name) not in {None, "", (), False}
    )


def _per_million(value: object) -> str:
    """Return a price for a token as one for a million; empty when none is told."""
    if value is None or value == "":
        return ""
    try:
        amount = Decimal(str(value)) * _MILLION
    except InvalidOperation:
        return ""
    if not amount.is_finite() or amount < 0:
        return ""
    text = format(amount.quantize(Decimal("0.000000001")), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _plain(value: object) -> object:
    # A price is written as a number by many, and is text here; so is a version like 1.0.
    return str(value) if isinstance(value, Decimal) else value


def _mapping(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} is no mapping")
    return {str(name): one for name, one in cast("dict[object, object]", value).items()}


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise InvalidInput(f"{where} is no list")
    return cast("list[object]", value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise InvalidInput(f"{where} is missing, or is no short text")
    return value.strip()
