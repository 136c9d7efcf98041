"""What a part of a term costs, where a subscription begins, changes or ends within one."""

from fractions import Fraction
from math import ceil

import msgspec

from tradewind.core.pricing.charges import PlanTerms


def prorated(terms: PlanTerms, share: Fraction) -> PlanTerms:
    """Return `terms` for `share` of a term: 0 to 1, exact.

    Fee and minimum are rounded half-even. Included units are rounded up, in favour of who buys.
    Tiers and packages stay: they say what one more unit costs, not what a term does.
    """
    assert 0 <= share <= 1
    return msgspec.structs.replace(
        terms,
        fee_nanos=round(terms.fee_nanos * share),
        minimum_nanos=round(terms.minimum_nanos * share),
        charges=tuple(
            msgspec.structs.replace(charge, included=ceil(charge.included * share))
            for charge in terms.charges
        ),
    )
