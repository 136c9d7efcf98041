"""Money as 64-bit integers of 10^-9 of a currency unit ("nanos"), and the one rating rule.

A price is integer nanos per 1,000,000 units (0.0375 per million tokens is 37,500,000, exact).
Nothing here is ever a float.
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

NANOS_PER_UNIT = 1_000_000_000
PRICE_UNITS = 1_000_000
_INT64_MAX = 2**63 - 1
_AMOUNT = re.compile(r"-?[0-9]{1,10}(\.[0-9]{1,9})?")


class Money(NamedTuple):
    """An exact amount: `Money(37_500_000, "USD")` is 0.0375 US dollars."""

    nanos: int
    currency: str

    def __str__(self) -> str:
        return f"{format_nanos(self.nanos)} {self.currency}"


def rate_nanos(*lines: tuple[int, int]) -> int:
    """Return the cost in nanos of `(quantity, price_nanos_per_million)` lines of one event."""
    return round_to_nanos(sum(quantity * price for quantity, price in lines))


def round_to_nanos(total: int) -> int:
    """Return the sum of quantity times price of an event's lines in nanos.

    Lines are summed exactly and rounded half-even once, so the error is at most half a nano per
    event. Raises OverflowError past 64 bits.
    """
    quotient, remainder = divmod(total, PRICE_UNITS)
    if remainder * 2 > PRICE_UNITS or (remainder * 2 == PRICE_UNITS and quotient & 1):
        quotient += 1
    if quotient > _INT64_MAX:
        raise OverflowError(f"a cost of {quotient} nanos does not fit in 64 bits")
    return quotient


def format_nanos(nanos: int, *, digits: int | None = None) -> str:
    """Return nanos as a plain decimal: exact and without trailing zeros, or rounded to `digits`."""
    amount = Decimal(nanos).scaleb(-9)
    if digits is not None:
        return format(amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN), "f")
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_nanos(text: str) -> int:
    """Return a plain decimal text in nanos.

    Raises ValueError when it is not exact in nanos or does not fit in 64 bits.
    """
    # Decimal alone takes too much: "1e9", "1_0", other scripts' digits, and it rounds at 28 places.
    nanos = int(Decimal(text).scaleb(9)) if _AMOUNT.fullmatch(text) else None
    if nanos is None or abs(nanos) > _INT64_MAX:
        raise ValueError(f"{text[:64]!r} is not an amount of at most nine decimals in 64 bits")
    return nanos
