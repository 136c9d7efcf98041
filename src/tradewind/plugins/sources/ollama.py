"""What an Ollama server has, and what ollama.com runs.

Format: "List models" of https://docs.ollama.com/api/tags; the same address at ollama.com lists the
cloud's models (https://docs.ollama.com/cloud). The pages of ollama.com/library have no documented
form for programs. A name is `[namespace/]model[:tag]`, the tag being a size or a quantization.
"""

import re

import msgspec

from tradewind.plugins.sources.base import (
    Fetch,
    Reading,
    SourceEntry,
    clean_id,
    clean_parameters,
    clean_text,
    collect,
    decode_list,
    fetch_bounded,
)

NAME = "ollama"
CLOUD_HOST = "ollama-cloud"
CLOUD_URL = "https://ollama.com"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)([KMBT])")
_FACTORS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_NOT_TOLD = {"", "unknown"}


class Ollama:
    """The models of one server; without an address, of the cloud."""

    name = NAME

    def __init__(self, host: str = CLOUD_HOST, base_url: str = CLOUD_URL) -> None:
        self._host = host
        self._url = f"{base_url.rstrip('/')}/api/tags"

    def read(self, fetch: Fetch) -> Reading:
        answer = decode_list(fetch_bounded(fetch, self._url, NAME), _answer, f"{NAME} {self._host}")
        return collect(answer.models, self._entry)

    def _entry(self, raw: msgspec.Raw) -> SourceEntry:
        line = _model.decode(raw)
        upstream_id = clean_id(line.model or line.name)
        details = line.details or _Details()
        quantization = clean_text(details.quantization_level, 32).lower()
        is_known = quantization not in _NOT_TOLD
        return SourceEntry(
            source=NAME,
            host=self._host,
            upstream_id=upstream_id,
            family=clean_text(details.family),
            open_weights=True if details.format == "gguf" else None,
            parameters=_parameters(details.parameter_size or ""),
            digest=line.digest if _DIGEST.fullmatch(line.digest) else "",
            quantization=quantization if is_known else "",
        )


class _Details(msgspec.Struct):
    format: str | None = None
    family: str | None = None
    parameter_size: str | None = None
    quantization_level: str | None = None


class _Model(msgspec.Struct):
    name: str
    model: str | None = None
    digest: str = ""
    details: _Details | None = None


class _Answer(msgspec.Struct):
    models: list[msgspec.Raw]


_answer = msgspec.json.Decoder(_Answer)
_model = msgspec.json.Decoder(_Model)


def _parameters(text: str) -> int | None:
    size = _SIZE.fullmatch(text.upper())
    return None if size is None else clean_parameters(float(size[1]) * _FACTORS[size[2]])
