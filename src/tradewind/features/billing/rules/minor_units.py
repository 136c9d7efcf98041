"""From exact nanos to what can be paid: whole minor units of a currency.

The sum is rounded once, half-even, and the lines are made to add up to it by largest remainder:
nobody has to explain why three lines of 0.33 come to 1.00.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from tradewind.core.errors import InvalidInput
from tradewind.core.money import NANOS_PER_UNIT

# ISO 4217:2015, list one: the currencies whose minor unit is not a hundredth.
_WITHOUT_DIGITS = frozenset(
    {
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    }
)
_WITH_THREE_DIGITS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_WRITTEN = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,4})?")
_WITH_FOUR_DIGITS = frozenset({"CLF", "UYW"})


def minor_digits(currency: str) -> int:
    """Return how many decimals the smallest payable amount of a currency has."""
    if currency in _WITHOUT_DIGITS:
        return 0
    if currency in _WITH_THREE_DIGITS:
        return 3
    return 4 if currency in _WITH_FOUR_DIGITS else 2


def nanos_per_minor(currency: str) -> int:
    """Return the smallest payable amount in nanos: 10,000,000 for a cent."""
    return NANOS_PER_UNIT // 10 ** minor_digits(currency)


def minor_in(text: str, currency: str) -> int:
    """Return what somebody wrote, as 12.34, in minor units. Raises InvalidInput."""
    if not _WRITTEN.fullmatch(text):
        raise InvalidInput(f"{text[:32]!r} is no amount", hint="write it like 12.34")
    exact = Decimal(text).scaleb(minor_digits(currency))
    # What is less than a cent would be lost without a word.
    if exact != int(exact):
        raise InvalidInput(f"{text} cannot be paid in {currency}")
    return int(exact)


def to_minor(nanos: int, currency: str) -> int:
    """Return nanos in minor units, half-even."""
    unit = nanos_per_minor(currency)
    quotient, remainder = divmod(nanos, unit)
    return quotient + (remainder * 2 > unit or (remainder * 2 == unit and quotient & 1))


def shares_in_minor(exact: Sequence[int], currency: str) -> list[int]:
    """Return each of these nanos in minor units, so that they add up to their rounded sum.

    Each is rounded down, and what is then missing goes, one unit each, to those that lost most; of
    equals to the first. Every share is within one minor unit of what it stands for.
    """
    unit = nanos_per_minor(currency)
    shares = [nanos // unit for nanos in exact]
    missing = to_minor(sum(exact), currency) - sum(shares)
    assert 0 <= missing <= len(exact)
    lost_most = sorted(range(len(exact)), key=lambda at: (-(exact[at] % unit), at))
    for at in lost_most[:missing]:
        shares[at] += 1
    return shares
