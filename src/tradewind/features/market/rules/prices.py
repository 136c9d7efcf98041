"""Prices beside each other: what changes from one to the next, and whether that may be so at once.

A price is a mapping of meters to nanos per 1,000,000 units. A meter without a price of its own
costs what another one does (cached input costs what input does), so prices that name different
meters can be compared.
"""

from collections.abc import Iterator, Mapping

from tradewind.core.pricing.charges import METER, METERS, MOST_NANOS
from tradewind.core.pricing.rating import STANDS_IN
from tradewind.features.market.schemas import Difference, MeterMove, PriceTerms

MOST_METERS = 64
UNUSUAL_TIMES = 10
"""A price that is so many times, or a part so small, of the one before looks like a mistake."""

COLUMNS = {
    "input_tokens": "input_nanos",
    "output_tokens": "output_nanos",
    "cached_input_tokens": "cached_input_nanos",
    "cache_write_tokens": "cache_write_nanos",
}
"""Meters that have a column of their own; the others are kept by their names."""
_ALWAYS = ("input_tokens", "output_tokens")


def nanos_of(meters: Mapping[str, int], meter: str) -> int | None:
    """Return what a unit of `meter` costs, by its own price or by that of what it is a part of."""
    if meter in meters:
        return meters[meter]
    instead = STANDS_IN.get(meter)
    return None if instead is None else meters.get(instead)


def difference(old: PriceTerms | None, new: PriceTerms) -> Difference:
    """Compare what a model costs with what it would cost."""
    names = sorted(set(new.meters) | (set() if old is None else set(old.meters)), key=_order)
    if old is None:
        moves = tuple(MeterMove(name, None, nanos_of(new.meters, name)) for name in names)
        return Difference(moves, None, new.currency, False, False, "")
    moves = tuple(
        MeterMove(name, nanos_of(old.meters, name), nanos_of(new.meters, name)) for name in names
    )
    if old.currency != new.currency:
        unusual = f"it was in {old.currency} and would be in {new.currency}"
        return Difference(moves, old.currency, new.currency, False, True, unusual)
    return Difference(
        moves,
        old.currency,
        new.currency,
        is_same=(
            _said(old) == _said(new) and all((move.old or 0) == (move.new or 0) for move in moves)
        ),
        is_rise=(new.is_charged and not old.is_charged)
        or any((move.new or 0) > (move.old or 0) for move in moves),
        unusual=next(_unusual(moves), ""),
    )


def problems_of(terms: PriceTerms) -> Iterator[str]:
    """Yield what is wrong with a price."""
    if not (len(terms.currency) == 3 and terms.currency.isascii() and terms.currency.isupper()):
        yield "the currency is not three capital letters"
    if len(terms.meters) > MOST_METERS:
        yield f"it names more than {MOST_METERS} meters"
    for meter, nanos in terms.meters.items():
        if not METER.fullmatch(meter):
            yield f"{meter[:64]!r} is no meter: a name is of a-z, 0-9 and _"
        if not 0 <= nanos <= MOST_NANOS:
            yield f"{meter[:64]}: a price is between 0 and 1,000,000 for 1,000,000 units"
    is_nothing = not any(terms.meters.values())
    if terms.is_free and not is_nothing:
        yield "it says that it is free, and it names a price"
    elif is_nothing and not terms.is_free and terms.is_charged:
        yield "it costs nothing and does not say that it is free"
    if not terms.is_free and not terms.meters:
        yield "it names no meter"


def is_known(meter: str) -> bool:
    """Say whether the platform counts this meter itself."""
    return meter in METERS


def _said(terms: PriceTerms) -> tuple[str, bool, bool]:
    return terms.seller, terms.is_charged, terms.is_free


def _unusual(moves: tuple[MeterMove, ...]) -> Iterator[str]:
    for meter, old, new in moves:
        if old and new is not None:
            if new >= old * UNUSUAL_TIMES:
                yield f"{meter} would cost {UNUSUAL_TIMES} times as much or more"
            elif new * UNUSUAL_TIMES <= old:
                yield f"{meter} would cost a {UNUSUAL_TIMES}th or less"


def _order(meter: str) -> tuple[int, str]:
    return (_ALWAYS.index(meter) if meter in _ALWAYS else len(_ALWAYS)), meter
