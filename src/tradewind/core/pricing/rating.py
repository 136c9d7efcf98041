"""What the usage of one term comes to by the terms of a plan.

All of a term is rated at once, from its first unit on: what an invoice in the middle of it charges
is the difference to what was charged before. So a late event, a correction and a year with monthly
invoices need no rule of their own. Sums are exact and each line is rounded half-even once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, assert_never

from tradewind.core.money import PRICE_UNITS
from tradewind.core.pricing.charges import (
    CACHED_INPUT,
    INPUT,
    Flat,
    Graduated,
    MeterCharge,
    Package,
    PerUnit,
    PlanTerms,
    Tier,
    Volume,
)

WHOLE_PRICE = 1_000_000
"""The part of a price that is all of it, in millionths: a percentage each for the hour, for batches
and for cached input."""

STANDS_IN = {
    CACHED_INPUT: INPUT,
    "cache_write_tokens": INPUT,
    "audio_input_tokens": INPUT,
    "reasoning_tokens": "output_tokens",
    "audio_output_tokens": "output_tokens",
}
"""Whose charge holds for a meter without one, so that no token is free because nobody named its
kind."""


class LineKind(StrEnum):
    FEE = "fee"
    INCLUDED = "included"
    """Units that the fee pays for; they cost nothing."""
    USAGE = "usage"
    TIER = "tier"
    """The flat part of a tier that was reached."""
    UNCHARGED = "uncharged"
    """Units of a meter that the terms do not name; they cost nothing, and are shown."""
    MINIMUM = "minimum"
    """What is missing to the least that a term costs."""


class Used(NamedTuple):
    """What was used of one meter in one hour."""

    meter: str
    hour: datetime
    """When the hour began, UTC."""
    quantity: int
    """Negative is a correction; what is below zero in the end costs nothing."""
    is_batch: bool = False


class RatedLine(NamedTuple):
    kind: LineKind
    meter: str
    """Empty for a fee and a minimum."""
    quantity: int
    unit_nanos: int
    """Price of 1,000,000 units, of one package, or of the whole line (fees, flat amounts)."""
    part: int
    """How much of the price these units cost, in millionths; see WHOLE_PRICE."""
    tier: int
    """Its place among the tiers, from 0."""
    nanos: int


def rate(terms: PlanTerms, used: Iterable[Used]) -> tuple[RatedLine, ...]:
    """Return what a term costs: its fee, then meter by meter, then what its minimum adds.

    Takes any order; within the term, units are counted in the order of their hours.
    """
    charges = {charge.meter: charge for charge in terms.charges}
    items: dict[str, list[Used]] = defaultdict(list)
    for item in used:
        items[_charged_as(item.meter, charges)].append(item)
    lines: list[RatedLine] = []
    if terms.fee_nanos:
        lines.append(_one(LineKind.FEE, "", 1, terms.fee_nanos))
    usage: list[RatedLine] = []
    for meter, charge in charges.items():
        if meter in items:
            usage += _rated(charge, sorted(items.pop(meter), key=_order))
    for meter, uncharged in sorted(items.items()):
        quantity = sum(item.quantity for item in uncharged)
        if quantity:
            usage.append(RatedLine(LineKind.UNCHARGED, meter, quantity, 0, WHOLE_PRICE, 0, 0))
    missing = terms.minimum_nanos - sum(line.nanos for line in usage)
    if missing > 0:
        usage.append(_one(LineKind.MINIMUM, "", 1, missing))
    return tuple(lines + usage)


def _charged_as(meter: str, charges: Mapping[str, MeterCharge]) -> str:
    if meter in charges:
        return meter
    instead = STANDS_IN.get(meter, meter)
    return instead if instead in charges else meter


def _order(item: Used) -> tuple[datetime, bool, str, int]:
    # What corrects an hour follows what it corrects.
    return item.hour, item.quantity < 0, item.meter, item.is_batch


def _rated(charge: MeterCharge, items: Sequence[Used]) -> Iterator[RatedLine]:
    total = max(0, sum(item.quantity for item in items))
    included = min(total, charge.included)
    beyond = total - included
    if included:
        yield RatedLine(LineKind.INCLUDED, charge.meter, included, 0, WHOLE_PRICE, 0, 0)
    match charge.charge:
        case PerUnit(nanos=nanos):
            yield from _by_tiers(charge, (Tier(nanos),), items)
        case Graduated(tiers=tiers):
            yield from _by_tiers(charge, tiers, items)
            yield from _flat_parts(charge.meter, tiers, beyond)
        case Volume(tiers=tiers):
            if beyond:
                place = next(at for at, tier in enumerate(tiers) if _holds(tier, beyond))
                yield _priced(charge.meter, beyond, tiers[place].nanos, WHOLE_PRICE, place)
                if tiers[place].flat_nanos:
                    yield _one(LineKind.TIER, charge.meter, 1, tiers[place].flat_nanos, place)
        case Package() as package:
            if beyond:
                yield _packages(charge.meter, package, beyond)
        case Flat(nanos=nanos):
            if beyond:
                yield _one(LineKind.USAGE, charge.meter, beyond, nanos)
        case _ as never:
            assert_never(never)


def _by_tiers(
    charge: MeterCharge, tiers: Sequence[Tier], items: Sequence[Used]
) -> Iterator[RatedLine]:
    """Walk through the term and see which units are in which tier, at which part of its price."""
    parts_of_hours = {hour: window.percent for window in charge.windows for hour in window.hours()}
    quantities: dict[tuple[int, int], int] = defaultdict(int)
    at = -charge.included
    for item in items:
        part = _part(charge, item, parts_of_hours)
        to = at + item.quantity
        low, high = min(at, to), max(at, to)
        sign = 1 if to > at else -1
        start = 0
        for place, tier in enumerate(tiers):
            end = high if tier.up_to is None else tier.up_to
            inside = min(high, end) - max(low, start)
            if inside > 0:
                quantities[place, part] += sign * inside
            start = end
        at = to
    for (place, part), quantity in sorted(quantities.items()):
        if quantity:
            yield _priced(charge.meter, quantity, tiers[place].nanos, part, place)


def _part(charge: MeterCharge, item: Used, parts_of_hours: Mapping[int, int]) -> int:
    hour = item.hour
    part = parts_of_hours.get(hour.weekday() * 24 + hour.hour, 100)
    part *= charge.batch_percent if item.is_batch else 100
    if item.meter == CACHED_INPUT and charge.cached_percent is not None:
        return part * charge.cached_percent
    return part * 100


def _flat_parts(meter: str, tiers: Sequence[Tier], beyond: int) -> Iterator[RatedLine]:
    start = 0
    for place, tier in enumerate(tiers):
        if beyond > start and tier.flat_nanos:
            yield _one(LineKind.TIER, meter, 1, tier.flat_nanos, place)
        if tier.up_to is None:
            return
        start = tier.up_to


def _holds(tier: Tier, quantity: int) -> bool:
    return tier.up_to is None or quantity <= tier.up_to


def _packages(meter: str, package: Package, quantity: int) -> RatedLine:
    if package.is_started_whole:
        nanos = -(-quantity // package.size) * package.nanos
    else:
        nanos = _half_even(quantity * package.nanos, package.size)
    return RatedLine(LineKind.USAGE, meter, quantity, package.nanos, WHOLE_PRICE, 0, nanos)


def _priced(meter: str, quantity: int, unit_nanos: int, part: int, tier: int) -> RatedLine:
    nanos = _half_even(quantity * unit_nanos * part, PRICE_UNITS * WHOLE_PRICE)
    return RatedLine(LineKind.USAGE, meter, quantity, unit_nanos, part, tier, nanos)


def _one(kind: LineKind, meter: str, quantity: int, nanos: int, tier: int = 0) -> RatedLine:
    return RatedLine(kind, meter, quantity, nanos, WHOLE_PRICE, tier, nanos)


def _half_even(numerator: int, denominator: int) -> int:
    quotient, remainder = divmod(numerator, denominator)
    if remainder * 2 > denominator or (remainder * 2 == denominator and quotient & 1):
        quotient += 1
    return quotient
