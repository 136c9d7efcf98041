"""What bodies of requests have in common: no unknown field, no loose types."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos, parse_nanos

Name = Annotated[str, StringConstraints(max_length=200)]
Place = Annotated[str, StringConstraints(max_length=32)]
Amount = Annotated[
    str,
    StringConstraints(max_length=24, pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?$"),
    Field(description="A decimal amount for 1,000,000 tokens."),
]

Moment = Annotated[AwareDatetime, Field(strict=False)]
"""A time with its zone: without one it is nobody's, and cannot be compared."""


class Body(BaseModel):
    """A field that is not known is refused: a typo would otherwise change nothing, silently."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


def nanos_of(amount: str) -> int:
    """Raises InvalidInput."""
    try:
        return parse_nanos(amount)
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def amount_of(nanos: int) -> str:
    return format_nanos(nanos)
