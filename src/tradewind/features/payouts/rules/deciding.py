"""What is paid now of what a publisher is owed."""

from collections.abc import Callable
from typing import NamedTuple

PPM = 1_000_000


class Owing(NamedTuple):
    """What there is to decide about, in nanos of one currency."""

    balance_nanos: int
    """Below zero the publisher owes: refunds came behind a payout."""
    held_nanos: int
    due_reserve_nanos: int
    """Withheld so long ago that it is to be released."""


class Withholding(NamedTuple):
    tax_ppm: int
    reserve_ppm: int


class Paid(NamedTuple):
    """What leaves the balance, and what arrives, in the currency that is paid."""

    leaves_nanos: int
    arrives_nanos: int


class Decision(NamedTuple):
    tax_nanos: int
    reserve_nanos: int
    released_nanos: int
    paid: Paid
    carried_because: str
    """Why nothing is paid; empty where something is."""


def decide(
    owing: Owing,
    withholding: Withholding,
    *,
    minimum_nanos: int,
    pay: Callable[[int], Paid],
    stopped_because: str,
) -> Decision:
    """Return what is withheld, released and paid: all of it, or nothing at all.

    Deductions count at once, earnings when their hold is over. Tax is withheld of what is free, the
    reserve of what is then left; what was in reserve is not taxed, nor withheld, again. Parts are
    rounded down to the nano. `minimum_nanos` is in the currency that is paid; `pay` says what comes
    of an amount there.
    """
    free = owing.balance_nanos - owing.held_nanos
    base = max(0, free)
    tax = base * withholding.tax_ppm // PPM
    reserve = (base - tax) * withholding.reserve_ppm // PPM
    payable = free - tax - reserve + owing.due_reserve_nanos
    why = stopped_because
    if owing.balance_nanos < 0 and payable <= 0:
        why = "more was refunded than earned: the next earnings cover it first"
    elif not why and payable <= 0:
        why = "nothing is free to be paid yet"
    if why:
        return _nothing(why)
    paid = pay(payable)
    if paid.arrives_nanos <= 0:
        return _nothing("it is less than can be paid")
    if paid.arrives_nanos < minimum_nanos:
        return _nothing("it is below the minimum")
    return Decision(tax, reserve, owing.due_reserve_nanos, paid, "")


def _nothing(why: str) -> Decision:
    return Decision(0, 0, 0, Paid(0, 0), why)
