"""OpenRouter's list of models with their prices.

Format: "Models API Standard" of https://openrouter.ai/docs/models: `data` is a list of model
objects; prices are strings of US dollars for one token, and -1 where they depend on the call.
"""

from decimal import Decimal, InvalidOperation

import msgspec

from tradewind.plugins.sources.base import (
    ATTACHMENTS,
    REASONING,
    STRUCTURED_OUTPUT,
    TEMPERATURE,
    TOOLS,
    BadEntry,
    Fetch,
    Reading,
    SourceEntry,
    TierPrice,
    clean_id,
    clean_knowledge,
    clean_modalities,
    clean_text,
    clean_tokens,
    collect,
    day_of_seconds,
    decode_list,
    fetch_bounded,
    nanos_of,
)

NAME = "openrouter"
HOST = "openrouter"
URL = "https://openrouter.ai/api/v1/models"
_CAPABILITY_OF = {
    "tools": TOOLS,
    "structured_outputs": STRUCTURED_OUTPUT,
    "reasoning": REASONING,
    "temperature": TEMPERATURE,
}
_PER_TOKEN = 15  # nanos of a dollar, for 1,000,000 tokens
_LONGEST_NUMBER = 40


class OpenRouter:
    name = NAME

    def __init__(self, url: str = URL) -> None:
        self._url = url

    def read(self, fetch: Fetch) -> Reading:
        answer = decode_list(fetch_bounded(fetch, self._url, NAME), _answer, NAME)
        return collect(answer.data, _entry)


class _Architecture(msgspec.Struct):
    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None


class _Pricing(msgspec.Struct):
    prompt: str | None = None
    completion: str | None = None
    input_cache_read: str | None = None
    input_cache_write: str | None = None
    request: str | None = None
    image: str | None = None


class _TopProvider(msgspec.Struct):
    max_completion_tokens: float | None = None


class _Model(msgspec.Struct):
    id: str
    name: str | None = None
    created: float | None = None
    description: str | None = None
    context_length: float | None = None
    architecture: _Architecture | None = None
    pricing: _Pricing | None = None
    top_provider: _TopProvider | None = None
    supported_parameters: list[str] | None = None
    hugging_face_id: str | None = None
    knowledge_cutoff: str | None = None
    expiration_date: str | None = None


class _Answer(msgspec.Struct):
    data: list[msgspec.Raw]


_answer = msgspec.json.Decoder(_Answer)
_model = msgspec.json.Decoder(_Model)


def _entry(raw: msgspec.Raw) -> SourceEntry:
    line = _model.decode(raw)
    architecture = line.architecture or _Architecture()
    takes = clean_modalities(architecture.input_modalities)
    is_router = line.pricing is not None and line.pricing.prompt == "-1"
    told = line.supported_parameters
    capabilities = (
        None
        if told is None
        else frozenset(
            {_CAPABILITY_OF[name] for name in told if name in _CAPABILITY_OF}
            | ({ATTACHMENTS} if takes and takes != ("text",) else set[str]())
        )
    )
    # Their own pages write "Maker: Model".
    maker, colon, rest = clean_text(line.name).partition(": ")
    return SourceEntry(
        source=NAME,
        host=HOST,
        upstream_id=clean_id(line.id),
        name=rest if colon else maker,
        publisher_hint=maker if colon else "",
        description=clean_text(line.description, 600),
        # The day it came to this host is at most weeks after the day of its release.
        released_on=day_of_seconds(line.created),
        knowledge=clean_knowledge(line.knowledge_cutoff),
        input_modalities=takes,
        output_modalities=clean_modalities(architecture.output_modalities),
        capabilities=capabilities,
        open_weights=True if line.hugging_face_id else None,
        context_tokens=clean_tokens(line.context_length),
        max_output_tokens=clean_tokens(
            line.top_provider.max_completion_tokens if line.top_provider else None
        ),
        prices=() if is_router or line.pricing is None else _prices(line.pricing),
        meters=() if is_router or line.pricing is None else _meters(line.pricing),
        status="deprecated" if line.expiration_date else "",
        is_router=is_router,
        url=f"https://openrouter.ai/{line.id}",
    )


def _prices(pricing: _Pricing) -> tuple[TierPrice, ...]:
    price = TierPrice(
        nanos_of(_decimal(pricing.prompt), scale=_PER_TOKEN),
        nanos_of(_decimal(pricing.completion), scale=_PER_TOKEN),
        nanos_of(_decimal(pricing.input_cache_read), scale=_PER_TOKEN),
        nanos_of(_decimal(pricing.input_cache_write), scale=_PER_TOKEN),
    )
    return () if price == TierPrice() else (price,)


def _meters(pricing: _Pricing) -> tuple[tuple[str, int], ...]:
    told = {"requests": pricing.request, "images": pricing.image}
    meters = ((name, nanos_of(_decimal(text), scale=_PER_TOKEN)) for name, text in told.items())
    return tuple((name, nanos) for name, nanos in meters if nanos)


def _decimal(text: str | None) -> Decimal | None:
    if not text:
        return None
    if len(text) > _LONGEST_NUMBER:
        raise BadEntry("a price is not a number between 0 and a million")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadEntry("a price is not a number between 0 and a million") from None
