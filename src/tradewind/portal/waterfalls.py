"""A publisher's money from what was sold to what can be paid, as steps to be drawn. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tradewind.features.payouts.schemas import Waterfall


class Step(NamedTuple):
    label: str
    nanos: int
    """As it is added; of a sum, the sum."""
    is_sum: bool
    left: float
    """Where its bar begins, and how long it is, of 100."""
    width: float


def steps_of(fall: Waterfall) -> list[Step]:
    """Return the steps of a waterfall. What is nothing is left out, but for the sums."""
    told = list(_told(fall))
    ends = [0]
    for _, nanos, is_sum in told:
        ends.append(nanos if is_sum else ends[-1] + nanos)
    low, high = min(ends), max(ends)
    scale = 100 / (high - low) if high > low else 0.0
    steps: list[Step] = []
    for (label, nanos, is_sum), begin, end in zip(told, ends, ends[1:], strict=False):
        start = 0 if is_sum else begin
        left = (min(start, end) - low) * scale
        steps.append(Step(label, nanos, is_sum, round(left, 2), round(abs(end - start) * scale, 2)))
    return steps


def _told(fall: Waterfall) -> Iterator[tuple[str, int, bool]]:
    parts: Sequence[tuple[str, int]] = (
        ("Carried over from the last statement", fall.opening_nanos),
        ("Gross sales", fall.gross_nanos),
        ("Platform fee", -fall.fee_nanos),
        ("Refunds", -fall.refund_nanos),
        ("Returned and other", fall.other_nanos),
    )
    yield from ((label, nanos, False) for label, nanos in parts if nanos)
    yield "Balance", fall.balance_nanos, True
    held = fall.earned.held_nanos
    ends = (
        ("On hold", -held),
        ("Tax withheld", -fall.tax_nanos),
        ("Reserve withheld", -fall.reserve_nanos),
        ("Reserve released", fall.released_nanos),
    )
    yield from ((label, nanos, False) for label, nanos in ends if nanos)
    rest = fall.closing_nanos - held
    if rest:
        words = "Carried over" if rest > 0 else "Owed by the publisher"
        yield words, -rest, False
    yield "Payable now", fall.payable_nanos, True
