"""Which offer is meant, and what it becomes. Pure."""

import re
from collections.abc import Collection

from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.money import format_nanos
from tradewind.features.catalog.schemas import OfferRow
from tradewind.features.endpoints.schemas import (
    CallableOffer,
    Callers,
    CallThrough,
    EndpointRow,
    ModelPrice,
)
from tradewind.features.providers.schemas import ConnectionRow
from tradewind.snapshot.contents import Cost

_QUANTIZATION = re.compile(r"[a-z0-9_]{0,16}")
_PLACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def is_at(seen: CallableOffer, host: str) -> bool:
    """Say whether an offer is at the provider that somebody named, by id or by name."""
    wanted = host.strip().casefold()
    return wanted in {seen.offer.host.casefold(), seen.host_name.casefold()}


def is_wanted(offer: OfferRow, asked: CallThrough) -> bool:
    return asked.upstream_model in {None, offer.upstream_model} and asked.region in {
        None,
        offer.region,
    }


def order_of(offer: OfferRow) -> tuple[bool, int, str, str, str]:
    """Return what offers are ordered by: the cheapest first, what is not told last."""
    price = 0
    if offer.input_nanos is not None:
        output = offer.input_nanos if offer.output_nanos is None else offer.output_nanos
        price = (3 * offer.input_nanos + output) // 4
    return offer.input_nanos is None, price, offer.host, offer.upstream_model, offer.region


def words_of(offer: OfferRow) -> str:
    return f"{offer.upstream_model} in {offer.region}" if offer.region else offer.upstream_model


def cost_of(offer: OfferRow) -> ModelPrice | None:
    """Return what the provider takes for tokens; None is not told."""
    if offer.input_nanos is None or not offer.currency:
        return None
    cached = offer.cached_input_nanos
    return ModelPrice(
        offer.currency,
        offer.input_nanos,
        offer.output_nanos or 0,
        # A zero is a list that was filled in with zeros: taken at its word, what the host bills in
        # full would be given away.
        cached or offer.input_nanos,
        offer.cache_write_nanos or None,
    )


def target_cost(offer: OfferRow) -> Cost | None:
    cost = cost_of(offer)
    if cost is None:
        return None
    return Cost(
        cost.currency,
        cost.input_nanos,
        cost.output_nanos,
        cost.cached_input_nanos,
        cost.cache_write_nanos,
    )


def is_same_price(one: ModelPrice, other: ModelPrice) -> bool:
    """Compare what people are shown and confirm."""
    return (one.currency, one.input_nanos, one.output_nanos) == (
        other.currency,
        other.input_nanos,
        other.output_nanos,
    )


def price_words(price: ModelPrice) -> str:
    return (
        f"{format_nanos(price.input_nanos)} {price.currency} for 1M input tokens,"
        f" {format_nanos(price.output_nanos)} for 1M output tokens"
    )


def region_of(offer: OfferRow, connection: ConnectionRow) -> str | None:
    """Return the target's region; None is what the connection says."""
    region = offer.region.lower()
    if connection.region or not _PLACE.fullmatch(region):
        return None
    return region


def quantization_of(offer: OfferRow) -> str:
    quantization = offer.quantization.lower()
    return quantization if _QUANTIZATION.fullmatch(quantization) else ""


def shorter_context(offer: OfferRow, of_model: int | None) -> int | None:
    """Return the context where the offer's is less than the model's; None is the model's."""
    context = offer.context_tokens
    return context if context and of_model and context < of_model else None


def callers_of(
    found: EndpointRow, organization_id: OrganizationId, project_id: ProjectId
) -> Callers | None:
    """Return who may call an endpoint, as somebody of this project sees it; None is others."""
    if found.is_shared:
        return Callers.EVERYBODY
    if found.organization_id != organization_id:
        return None
    if found.project_id is None:
        return Callers.ORGANIZATION
    return Callers.PROJECT if found.project_id == project_id else None


def free_name(name: str, taken: Collection[str], *, between: str) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}{between}{number}" in taken:
        number += 1
    return f"{name}{between}{number}"


def slug_of(host: str) -> str:
    return _NOT_SLUG.sub("-", host.lower()).strip("-") or "provider"
