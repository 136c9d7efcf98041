"""What a reading of a source changes in the catalog, and what somebody has to look at first. Pure.

A source makes mistakes: a price in another unit, a list that ends in the middle. What looks like
one is *held*: the stored value stays and the change waits for somebody to apply or dismiss it. All
else is applied. Nothing is deleted: an offer that is missing from the list of its source is marked
*vanished*, and says so.

A source's word is compared with its own former word. The first word of a source on an offer, also
one that goes before another source's, is taken as it is. Planning on what a plan has left changes
nothing, and the order of the entries makes no difference. The order of two sources makes none
either, except where they tell of one offer and one of them says that it vanished.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from tradewind.features.catalog.rules.precedence import lists_before, prices_before
from tradewind.features.catalog.rules.said import (
    OfferKey,
    Prices,
    Question,
    Said,
    SaidOffer,
    Stored,
    StoredOffer,
    Terms,
)

PRICE = "price"
CONTEXT = "context"
VANISHED = "vanished"

_MOST_TIMES = 10
_LEAST_CONTEXT_PART = 4
_MOST_PERCENT_VANISHED = 10
_FEW = 2
"""A host with five models that drops one is no mistake, though it is a fifth."""


class HeldChange(NamedTuple):
    question: Question
    before: Any
    after: Any
    """As JSON holds them."""
    reason: str


class OfferValues(NamedTuple):
    """What is to be stored of an offer."""

    key: OfferKey
    terms: Terms
    prices: Prices | None
    source: str
    price_source: str | None


class FactValue(NamedTuple):
    model: str
    name: str
    value: Any


class SyncPlan(NamedTuple):
    added: list[OfferValues]
    changed: list[tuple[str, OfferValues]]
    """By the id of the offer."""
    unchanged: list[str]
    """Offers that were seen again."""
    vanished: list[str]
    held: list[HeldChange]
    facts: list[FactValue]
    """All to be stored, the changed and the unchanged: they were seen again."""
    facts_changed: int
    overruled: int
    """Offers of which a source with more weight speaks already."""


def plan_sync(stored: Stored, said: Said) -> SyncPlan:
    """Return what to do about what a source said."""
    plan = SyncPlan([], [], [], [], [], [], 0, 0)
    others = _others(stored, said.source)
    listed: set[OfferKey] = set()
    priced: set[str] = set()
    overruled = 0
    priced_by = [
        (offer, _priced_by(stored, others, said.source, offer))
        for offer in sorted(said.offers, key=lambda offer: offer.key)
    ]
    # Where an id of a list of prices is the host's own, other ids leave that offer alone.
    for offer, places in sorted(priced_by, key=lambda both: not _is_exact(*both)):
        if places is None:
            listed.add(offer.key)
            overruled += not _plan_offer(plan, stored, said.source, offer)
            continue
        for there in places:
            if there.offer_id not in priced:
                priced.add(there.offer_id)
                _plan_price(plan, stored, said.source, there, offer)
    _plan_vanished(plan, stored, said, listed)
    changed = _plan_facts(plan, stored, said)
    plan.held.sort(key=lambda change: change.question)
    return plan._replace(facts_changed=changed, overruled=overruled)


def _is_exact(offer: SaidOffer, places: list[StoredOffer] | None) -> bool:
    return places is not None and any(there.key == offer.key for there in places)


_Others = Mapping[tuple[str, str], list[StoredOffer]]
"""What other sources list, by host and model."""


def _others(stored: Stored, source: str) -> _Others:
    found: defaultdict[tuple[str, str], list[StoredOffer]] = defaultdict(list)
    for _, offer in sorted(stored.offers.items()):
        if offer.source != source and offer.terms.status != VANISHED:
            found[offer.key.host, offer.terms.model].append(offer)
    return found


def _priced_by(
    stored: Stored, others: _Others, source: str, offer: SaidOffer
) -> list[StoredOffer] | None:
    """Return the offers that an entry of a list of prices is about; None for an offer itself.

    It is one where no other source lists the model at this host.
    """
    if not offer.is_price_only:
        return None
    exact = stored.offers.get(offer.key)
    if exact is not None and exact.source != source and exact.terms.status != VANISHED:
        return [exact]
    listed = others.get((offer.key.host, offer.terms.model))
    if not listed:
        return None
    if offer.prices is None:
        return []
    return [
        there
        for there in listed
        if (there.key.region, there.terms.variant) == (offer.key.region, offer.terms.variant)
        and there.price_source in {None, source}
    ]


def _plan_price(
    plan: SyncPlan, stored: Stored, source: str, there: StoredOffer, offer: SaidOffer
) -> None:
    prices, whose = _next_prices(plan, stored, there, offer.prices, source)
    if (prices, whose) != (there.prices, there.price_source):
        values = OfferValues(there.key, there.terms, prices, there.source, whose)
        plan.changed.append((there.offer_id, values))


def _plan_offer(plan: SyncPlan, stored: Stored, source: str, offer: SaidOffer) -> bool:
    """Return False when another source's word counts."""
    there = stored.offers.get(offer.key)
    if there is None:
        whose = source if offer.prices is not None else None
        plan.added.append(OfferValues(offer.key, offer.terms, offer.prices, source, whose))
        return True
    is_own = there.source == source
    if not is_own and there.terms.status != VANISHED and lists_before(there.source, source):
        # Its price may still be the only one there is.
        _plan_price(plan, stored, source, there, offer)
        return False
    prices, whose = _next_prices(plan, stored, there, offer.prices, source)
    terms = _checked_terms(plan, stored, there, offer.terms) if is_own else offer.terms
    values = OfferValues(offer.key, terms, prices, source, whose)
    if _is_same(there, values):
        plan.unchanged.append(there.offer_id)
    else:
        plan.changed.append((there.offer_id, values))
    return True


