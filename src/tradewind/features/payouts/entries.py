"""How payouts are entered into the ledger.

PAYABLE is debited when a run is prepared, so that nothing is promised twice; what is on its way
lies in CASH `payouts`, below zero, until the bank or the processor confirmed it.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting
from tradewind.features.payouts.schemas import Payout, Waterfall

ON_ITS_WAY = "payouts"
"""Owner of the CASH account of money that is instructed and not confirmed."""
PAYOUT = "payout"


class Moved(NamedTuple):
    """The postings that take what is paid out of PAYABLE to where it is on its way."""

    postings: Sequence[Posting]
    memo: str


def on_its_way(currency: str) -> AccountRef:
    return AccountRef(AccountKind.CASH, ON_ITS_WAY, currency)


def payable(publisher: str, currency: str) -> AccountRef:
    return AccountRef(AccountKind.PAYABLE, publisher, currency)


def payout_draft(payout_id: str, fall: Waterfall, moved: Moved, at: datetime) -> EntryDraft:
    """Return the one entry of a payout: what is withheld, released, exchanged and sent."""
    owed = payable(fall.publisher, fall.currency)
    totals: dict[AccountRef, int] = defaultdict(int)
    totals[owed] = fall.tax_nanos + fall.reserve_nanos - fall.released_nanos
    reserve = AccountRef(AccountKind.RESERVE, fall.publisher, fall.currency)
    totals[reserve] = fall.released_nanos - fall.reserve_nanos
    if fall.tax_nanos:
        tax = AccountRef(AccountKind.TAX, fall.tax_jurisdiction, fall.currency)
        totals[tax] = -fall.tax_nanos
    for account, nanos in moved.postings:
        totals[account] += nanos
    postings = tuple(Posting(account, nanos) for account, nanos in totals.items() if nanos)
    return EntryDraft(f"payout:{payout_id}", PAYOUT, at, postings, moved.memo, subject=payout_id)


def confirmed_draft(payout: Payout, place: str, at: datetime) -> EntryDraft:
    """Return the entry of what arrived: `place` is where the cash lay."""
    postings = (
        Posting(on_its_way(payout.currency), payout.nanos),
        Posting(AccountRef(AccountKind.CASH, place, payout.currency), -payout.nanos),
    )
    return EntryDraft(
        f"payout:{payout.payout_id}:confirmed",
        "payout_confirmed",
        at,
        postings,
        subject=payout.payout_id,
    )
