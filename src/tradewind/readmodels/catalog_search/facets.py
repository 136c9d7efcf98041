"""The facets: which there are, and which of their values a model has. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tradewind.readmodels.catalog_search.rows import CatalogRow

UNKNOWN = "unknown"
OTHER = "other"
CALLABLE = "callable"
DEPLOYABILITY = "deployability"
PUBLISHER = "publisher"
_NANOS = 1_000_000_000
_CONTEXT_BANDS = (
    (1_000_000, "1m", "1M and more"),
    (128_000, "128k", "128K to 1M"),
    (32_000, "32k", "32K to 128K"),
    (8_000, "8k", "8K to 32K"),
    (0, "under-8k", "Under 8K"),
)
_FREE = "free"
_PRICE_BANDS = (
    (10 * _NANOS, "10", "10 and more"),
    (2 * _NANOS, "2-10", "2 to 10"),
    (_NANOS // 2, "0.5-2", "0.5 to 2"),
    (_NANOS // 10, "0.1-0.5", "0.1 to 0.5"),
    (1, "under-0.1", "Under 0.1"),
    (0, _FREE, "Free"),
)
_OPERATIONS = {
    "chat": "Chat",
    "completions": "Completions",
    "embeddings": "Embeddings",
    "rerank": "Rerank",
    "moderations": "Moderation",
    "images": "Image generation",
    "image_edits": "Image editing",
    "speech": "Speech",
    "transcription": "Transcription",
    "translation": "Translation",
    OTHER: "Other",
}
_MODALITIES = {
    "text": "Text",
    "image": "Image",
    "audio": "Audio",
    "video": "Video",
    "pdf": "PDF",
    "embedding": "Embedding",
    "score": "Score",
    UNKNOWN: "Unknown",
}


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    label: str
    of: Callable[[CatalogRow], Iterable[str]]
    labels: dict[str, str] | None = None
    """Of every value, in the order they are shown in; None for values that models bring."""

    @property
    def values(self) -> tuple[str, ...] | None:
        return None if self.labels is None else tuple(self.labels)


def _task(row: CatalogRow) -> Iterable[str]:
    return (row.operation if row.operation in _OPERATIONS else OTHER,)


def _modalities(values: tuple[str, ...]) -> Iterable[str]:
    return [value for value in dict.fromkeys(values) if value in _MODALITIES] or (UNKNOWN,)


def _context(row: CatalogRow) -> Iterable[str]:
    if row.context_tokens is None:
        return (UNKNOWN,)
    return (next(name for least, name, _ in _CONTEXT_BANDS if row.context_tokens >= least),)


def _price(row: CatalogRow) -> Iterable[str]:
    if row.price is None:
        return (UNKNOWN,)
    mixed = row.price.mixed_nanos
    band = next(name for least, name, _ in _PRICE_BANDS if mixed >= least)
    return {band, _FREE} if row.has_free_offer else (band,)


def _deployability(row: CatalogRow) -> Iterable[str]:
    """What only some organizations can call is added for each reader; see `packed`."""
    found: list[str] = []
    if row.has_weights:
        found.append("here")
    if "" in row.callable_by:
        found.append(CALLABLE)
    if row.offers:
        found.append("elsewhere")
    return found


def _weights(row: CatalogRow) -> Iterable[str]:
    if row.open_weights is None:
        return (UNKNOWN,)
    return ("open" if row.open_weights else "closed",)


def _lifecycle(row: CatalogRow) -> Iterable[str]:
    return (row.lifecycle,) if row.lifecycle in _LIFECYCLES else ()


_LIFECYCLES = {
    "preview": "Preview",
    "ga": "Generally available",
    "legacy": "Legacy",
    "deprecated": "Deprecated",
    "retired": "Retired",
}
_CAPABILITIES = {
    "tools": "Tools",
    "structured_output": "Structured output",
    "reasoning": "Reasoning",
    "attachments": "Attachments",
    "temperature": "Temperature",
}

FACETS: dict[str, Facet] = {
    facet.name: facet
    for facet in (
        Facet(
            DEPLOYABILITY,
            "How to get it",
            _deployability,
            {
                "here": "Own weights here",
                CALLABLE: "Callable now",
                "elsewhere": "Offered elsewhere",
            },
        ),
        Facet("task", "Task", _task, _OPERATIONS),
        Facet("input", "Input", lambda row: _modalities(row.input_modalities), _MODALITIES),
        Facet("output", "Output", lambda row: _modalities(row.output_modalities), _MODALITIES),
        Facet(PUBLISHER, "Publisher", lambda row: (row.publisher,)),
        Facet(
            "weights",
            "Weights",
            _weights,
            {"open": "Open", "closed": "Closed", UNKNOWN: "Unknown"},
        ),
        Facet("licence", "Licence", lambda row: (row.licence[:120] or UNKNOWN,)),
        Facet(
            "context",
            "Context",
            _context,
            {name: label for _, name, label in reversed(_CONTEXT_BANDS)} | {UNKNOWN: "Unknown"},
        ),
        Facet(
            "price",
            "Price",
            _price,
            {name: label for _, name, label in reversed(_PRICE_BANDS)} | {UNKNOWN: "Unknown"},
        ),
        Facet(
            "capability",
            "Capability",
            lambda row: [value for value in row.capabilities if value in _CAPABILITIES],
            _CAPABILITIES,
        ),
        Facet("region", "Region", lambda row: [value[:120] for value in row.regions if value]),
        Facet("lifecycle", "Lifecycle", _lifecycle, _LIFECYCLES),
    )
}
"""By name, in the order they are shown in."""


def values_of(row: CatalogRow) -> list[tuple[str, str]]:
    """Return (facet, value) of everything that is true of the model for every reader."""
    return [
        (name, value) for name, facet in FACETS.items() for value in dict.fromkeys(facet.of(row))
    ]
