"""In which order a wallet is spent: credit that expires first goes first, what was paid goes last.

What was paid can be had back, so that it is touched only when nothing else is left.
"""

from collections.abc import Sequence
from datetime import datetime

from tradewind.features.payments.schemas import Lot, LotKind


def consumed(lots: Sequence[Lot], unspent_nanos: int) -> dict[str, int]:
    """Return what is left of each lot once the wallet is down to `unspent_nanos`; only those that
    change.
    """
    gone = sum(lot.left_nanos for lot in lots) - max(0, unspent_nanos)
    changed: dict[str, int] = {}
    for lot in sorted(lots, key=spending_order):
        if gone <= 0:
            break
        taken = min(gone, lot.left_nanos)
        gone -= taken
        if taken:
            changed[lot.lot_id] = lot.left_nanos - taken
    return changed


def spending_order(lot: Lot) -> tuple[bool, bool, float, str]:
    expires = lot.expires_at
    return (
        lot.kind is LotKind.PAID,
        expires is None,
        0.0 if expires is None else _seconds(expires),
        lot.lot_id,
    )


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
