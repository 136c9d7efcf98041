"""The Hugging Face hub, or a mirror of it: who published which weights, under which licence.

Format: the page "Hub API Endpoints" of the hub's documentation (`GET /api/models` with `search`,
`author`, `filter`, `sort`, `limit` and `expand`), its members as `ModelInfo` of the page "HfApi
Client" of huggingface_hub's reference has them. A hub serves no calls, so its entries have no host:
they tell of models, and offer none. Where the hub lies is a setting: a mirror has the same form.
"""

from urllib.parse import urlencode

import msgspec

from tradewind.plugins.sources.base import (
    Fetch,
    Reading,
    SourceEntry,
    clean_day,
    clean_id,
    clean_parameters,
    clean_text,
    clean_tokens,
    collect,
    decode_list,
    fetch_bounded,
)
from tradewind.plugins.sources.compact import read_shipped

NAME = "huggingface"
MOST = 1000
"""Models that one search returns at most."""
_EXPAND = (
    *("author", "createdAt", "downloads", "gated", "gguf", "library_name"),
    *("pipeline_tag", "private", "safetensors", "tags"),
)
_LICENCE = "license:"
# The hub's tasks; what goes in and what comes out.
_MODALITIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "text-generation": (("text",), ("text",)),
    "summarization": (("text",), ("text",)),
    "translation": (("text",), ("text",)),
    "image-text-to-text": (("text", "image"), ("text",)),
    "video-text-to-text": (("text", "video"), ("text",)),
    "audio-text-to-text": (("text", "audio"), ("text",)),
    "any-to-any": (("text", "image", "audio"), ("text", "image", "audio")),
    "image-to-text": (("image",), ("text",)),
    "feature-extraction": (("text",), ("embedding",)),
    "sentence-similarity": (("text",), ("embedding",)),
    "text-ranking": (("text",), ("score",)),
    "text-to-image": (("text",), ("image",)),
    "image-to-image": (("text", "image"), ("image",)),
    "text-to-video": (("text",), ("video",)),
    "image-to-video": (("text", "image"), ("video",)),
    "text-to-speech": (("text",), ("audio",)),
    "text-to-audio": (("text",), ("audio",)),
    "automatic-speech-recognition": (("audio",), ("text",)),
}


class HuggingFace:
    """One search of the hub, the most downloaded first."""

    name = NAME

    def __init__(
        self, base_url: str = "", *, search: str = "", author: str = "", limit: int = 100
    ) -> None:
        """Without `base_url` it is the public hub."""
        asked = {"search": search, "author": author}
        pairs = [(name, text) for name, text in asked.items() if text]
        pairs += [("sort", "downloads"), ("limit", str(max(1, min(limit, MOST))))]
        pairs += [("expand", name) for name in _EXPAND]
        self._base_url = base_url
        self._asked = urlencode(pairs)

    def read(self, fetch: Fetch) -> Reading:
        hub = (self._base_url or public_hub()).rstrip("/")
        data = fetch_bounded(fetch, f"{hub}/api/models?{self._asked}", NAME)
        return collect(decode_list(data, _answer, NAME), lambda raw: self._entry(raw, hub))

    @staticmethod
    def _entry(raw: msgspec.Raw, hub: str) -> SourceEntry:
        line = _model.decode(raw)
        repository = clean_id(line.id)
        tags = line.tags or []
        takes, gives = _MODALITIES.get(line.pipeline_tag or "", (None, None))
        weights, gguf = line.safetensors, line.gguf
        return SourceEntry(
            source=NAME,
            host="",
            upstream_id=repository,
            name=clean_text(repository.rpartition("/")[2]),
            publisher_hint=clean_text(line.author),
            licence_hint=_tagged(tags, _LICENCE),
            is_gated=None if line.gated is None else bool(line.gated),
            released_on=clean_day((line.created_at or "")[: len("2024-10-31")]),
            input_modalities=takes,
            output_modalities=gives,
            open_weights=True,
            context_tokens=clean_tokens(gguf.context_length) if gguf else None,
            parameters=clean_parameters(
                (weights.total if weights else None) or (gguf.total if gguf else None)
            ),
            quantization="gguf" if gguf else "",
            downloads=max(0, line.downloads) if line.downloads is not None else None,
            url=f"{hub}/{repository}",
        )


def public_hub() -> str:
    """Return where the public hub is: where its own documentation lies, by the shipped list."""
    (page,) = (host.doc for host in read_shipped().hosts if host.id == NAME)
    scheme, _, rest = page.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


class _Tensors(msgspec.Struct):
    total: float | None = None


class _Gguf(msgspec.Struct):
    total: float | None = None
    context_length: float | None = None


class _Model(msgspec.Struct):
    id: str
    author: str | None = None
    # False, or the way access is granted: "auto", "manual".
    gated: bool | str | None = None
    downloads: int | None = None
    created_at: str | None = msgspec.field(name="createdAt", default=None)
    pipeline_tag: str | None = None
    tags: list[str] | None = None
    safetensors: _Tensors | None = None
    gguf: _Gguf | None = None


_answer = msgspec.json.Decoder(list[msgspec.Raw])
_model = msgspec.json.Decoder(_Model)


def _tagged(tags: list[str], prefix: str) -> str:
    found = (tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))
    return clean_text(next(found, ""), 100)
