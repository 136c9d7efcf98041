"""What the price book refuses."""

from collections.abc import Sequence
from typing import NamedTuple

from tradewind.core.errors import Conflict, Forbidden, InvalidInput

_TOLD = 20


class Problem(NamedTuple):
    line: int
    """From 1."""
    message: str


class PriceRefused(InvalidInput):
    """A price that cannot be: a meter without a name, a zero that nobody calls free."""

    code = "price_refused"


class PriceFileRefused(InvalidInput):
    """Nothing of the file was applied."""

    code = "price_file_refused"

    def __init__(self, problems: Sequence[Problem]) -> None:
        told = "; ".join(f"line {line}: {message}" for line, message in problems[:_TOLD])
        more = len(problems) - _TOLD
        super().__init__(
            f"nothing of the file was applied: {told}" + (f"; and {more} more" * (more > 0)),
            hint="correct the named lines and sign the file again",
        )
        self.problems = tuple(problems)


class SignatureUnknown(Forbidden):
    """A price file without a signature of a key that is trusted for it."""

    code = "price_signature_unknown"


class NoticeTooShort(Conflict):
    """A price would rise before those who pay it were told long enough ahead."""

    code = "price_notice_too_short"


class PriceUnusual(Conflict):
    """A price looks like a mistake, and nobody said that it is none."""

    code = "price_unusual"


class PriceMoved(Conflict):
    """The price has changed since it was looked at."""

    code = "price_moved"


class ProposalDecided(Conflict):
    code = "price_proposal_decided"
