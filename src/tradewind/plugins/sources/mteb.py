"""Open models that turn text into vectors or rank it, from the list that is shipped. No hosts.

Format: one object a line, made by `scripts/pack_embedders.py` from the facts (`ModelMeta`) of the
package `mteb`; see data/NOTICE-mteb.txt for its day and licence. Licences are tags of the Hugging
Face hub, or addresses. A hub serves no calls: the entries have no host.
"""

import gzip
from datetime import date
from importlib import resources

import msgspec

from tradewind.plugins.sources.base import (
    Fetch,
    Reading,
    SourceEntry,
    clean_day,
    clean_dimensions,
    clean_id,
    clean_modalities,
    clean_parameters,
    clean_text,
    clean_tokens,
    collect,
)

NAME = "mteb"
SHIPPED_ON = date(2026, 10, 26)
_DATA = "mteb-models.jsonl.gz"
_GIVES = {"embeddings": ("embedding",), "rerank": ("score",)}


class Mteb:
    """Fetches nothing."""

    name = NAME

    def read(self, fetch: Fetch) -> Reading:  # noqa: ARG002  the family's form
        packed = (resources.files("tradewind.plugins.sources") / "data" / _DATA).read_bytes()
        return collect(gzip.decompress(packed).splitlines(), _entry)


class _Line(msgspec.Struct, frozen=True):
    name: str
    kind: str
    license: str = ""
    release_date: str = ""
    n_parameters: int | None = None
    embed_dim: int | list[int] | None = None
    """Several where a vector may be cut: the longest is what it gives unless asked."""
    max_tokens: float | None = None
    modalities: tuple[str, ...] = ("text",)


def _entry(line: bytes) -> SourceEntry:
    told = _decode(line)
    lengths = told.embed_dim if isinstance(told.embed_dim, list) else [told.embed_dim or 0]
    return SourceEntry(
        source=NAME,
        host="",
        upstream_id=clean_id(told.name),
        name=clean_text(told.name.rpartition("/")[2]),
        licence_hint=clean_text(told.license),
        released_on=clean_day(told.release_date),
        input_modalities=clean_modalities(told.modalities),
        output_modalities=_GIVES.get(told.kind),
        open_weights=True,
        context_tokens=clean_tokens(told.max_tokens),
        dimensions=clean_dimensions(max(lengths, default=0)),
        parameters=clean_parameters(told.n_parameters),
        observed_on=SHIPPED_ON,
    )


_decode = msgspec.json.Decoder(_Line).decode
