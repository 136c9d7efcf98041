"""Numbers that people type into forms: amounts of money, counts, percentages. Pure."""

import re
from decimal import Decimal

from tradewind.core.errors import InvalidInput
from tradewind.core.money import parse_nanos

_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
_PERCENT = re.compile(r"[0-9]{1,5}(\.[0-9]{1,2})?")
_LONGEST_COUNT = 10


def amount(text: str, what: str) -> int | None:
    """Return an amount in nanos, or None for none. Raises InvalidInput."""
    text = text.strip().removeprefix("$").replace(",", "")
    if not text:
        return None
    if _AMOUNT.fullmatch(text) is None:
        raise InvalidInput(f"{what} is not an amount", hint="write it like 0.15")
    try:
        return parse_nanos(text)
    except ValueError as error:
        raise InvalidInput(f"{what} is too large") from error


def count(text: str, what: str) -> int | None:
    """Return a whole number, or None for none. Raises InvalidInput."""
    text = text.strip().replace(",", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_COUNT):
        raise InvalidInput(f"{what} is not a whole number", hint="write digits only, like 250")
    return int(text)


def percent(text: str, what: str) -> Decimal:
    """Return a percentage, 0 for none. Raises InvalidInput."""
    text = text.strip().removesuffix("%").strip()
    if not text:
        return Decimal(0)
    if _PERCENT.fullmatch(text) is None:
        raise InvalidInput(f"{what} is not a percentage", hint="write it like 15 or 12.5")
    return Decimal(text)
