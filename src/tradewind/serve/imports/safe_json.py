"""Reads JSON of strangers: bounded, and every number as it was written."""

import json
from decimal import Decimal

from tradewind.core.errors import InvalidInput

CHARACTERS_MAX = 4 * 1024 * 1024


def parse_json(text: str) -> object:
    """Return a document, numbers with a point as Decimal.

    Raises InvalidInput, which says where and never what: what cannot be read may be a key.
    """
    if len(text) > CHARACTERS_MAX:
        raise InvalidInput(f"the file is longer than {CHARACTERS_MAX} characters")
    try:
        return json.loads(text, parse_float=_decimal, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        # `from None`: the error holds the text.
        raise InvalidInput(f"line {error.lineno}, column {error.colno} is not JSON") from None
    except (ValueError, ArithmeticError, RecursionError):
        raise InvalidInput("the file is not JSON, or nested too deep") from None


def _decimal(text: str) -> Decimal:
    return Decimal(text)


def _refuse(name: str) -> object:
    raise ValueError(name)