def _plan_vanished(
    plan: SyncPlan, stored: Stored, said: Said, listed: Collection[OfferKey]
) -> None:
    missing: defaultdict[str, list[StoredOffer]] = defaultdict(list)
    # With what is new on it, a host's list is as long the second time as the first.
    there = Counter(key.host for key in listed)
    for key, offer in stored.offers.items():
        if offer.source != said.source or offer.terms.status == VANISHED or key in listed:
            continue
        if said.hosts is None or key.host in said.hosts:
            there[key.host] += 1
            missing[key.host].append(offer)
    for host, gone in sorted(missing.items()):
        if not _are_many(len(gone), there[host]):
            plan.vanished.extend(sorted(offer.offer_id for offer in gone))
            continue
        change = HeldChange(
            Question(VANISHED, host, ""),
            {"offers": there[host]},
            {"vanished": sorted(offer.offer_id for offer in gone)},
            f"{len(gone)} of {there[host]} offers of {host} are missing from the list",
        )
        if stored.dismissed.get(change.question) != change.after:
            plan.held.append(change)


def _plan_facts(plan: SyncPlan, stored: Stored, said: Said) -> int:
    changed = 0
    for model in sorted(said.models, key=lambda model: model.name):
        for name, value in sorted(model.facts.items()):
            former = stored.facts.get((model.name, name))
            if name == "context_tokens" and _has_shrunk(former, value):
                question = Question(CONTEXT, "", model.name)
                _hold_context(plan, stored, question, former, value)
                value = former  # noqa: PLW2901  what is stored stays
            changed += former != value
            plan.facts.append(FactValue(model.name, name, value))
    return changed


def _are_many(missing: int, there: int) -> bool:
    if missing == there:
        return True
    return missing > _FEW and missing * 100 > there * _MOST_PERCENT_VANISHED


def _next_prices(
    plan: SyncPlan, stored: Stored, there: StoredOffer, prices: Prices | None, source: str
) -> tuple[Prices | None, str | None]:
    """Return the price to store, and whose word it is."""
    if prices is None:
        # It takes back its own word, not another's.
        return (None, None) if there.price_source == source else (there.prices, there.price_source)
    former, whose = there.prices, there.price_source
    if former is None or whose is None:
        return prices, source
    if whose != source:
        return (former, whose) if prices_before(whose, source) else (prices, source)
    reason = why_suspicious(former, prices)
    if reason is None:
        return prices, source
    question = Question(PRICE, there.key.host, there.key.upstream_model, there.key.region)
    change = HeldChange(question, prices_as_json(former), prices_as_json(prices), reason)
    if stored.dismissed.get(question) != change.after:
        plan.held.append(change)
    return former, source


def _checked_terms(plan: SyncPlan, stored: Stored, there: StoredOffer, terms: Terms) -> Terms:
    former = there.terms.context_tokens
    if not _has_shrunk(former, terms.context_tokens):
        return terms
    question = Question(CONTEXT, there.key.host, there.key.upstream_model, there.key.region)
    _hold_context(plan, stored, question, former, terms.context_tokens)
    return terms._replace(context_tokens=former)


def _hold_context(
    plan: SyncPlan, stored: Stored, question: Question, former: int | None, now: int | None
) -> None:
    after = {"context_tokens": now}
    if stored.dismissed.get(question) != after:
        reason = f"the context shrank from {former} to {now} tokens"
        plan.held.append(HeldChange(question, {"context_tokens": former}, after, reason))


def _has_shrunk(former: Any, now: Any) -> bool:
    if not isinstance(former, int) or not isinstance(now, int):
        return False
    return now * _LEAST_CONTEXT_PART < former


def why_suspicious(former: Prices, now: Prices) -> str | None:
    """Return why a new price looks like a mistake; None when it does not."""
    if former.currency != now.currency:
        return f"the currency went from {former.currency} to {now.currency}"
    pairs = [
        ("input", former.input_nanos, now.input_nanos),
        ("output", former.output_nanos, now.output_nanos),
        *_meters(former.meters, dict(now.meters)),
    ]
    for name, before, after in pairs:
        if not before or after is None:
            continue
        if after == 0:
            return f"the price of {name} fell to nothing"
        if after >= before * _MOST_TIMES:
            return f"the price of {name} rose {after // before} times"
        if before >= after * _MOST_TIMES:
            return f"the price of {name} fell to a {before // after}th"
    return None


def _meters(
    former: Iterable[tuple[str, int]], now: Mapping[str, int]
) -> Iterable[tuple[str, int | None, int | None]]:
    return ((name, nanos, now.get(name)) for name, nanos in former)


def _is_same(there: StoredOffer, values: OfferValues) -> bool:
    return (there.terms, there.prices, there.source, there.price_source) == (
        values.terms,
        values.prices,
        values.source,
        values.price_source,
    )


def prices_as_json(prices: Prices) -> dict[str, Any]:
    return prices._asdict() | {
        "meters": dict(prices.meters),
        "tiers": [list(tier) for tier in prices.tiers],
    }


def prices_of_json(stored: Mapping[str, Any]) -> Prices:
    """The inverse of `prices_as_json`."""
    return Prices(
        stored["currency"],
        stored["input_nanos"],
        stored["output_nanos"],
        stored["cached_input_nanos"],
        stored["cache_write_nanos"],
        tuple(sorted(stored["meters"].items())),
        tuple((a, b, c, d, e) for a, b, c, d, e in stored["tiers"]),
    )
