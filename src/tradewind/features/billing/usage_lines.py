"""Settled usage as a line of an invoice, and as what plans rate.

Hours have sums of tokens and, apart from them, of rarer meters, some of which are parts of those
tokens. Here each unit comes into one meter alone, as prices and plans count it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Row

from tradewind.core.pricing.rating import Used
from tradewind.features.billing.schemas import DraftLine, Evidence, Label, LineKind

_TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
"""In the meters of a batch these are what of the sums was used in batches."""
_OF_OUTPUT = ("audio_output_tokens", "reasoning_tokens")


def usage_line(row: Row[Any], meters: Mapping[str, int], label: Label) -> DraftLine:
    """Return a line; `meters` are its rarer ones, those of batches among them."""
    late = ", of earlier months" if row.is_late else ""
    return DraftLine(
        kind=LineKind.USAGE,
        description=f"{row.model}, {row.operation}{late}"[:500],
        quantity=int(row.requests),
        unit="requests",
        exact_nanos=int(row.cost_nanos),
        fee_nanos=int(row.fee_nanos),
        project_id=row.project_id,
        model=row.model,
        operation=row.operation,
        price_id=row.price_id,
        seller=row.seller,
        hour_from=row.hour_from,
        hour_to=row.hour_to,
        source_key="",
        evidence=Evidence(
            quantities=quantities(_sums(row), meters),
            is_late=row.is_late,
            settlement_lines=row.lines,
            cost_centre=label.cost_centre,
            tags=dict(label.tags),
        ),
    )


def used_of(row: Row[Any], meters: Mapping[tuple[str, bool], int]) -> Iterator[Used]:
    """Yield what was used in an hour; `meters` are by name and whether in a batch."""
    batch = {name: quantity for (name, is_batch), quantity in meters.items() if is_batch}
    other = {name: quantity for (name, is_batch), quantity in meters.items() if not is_batch}
    sums = _sums(row)
    in_batches = {name: batch.pop(name, 0) for name in _TOKENS}
    apart = {name: quantity - in_batches.get(name, 0) for name, quantity in sums.items()}
    for meter, quantity in quantities(apart, other).items():
        yield Used(meter, row.hour, quantity)
    for meter, quantity in quantities(in_batches, batch).items():
        yield Used(meter, row.hour, quantity, is_batch=True)


def quantities(sums: Mapping[str, int], meters: Mapping[str, int]) -> dict[str, int]:
    """Return what was used by meter, each unit in one of them; those of nothing are left out."""
    rarer = {name: quantity for name, quantity in meters.items() if name not in _TOKENS}
    cached, written = sums["cached_input_tokens"], sums["cache_write_tokens"]
    fresh, output = sums["input_tokens"] - cached - written, sums["output_tokens"]
    heard = _part(rarer.pop("audio_input_tokens", 0), fresh)
    found = {
        "requests": sums.get("requests", 0),
        "input_tokens": fresh - heard,
        "cached_input_tokens": cached,
        "cache_write_tokens": written,
        "audio_input_tokens": heard,
    }
    for name in _OF_OUTPUT:
        found[name] = _part(rarer.pop(name, 0), output)
        output -= found[name]
    found["output_tokens"] = output
    # Hosts that count requests otherwise (search units) said how many: theirs is taken.
    return {name: quantity for name, quantity in {**found, **rarer}.items() if quantity}


def _part(counted: int, whole: int) -> int:
    # What is taken back is below zero, and a part of what is taken back.
    return min(counted, whole) if whole >= 0 <= counted else max(counted, min(whole, 0))


def _sums(row: Row[Any]) -> dict[str, int]:
    return {name: int(getattr(row, name)) for name in ("requests", *_TOKENS)}
