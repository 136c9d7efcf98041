"""The hosts that are known by name: where they are, how they are spoken to, what their models cost.

Read from the shipped snapshot of models.dev on first use, about 50 ms, and kept.
"""

import functools
import gzip
import re
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from importlib import resources

import msgspec

from tradewind.features.providers.host_kinds import kind_of
from tradewind.features.providers.schemas import HostModel, HostPrice, KnownHost
from tradewind.snapshot.contents import Operation

_DATA = "models-dev.jsonl.gz"
_CHAT_PATH = "/chat/completions"
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_EMBEDDER = re.compile(r"embed|(?:^|[/-])(?:bge|e5|gte|voyage|mpnet|multi-qa|all-mini-?lm|mini_lm)")
_RERANKER = re.compile(r"rerank")
_MODERATOR = re.compile(r"moderation")
_PAINTER = re.compile(r"gpt-image")  # tells in text what it painted


@functools.cache
def known_hosts() -> Mapping[str, KnownHost]:
    """Return every known host by its id, in the order of their names."""
    raw = gzip.decompress(
        (resources.files("tradewind.features.providers") / "data" / _DATA).read_bytes()
    )
    lines = _decoder.decode_lines(raw)
    models: dict[str, list[HostModel]] = {}
    for line in lines:
        if isinstance(line, _Model):
            models.setdefault(line.provider_id, []).append(_model(line))
    hosts = [
        _host(line, tuple(models.get(line.id, ()))) for line in lines if isinstance(line, _Provider)
    ]
    return {host.id: host for host in sorted(hosts, key=lambda host: host.name.casefold())}


def search_hosts(text: str = "") -> Iterator[KnownHost]:
    """Yield the hosts whose id or name contains all words of `text`; all of them without any."""
    words = text.casefold().split()
    for host in known_hosts().values():
        place = f"{host.id} {host.name}".casefold()
        if all(word in place for word in words):
            yield host


def search_models(host: KnownHost, text: str = "") -> Iterator[HostModel]:
    """Yield the host's models whose id, name or family contains all words of `text`."""
    words = text.casefold().split()
    for model in host.models:
        place = f"{model.id} {model.name} {model.family}".casefold()
        if all(word in place for word in words):
            yield model


class _Provider(msgspec.Struct, tag="provider", tag_field="kind"):
    id: str
    name: str
    npm: str
    doc: str
    env: str
    api: str = ""


class _Price(msgspec.Struct):
    """Decimals, read as they are written: a float would already be another price."""

    cost_input: Decimal
    cost_output: Decimal
    cost_cache_read: Decimal | None = None
    cost_cache_write: Decimal | None = None
    min_context: int = 0


class _Modalities(msgspec.Struct):
    input: tuple[str, ...]
    output: tuple[str, ...]


class _Model(msgspec.Struct, tag="model", tag_field="kind"):
    id: str
    name: str
    provider_id: str
    reasoning: int
    tool_call: int
    open_weights: int
    limit_context: int
    limit_output: int
    modalities: _Modalities
    pricing: list[_Price]
    family: str = ""
    structured_output: int | None = None
    knowledge: str = ""
    status: str = ""


_decoder = msgspec.json.Decoder(_Provider | _Model)


def _host(line: _Provider, models: tuple[HostModel, ...]) -> KnownHost:
    kind = kind_of(line.id, line.npm)
    base_url = line.api.removesuffix("/").removesuffix(_CHAT_PATH) or kind.base_url
    return KnownHost(
        id=line.id,
        name=line.name,
        shape=kind.shape,
        provider=kind.provider or None,
        base_url=_VARIABLE.sub(r"{\1}", base_url),
        unsupported_reason=kind.reason,
        documentation=line.doc,
        environment=tuple(filter(None, line.env.split(";"))),
        models=models,
    )


def _model(line: _Model) -> HostModel:
    return HostModel(
        id=line.id,
        name=line.name,
        family=line.family,
        operation=_operation(line),
        input_modalities=line.modalities.input,
        output_modalities=line.modalities.output,
        context_tokens=line.limit_context or None,
        max_output_tokens=line.limit_output or None,
        prices=tuple(
            HostPrice(
                _nanos(price.cost_input),
                _nanos(price.cost_output),
                None if price.cost_cache_read is None else _nanos(price.cost_cache_read),
                None if price.cost_cache_write is None else _nanos(price.cost_cache_write),
                price.min_context,
            )
            for price in sorted(line.pricing, key=lambda price: price.min_context)
        ),
        has_tools=bool(line.tool_call),
        has_reasoning=bool(line.reasoning),
        has_structured_output=(
            None if line.structured_output is None else bool(line.structured_output)
        ),
        has_open_weights=bool(line.open_weights),
        knowledge=line.knowledge,
        status=line.status,
    )


def _nanos(dollars: Decimal) -> int:
    # Some hosts' prices went through a float before they came into the list: 0.19999999999999998
    # stands for 0.2, and nanos are fine enough to tell.
    return int(dollars.scaleb(9).to_integral_value(ROUND_HALF_EVEN))


def _operation(line: _Model) -> Operation | None:
    """Return what the model serves. The list has no such field, so it is told by what goes in and
    out, and for models from text to text by the name.
    """
    takes, gives = set(line.modalities.input), set(line.modalities.output)
    if "text" in gives:
        name = f"{line.id} {line.family}".lower()
        if _RERANKER.search(name):
            return Operation.RERANK
        if _EMBEDDER.search(name):
            return Operation.EMBEDDINGS
        if _MODERATOR.search(name):
            return Operation.MODERATIONS
        if "image" in gives and _PAINTER.search(name):
            return Operation.IMAGES
        return Operation.TRANSCRIPTION if takes == {"audio"} else Operation.CHAT
    if "image" in gives:
        return Operation.IMAGES
    return Operation.SPEECH if "audio" in gives and "video" not in gives else None
