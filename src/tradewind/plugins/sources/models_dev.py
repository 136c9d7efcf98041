"""models.dev: who serves which models, at what price. Live, or the snapshot that is shipped.

Format of https://models.dev/api.json: the "API" and "Schema Reference" parts of the README of
github.com/anomalyco/models.dev, and its packages/core/src/schema.ts: an object of providers by id,
each with `models`, an object of models by id.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from tradewind.plugins.sources.base import (
    ATTACHMENTS,
    MAX_BYTES,
    MAX_NAME,
    REASONING,
    STRUCTURED_OUTPUT,
    TEMPERATURE,
    TOOLS,
    BadEntry,
    Fetch,
    Reading,
    SourceEntry,
    SourceUnreadable,
    TierPrice,
    clean_day,
    clean_id,
    clean_knowledge,
    clean_modalities,
    clean_text,
    clean_tokens,
    collect,
    decode_list,
    fetch_bounded,
    nanos_of,
    ordered_tiers,
)
from tradewind.plugins.sources.compact import SHIPPED_ON, ListedModel, ListedPrice, read_shipped

NAME = "models_dev"
URL = "https://models.dev/api.json"
_STATUSES = {"alpha": "beta", "beta": "beta", "deprecated": "deprecated"}
_MAX_HOSTS = 10_000


class ModelsDev:
    """The live list."""

    name = NAME

    def __init__(self, url: str = URL) -> None:
        self._url = url

    def read(self, fetch: Fetch) -> Reading:
        return read_answer(fetch_bounded(fetch, self._url, NAME))


class ShippedModelsDev:
    """The list that comes with this release. Fetches nothing, and says which day it is of."""

    name = NAME

    def read(self, fetch: Fetch) -> Reading:  # noqa: ARG002  the family's form
        return collect(read_shipped().models, _shipped_entry)


def read_answer(data: bytes) -> Reading:
    """Read an answer of api.json, or a file of it. Raises SourceUnreadable."""
    if len(data) > MAX_BYTES:
        raise SourceUnreadable(f"{NAME}: the file is longer than {MAX_BYTES} bytes")
    hosts = decode_list(data, _hosts, NAME)
    if len(hosts) > _MAX_HOSTS:
        raise SourceUnreadable(f"{NAME}: the list names more than {_MAX_HOSTS} hosts")
    return collect(_flat(hosts), _live_entry)


class _Tier(msgspec.Struct):
    size: int
    """Of the input the tier begins behind."""


class _Cost(msgspec.Struct):
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    context_over_200k: "_Cost | None" = None
    tier: _Tier | None = None
    tiers: "list[_Cost] | None" = None


class _Limit(msgspec.Struct):
    context: float | None = None
    output: float | None = None


class _Modalities(msgspec.Struct):
    input: list[str] | None = None
    output: list[str] | None = None


class _Model(msgspec.Struct):
    id: str
    name: str = ""
    description: str | None = None
    family: str | None = None
    attachment: bool | None = None
    reasoning: bool | None = None
    temperature: bool | None = None
    # Either a boolean, or an object of finer facts with `supported`.
    tool_call: Any = None
    structured_output: bool | None = None
    knowledge: str | None = None
    release_date: str | None = None
    modalities: _Modalities | None = None
    open_weights: bool | None = None
    cost: _Cost | None = None
    limit: _Limit | None = None
    status: str | None = None


class _Provider(msgspec.Struct):
    models: dict[str, msgspec.Raw]


_hosts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_provider = msgspec.json.Decoder(_Provider)
_model = msgspec.json.Decoder(_Model)


def _flat(hosts: dict[str, msgspec.Raw]) -> Iterator[tuple[str, msgspec.Raw | None]]:
    for host, raw in hosts.items():
        try:
            provider = _provider.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield host, None
            continue
        for model in provider.models.values():
            yield host, model


def _live_entry(item: tuple[str, msgspec.Raw | None]) -> SourceEntry:
    host, raw = item
    if raw is None:
        raise BadEntry("the host has no list of models")
    line = _model.decode(raw)
    limit = line.limit or _Limit()
    modalities = line.modalities or _Modalities()
    tools: Any = line.tool_call
    has_tools = tools.get("supported") is True if isinstance(tools, dict) else tools is True  # pyright: ignore[reportUnknownMemberType]
    flags = (
        (TOOLS, has_tools),
        (STRUCTURED_OUTPUT, line.structured_output),
        (REASONING, line.reasoning),
        (ATTACHMENTS, line.attachment),
        (TEMPERATURE, line.temperature),
    )
    return SourceEntry(
        source=NAME,
        host=_clean_host(host),
        upstream_id=clean_id(line.id),
        name=clean_text(line.name),
        family=clean_text(line.family),
        description=clean_text(line.description, 600),
        released_on=clean_day(line.release_date),
        knowledge=clean_knowledge(line.knowledge),
        input_modalities=clean_modalities(modalities.input),
        output_modalities=clean_modalities(modalities.output),
        capabilities=frozenset(name for name, is_there in flags if is_there),
        open_weights=line.open_weights,
        context_tokens=clean_tokens(limit.context),
        max_output_tokens=clean_tokens(limit.output),
        prices=_live_prices(line.cost),
        meters=_audio(line.cost.input_audio, line.cost.output_audio) if line.cost else (),
        status=_STATUSES.get(line.status or "", ""),
    )


def _live_prices(cost: _Cost | None) -> tuple[TierPrice, ...]:
    if cost is None:
        return ()
    tiers = [_tier(cost, 0)]
    if cost.tiers:
        tiers += [_tier(tier, tier.tier.size) for tier in cost.tiers if tier.tier is not None]
    elif cost.context_over_200k is not None:
        tiers.append(_tier(cost.context_over_200k, 200_000))
    return ordered_tiers(tiers)


def _tier(cost: _Cost, from_context_tokens: int) -> TierPrice:
    if not 0 <= from_context_tokens <= 10**9:
        raise BadEntry("a price holds from an input of no possible length")
    return TierPrice(
        nanos_of(cost.input),
        nanos_of(cost.output),
        nanos_of(cost.cache_read),
        nanos_of(cost.cache_write),
        from_context_tokens,
    )


def _shipped_entry(line: ListedModel) -> SourceEntry:
    flags = (
        (TOOLS, line.tool_call),
        (STRUCTURED_OUTPUT, line.structured_output),
        (REASONING, line.reasoning),
        (ATTACHMENTS, line.attachment),
        (TEMPERATURE, line.temperature),
    )
    ordinary = line.pricing[0] if line.pricing else None
    return SourceEntry(
        source=NAME,
        host=_clean_host(line.provider_id),
        upstream_id=clean_id(line.id),
        name=clean_text(line.name),
        family=clean_text(line.family),
        knowledge=clean_knowledge(line.knowledge),
        input_modalities=clean_modalities(line.modalities.input),
        output_modalities=clean_modalities(line.modalities.output),
        capabilities=frozenset(name for name, is_there in flags if is_there),
        open_weights=bool(line.open_weights),
        context_tokens=clean_tokens(line.limit_context),
        max_output_tokens=clean_tokens(line.limit_output),
        prices=ordered_tiers(_shipped_tier(price) for price in line.pricing),
        meters=_audio(ordinary.cost_input_audio, ordinary.cost_output_audio) if ordinary else (),
        status=_STATUSES.get(line.status, ""),
        observed_on=SHIPPED_ON,
    )


def _shipped_tier(price: ListedPrice) -> TierPrice:
    return TierPrice(
        nanos_of(price.cost_input),
        nanos_of(price.cost_output),
        nanos_of(price.cost_cache_read),
        nanos_of(price.cost_cache_write),
        price.min_context,
    )


def _audio(heard: Decimal | None, spoken: Decimal | None) -> tuple[tuple[str, int], ...]:
    meters = (("audio_input_tokens", nanos_of(heard)), ("audio_output_tokens", nanos_of(spoken)))
    return tuple((name, nanos) for name, nanos in meters if nanos is not None)


def _clean_host(text: str) -> str:
    host = clean_text(text, MAX_NAME)
    if not host or host != text or not host.isascii() or "/" in host:
        raise BadEntry("its host's id is not a plain word")
    return host
