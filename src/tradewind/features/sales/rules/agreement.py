"""What a private offer costs, and what both sides sign."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tradewind.core.ids import PlanId
from tradewind.core.pricing.charges import Charge, Graduated, PlanTerms, Volume

WHOLE = 10_000
"""Hundredths of a percent in a whole."""


def reduced(terms: PlanTerms, percent: int) -> PlanTerms:
    """Return `terms` for `percent` hundredths of a percent less, each amount rounded half-even."""
    assert 0 <= percent <= WHOLE
    return msgspec.structs.replace(
        terms,
        fee_nanos=_less(terms.fee_nanos, percent),
        minimum_nanos=_less(terms.minimum_nanos, percent),
        charges=tuple(
            msgspec.structs.replace(each, charge=_reduced_charge(each.charge, percent))
            for each in terms.charges
        ),
    )


def terms_hash(
    offer_id: str,
    prices: Mapping[PlanId, PlanTerms],
    text: str,
    *,
    starts_at: datetime,
    ends_at: datetime,
    accept_by: datetime,
) -> bytes:
    """Return the SHA-256 of everything that a private offer says, by its canonical JSON."""
    said = {
        "offer": offer_id,
        "plans": {plan_id: msgspec.to_builtins(terms) for plan_id, terms in prices.items()},
        "text": text,
        "starts_at": starts_at.isoformat(),
        "ends_at": ends_at.isoformat(),
        "accept_by": accept_by.isoformat(),
    }
    return hashlib.sha256(canonical(said)).digest()


def canonical_hash(terms: PlanTerms) -> str:
    """Return by what terms are known that somebody was shown, in lower-case hex."""
    return hashlib.sha256(canonical(msgspec.to_builtins(terms))).hexdigest()


def canonical(said: Mapping[str, Any]) -> bytes:
    """Return JSON without blanks, in UTF-8, the members of each object in the order of their
    names.
    """
    return json.dumps(
        said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def _reduced_charge(charge: Charge, percent: int) -> Charge:
    if isinstance(charge, Graduated | Volume):
        tiers = tuple(
            msgspec.structs.replace(
                tier,
                nanos=_less(tier.nanos, percent),
                flat_nanos=_less(tier.flat_nanos, percent),
            )
            for tier in charge.tiers
        )
        return msgspec.structs.replace(charge, tiers=tiers)
    return msgspec.structs.replace(charge, nanos=_less(charge.nanos, percent))


def _less(nanos: int, percent: int) -> int:
    # In whole numbers: halves go to the even neighbour.
    quotient, left = divmod(nanos * (WHOLE - percent), WHOLE)
    return quotient + (2 * left > WHOLE or (2 * left == WHOLE and quotient % 2 == 1))
