"""From the entries of one source to what is compared with the catalog. Pure."""

from collections.abc import Collection
from datetime import date
from typing import Any

from tradewind.features.catalog.folding.fold import fold
from tradewind.features.catalog.folding.folded import FactValue, FoldedModel, FoldedOffer
from tradewind.features.catalog.folding.names import key_of
from tradewind.features.catalog.folding.precedence import INFERRED
from tradewind.features.catalog.folding.publishers import known_publishers
from tradewind.features.catalog.rules.said import (
    OfferKey,
    Prices,
    Said,
    SaidModel,
    SaidOffer,
    Terms,
    Unfolded,
)
from tradewind.plugins.sources.base import Reading

# Each of their readings is all they list: what is missing from it is missing.
_WHOLE = frozenset({"models_dev", "openrouter", "genai_prices", "mteb"})
_STATUSES = frozenset({"beta", "deprecated"})


def said_by(source: str, reading: Reading, names: Collection[str], today: date) -> Said:
    """Return what a source says, under the names the catalog has.

    `names` are those of its models: one source alone may write the same name otherwise.
    """
    folded = fold(reading.entries)
    known = {_key(name): name for name in sorted(names)}
    called = {model.name: known.get(_key(model.name), model.name) for model in folded.models}
    days = [entry.observed_on for entry in reading.entries if entry.observed_on is not None]
    offers = tuple(_offer(offer, called[offer.model]) for offer in folded.offers)
    return Said(
        source=source,
        observed_on=max(days, default=today),
        seen=len(reading.entries),
        models=tuple(_model(model, called[model.name]) for model in folded.models),
        offers=offers,
        unfolded=tuple(
            Unfolded(left.host, left.upstream_id, left.reason) for left in folded.unfolded
        ),
        hosts=None if source in _WHOLE else frozenset(offer.key.host for offer in offers),
    )


def _key(name: str) -> tuple[str, str]:
    publisher, _, slug = name.partition("/")
    return publisher, key_of(slug)


def _model(model: FoldedModel, name: str) -> SaidModel:
    publisher = known_publishers().by_slug.get(model.publisher)
    inferred = {fact.name: fact.value for fact in model.facts if fact.source == INFERRED}
    facts = {fact.name: _as_json(fact.value) for fact in model.facts if fact.source != INFERRED}
    if model.operation is not None and "operation" not in inferred:
        facts["operation"] = model.operation.value
    aliases = model.aliases if name == model.name else (model.name, *model.aliases)
    return SaidModel(
        name,
        model.publisher_name,
        publisher.website if publisher is not None else "",
        facts,
        aliases,
        inferred,
    )


def _offer(offer: FoldedOffer, model: str) -> SaidOffer:
    terms = Terms(
        model,
        offer.context_tokens,
        offer.max_output_tokens,
        tuple(sorted(offer.capabilities or ())),
        offer.status if offer.status in _STATUSES else "active",
        offer.version,
        offer.quantization,
        offer.variant,
    )
    key = OfferKey(offer.host, offer.upstream_id, offer.region)
    return SaidOffer(key, terms, _prices(offer), offer.is_price_only)


def _prices(offer: FoldedOffer) -> Prices | None:
    if not offer.prices and not offer.meters:
        return None
    tiers = tuple(
        (
            tier.from_context_tokens,
            tier.input_nanos,
            tier.output_nanos,
            tier.cached_input_nanos,
            tier.cache_write_nanos,
        )
        for tier in offer.prices
    )
    meters = tuple(sorted(offer.meters))
    if not tiers:
        return Prices(meters=meters)
    _, taken, given, cached, written = tiers[0]
    return Prices("USD", taken, given, cached, written, meters, tiers[1:])


def _as_json(value: FactValue) -> Any:
    match value:
        case frozenset():
            return sorted(value)
        case tuple():
            return list(value)
        case date():
            return value.isoformat()
        case _:
            return value
