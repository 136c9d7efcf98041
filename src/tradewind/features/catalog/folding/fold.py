"""Fold the entries of all sources into models and offers. See the package for what that means."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from tradewind.features.catalog.folding.folded import (
    Fact,
    FactValue,
    Folded,
    FoldedModel,
    FoldedOffer,
    Unfolded,
)
from tradewind.features.catalog.folding.inference import licence_by_family, task_of
from tradewind.features.catalog.folding.licences import licence_of
from tradewind.features.catalog.folding.names import ROUTER, ReadId, key_of, read_id
from tradewind.features.catalog.folding.operations import operation_of
from tradewind.features.catalog.folding.precedence import (
    INFERRED,
    Witness,
    choose_facts,
    price_source_order,
    witness,
)
from tradewind.features.catalog.folding.publishers import KnownPublishers, known_publishers
from tradewind.plugins.sources.base import SourceEntry

# What lists write behind a name for their own purposes.
_BEHIND_NAME = re.compile(
    r"\s*(?:\((?:free|latest|us|eu|global|fast|batch|thinking|exacto|beta|\d+% off"
    r"|\d{4}-?\d\d-?\d\d)\)|\bTEE)$",
    re.IGNORECASE,
)
_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,99}")


def fold(entries: Iterable[SourceEntry]) -> Folded:
    """Fold them. Some 10,000 entries a second; everything is held in memory."""
    known = known_publishers()
    groups: dict[tuple[str, str], list[Witness]] = defaultdict(list)
    unfolded: set[Unfolded] = set()
    for entry in _distinct(entries):
        read = read_id(
            entry.upstream_id, host=entry.host, family=entry.family, maker=entry.publisher_hint
        )
        reason = ROUTER if entry.is_router else read.reason
        if reason:
            unfolded.add(Unfolded(entry.source, entry.host, entry.upstream_id, reason))
            continue
        publisher = known.by_slug.get(read.publisher)
        groups[read.publisher, key_of(read.slug)].append(witness(entry, read, publisher))
    models = [_model(publisher, group, known) for (publisher, _), group in groups.items()]
    models.sort(key=lambda made: made[0].name)
    offers = [offer for model, group in models for offer in _offers(model.name, group)]
    offers.sort(key=lambda offer: (offer.host, offer.upstream_id))
    return Folded(
        _with_aliases([model for model, _ in models], [group for _, group in models]),
        tuple(offers),
        tuple(sorted(unfolded)),
    )


def report(folded: Folded) -> dict[str, Any]:
    """Return how much was folded and what was not, by reason, as JSON has it."""
    by_reason: dict[str, list[dict[str, str]]] = {}
    for left in folded.unfolded:
        by_reason.setdefault(left.reason, []).append(
            {"source": left.source, "host": left.host, "upstream_id": left.upstream_id}
        )
    return {
        "models": len(folded.models),
        "offers": len(folded.offers),
        "publishers": len({model.publisher for model in folded.models}),
        "providers": len({offer.host for offer in folded.offers}),
        "unfolded": len(folded.unfolded),
        "reasons": dict(sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))),
    }


def _distinct(entries: Iterable[SourceEntry]) -> Iterable[SourceEntry]:
    """Return one entry for each source, host and id: lists name some twice."""
    found: dict[tuple[str, str, str], SourceEntry] = {}
    for entry in entries:
        key = (entry.source, entry.host, entry.upstream_id)
        other = found.setdefault(key, entry)
        if other is not entry and other != entry:
            found[key] = max(other, entry, key=_content_of)
    return found.values()


def _content_of(entry: SourceEntry) -> str:
    """Return a text that differs for entries that differ; the order of a set is left to chance."""
    parts = ((name, getattr(entry, name)) for name in entry.__struct_fields__)
    return repr(
        [
            (name, sorted(cast("frozenset[str]", value)) if isinstance(value, frozenset) else value)
            for name, value in parts
        ]
    )


_FACTS: tuple[tuple[str, Callable[[SourceEntry], FactValue | None]], ...] = (
    ("display_name", lambda entry: _BEHIND_NAME.sub("", entry.name)),
    ("family", lambda entry: entry.family),
    ("description", lambda entry: entry.description),
    ("licence", lambda entry: licence_of(entry.licence_hint)),
    ("is_gated", lambda entry: entry.is_gated),
    ("released_on", lambda entry: entry.released_on),
    ("knowledge", lambda entry: entry.knowledge),
    ("input_modalities", lambda entry: entry.input_modalities),
    ("output_modalities", lambda entry: entry.output_modalities),
    ("capabilities", lambda entry: entry.capabilities),
    ("open_weights", lambda entry: entry.open_weights),
    ("context_tokens", lambda entry: entry.context_tokens),
    ("max_output_tokens", lambda entry: entry.max_output_tokens),
    ("parameters", lambda entry: entry.parameters),
    ("dimensions", lambda entry: entry.dimensions),
    ("downloads", lambda entry: entry.downloads),
    ("url", lambda entry: entry.url),
)


def _model(
    publisher: str, group: list[Witness], known: KnownPublishers
) -> tuple[FoldedModel, list[Witness]]:
    group.sort(key=lambda one: (one.entry.host, one.entry.upstream_id, one.source))
    chosen: dict[str, Any] = {}
    facts: list[Fact] = []
    for name, value_of in _FACTS:
        value, told = choose_facts(name, group, value_of)
        if value is not None:
            chosen[name] = value
        facts += told
    slug = _slug(group)
    name = f"{publisher}/{slug}"
    gives = chosen.get("output_modalities")
    if gives:
        takes = chosen.get("input_modalities") or ()
        operation = operation_of(name, takes, gives, family=chosen.get("family", ""))
    elif (operation := task_of(name, (one.entry for one in group))) is not None:
        facts.append(_inferred("operation", operation.value))
    if "licence" not in chosen and (licence := licence_by_family(name)):
        chosen["licence"] = licence
        facts.append(_inferred("licence", licence))
    known_publisher = known.by_slug.get(publisher)
    chosen.setdefault("display_name", slug)
    model = FoldedModel(
        publisher=publisher,
        publisher_name=known_publisher.name if known_publisher else publisher,
        slug=slug,
        versions=tuple(sorted({one.read.version for one in group if one.read.version})),
        operation=operation,
        is_operation_known=bool(gives) or operation is not None,
        facts=tuple(facts),
        **chosen,
    )
    return model, group


def _inferred(name: str, value: str) -> Fact:
    return Fact(name, value, INFERRED, "", "", None)


def _slug(group: Sequence[Witness]) -> str:
    """Return the spelling of those that count most, of these the most frequent."""
    trust = min(one.trust for one in group)
    counted = Counter(one.read.slug for one in group if one.trust == trust)
    return min(counted, key=lambda slug: (-counted[slug], slug))


def _offers(model: str, group: Sequence[Witness]) -> list[FoldedOffer]:
    listed: dict[tuple[str, str], list[Witness]] = defaultdict(list)
    for one in group:
        if one.entry.host:
            listed[one.entry.host, one.entry.upstream_id].append(one)
    hosts = {
        host
        for (host, _), told in listed.items()
        if not all(one.entry.is_price_only for one in told)
    }
    prices: dict[tuple[str, str, str], list[Witness]] = defaultdict(list)
    offers: list[FoldedOffer] = []
    for (host, _), told in listed.items():
        if host in hosts and all(one.entry.is_price_only for one in told):
            # The host's list has the model, under other ids: this is no second offer of it.
            for one in told:
                prices[host, one.read.region, one.read.variant].append(one)
        else:
            offers.append(_offer(model, told, ()))
    return _without_flat_fees(
        [
            offer
            if offer.prices or offer.is_price_only
            else _offer(
                model,
                listed[offer.host, offer.upstream_id],
                prices[offer.host, offer.region, offer.variant],
            )
            for offer in offers
        ]
    )


def _without_flat_fees(offers: list[FoldedOffer]) -> list[FoldedOffer]:
    """Return the offers of one model, where a price of nothing is one.

    Hosts that take a fee by the month write 0 for each token. Where others have a price for the
    model, such a 0 means that the price by token is not told, unless the offer calls itself free.
    """
    if not any(_has_price(offer) for offer in offers):
        return offers
    return [
        offer
        if _has_price(offer) or "free" in offer.variant.split("+")
        else replace(offer, prices=(), price_source="")
        for offer in offers
    ]


def _has_price(offer: FoldedOffer) -> bool:
    return any(tier.input_nanos or tier.output_nanos for tier in offer.prices)


def _offer(model: str, told: Sequence[Witness], priced: Sequence[Witness]) -> FoldedOffer:
    """`priced` are lists of prices under another id of the same model at the same host."""
    by_fact = sorted(told, key=lambda one: one.source)
    by_price = sorted(told, key=lambda one: price_source_order(one.entry.source))
    by_price += sorted(
        priced, key=lambda one: (price_source_order(one.entry.source), one.entry.upstream_id)
    )
    first, read = by_fact[0].entry, by_fact[0].read
    price = next((one.entry for one in by_price if one.entry.prices), None)
    meters = next((one.entry.meters for one in by_price if one.entry.meters), ())

    def told_first(value_of: Callable[[SourceEntry], Any]) -> Any:
        return next((value for one in by_fact if (value := value_of(one.entry))), None)

    return FoldedOffer(
        model=model,
        host=first.host,
        upstream_id=first.upstream_id,
        region=read.region,
        variant=read.variant,
        version=read.version,
        quantization=told_first(lambda entry: entry.quantization) or read.quantization,
        prices=price.prices if price is not None else (),
        meters=meters,
        context_tokens=told_first(lambda entry: entry.context_tokens),
        max_output_tokens=told_first(lambda entry: entry.max_output_tokens),
        capabilities=next(
            (one.entry.capabilities for one in by_fact if one.entry.capabilities is not None), None
        ),
        status=told_first(lambda entry: entry.status) or "",
        source=first.source,
        price_source=price.source if price is not None else "",
        observed_on=(price or first).observed_on,
        is_price_only=all(one.entry.is_price_only for one in told),
    )


def _with_aliases(
    models: Sequence[FoldedModel], groups: Sequence[Sequence[Witness]]
) -> tuple[FoldedModel, ...]:
    names = {model.name for model in models}
    claims: dict[str, set[str]] = defaultdict(set)
    for model, group in zip(models, groups, strict=True):
        for one in group:
            for alias in _called(one.entry.upstream_id, one.read):
                claims[alias].add(model.name)
    aliases: dict[str, list[str]] = defaultdict(list)
    for alias, claimed in claims.items():
        if len(claimed) == 1 and alias not in names:
            aliases[next(iter(claimed))].append(alias)
    return tuple(
        replace(model, aliases=tuple(sorted(aliases[model.name])))
        if model.name in aliases
        else model
        for model in models
    )


def _called(upstream_id: str, read: ReadId) -> Iterable[str]:
    """Yield names that a client who knows the model from elsewhere may call it by."""
    yield read.name
    text = upstream_id.lower()
    if not (read.variant or read.region or read.quantization or read.version) and _ALIAS.fullmatch(
        text
    ):
        yield text
