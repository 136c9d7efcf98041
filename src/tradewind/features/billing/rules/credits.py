"""What can be taken back of an invoice, and what that comes to. Pure; amounts in minor units."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tradewind.features.billing.errors import CreditTooLarge
from tradewind.features.billing.rules.taxes import tax_minor


class Credited(NamedTuple):
    """What a credit note takes back."""

    lines: Mapping[int, int]
    """By the number of the invoice's line."""
    tax_minor: int

    @property
    def net_minor(self) -> int:
        return sum(self.lines.values())

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.tax_minor


def credit_of(
    shares: Sequence[int],
    before: Mapping[int, int],
    wanted: Mapping[int, int] | None,
    rate_ppm: int,
) -> Credited:
    """Return what is taken back of lines with these `shares`, of which credit notes took `before`;
    all that is left where nothing is `wanted` in particular.

    Raises CreditTooLarge.
    """
    left = {seq: share - before.get(seq, 0) for seq, share in enumerate(shares, 1) if share}
    lines = {seq: minor for seq, minor in (left if wanted is None else wanted).items() if minor}
    for seq, minor in lines.items():
        most = left.get(seq, 0)
        if not 0 <= minor * (1 if most > 0 else -1) <= abs(most):
            raise CreditTooLarge(f"more than is left of line {seq} was to be taken back")
    net, former = sum(lines.values()), sum(before.values())
    if net <= 0:
        raise CreditTooLarge("nothing is left to be credited")
    # By what is left of the tax after it, so that credits of all lines take all of it.
    return Credited(lines, tax_minor(former + net, rate_ppm) - tax_minor(former, rate_ppm))
