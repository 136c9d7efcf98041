"""What is paid ahead: put aside when it is invoiced, earned month by month, or taken back."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from tradewind.features.billing import entries
from tradewind.features.billing.repository import deferrals
from tradewind.features.billing.repository.deferrals import Deferred
from tradewind.features.billing.rules.deferral import (
    is_paid_ahead,
    month_ends,
    part,
    taken_back,
)
from tradewind.features.billing.rules.minor_units import nanos_per_minor
from tradewind.features.billing.schemas import DraftLine, InvoiceRow, LineKind
from tradewind.features.ledger.schemas import EntryDraft
from tradewind.features.ledger.service import Ledger

_ENTRIES_AT_ONCE = 2_000


def earn(tx: Connection, ledger: Ledger, now: datetime, most: int) -> int:
    """Enter the months that are over of at most `most` lines; return how many lines had one.

    A line is locked and moved on in the transaction that enters it, so a kill repeats nothing.
    """
    due = deferrals.lock_due(tx, now, most)
    drafts: list[EntryDraft] = []
    deferrals.update_left(tx, [_earned(each, now, drafts) for each in due])
    for start in range(0, len(drafts), _ENTRIES_AT_ONCE):
        ledger.post_many(tx, drafts[start : start + _ENTRIES_AT_ONCE])
    return len(due)


def _earned(left: Deferred, now: datetime, drafts: list[EntryDraft]) -> Deferred:
    """Return what is left by now; what is earned until then is added to `drafts`."""
    for to in month_ends(left.earned_until, left.until, now):
        nanos = part(left.left_nanos, left.earned_until, left.until, to)
        fee = part(left.left_fee_nanos, left.earned_until, left.until, to)
        whose = entries.EarnedSum(
            left.invoice_id, left.seq, left.organization_id, left.currency, left.seller, to
        )
        draft = entries.earned_draft(whose, nanos, fee)
        if draft is not None:
            drafts.append(draft)
        left = left._replace(
            earned_until=to,
            left_nanos=left.left_nanos - nanos,
            left_fee_nanos=left.left_fee_nanos - fee,
        )
    return left


def paid_ahead(
    invoice_id: str,
    organization_id: str,
    currency: str,
    lines: Sequence[DraftLine],
    at: datetime,
) -> list[Deferred]:
    """Return what of an invoice, written at that time, is not earned yet."""
    return [
        Deferred(
            invoice_id,
            seq,
            organization_id,
            currency,
            line.seller,
            since=line.hour_from,
            until=line.hour_to,
            earned_until=line.hour_from,
            left_nanos=line.exact_nanos,
            left_fee_nanos=line.fee_nanos,
        )
        for seq, line in enumerate(lines, start=1)
        if line.kind is LineKind.FEE and is_paid_ahead(line.hour_from, line.hour_to, at)
    ]


def take_unearned(tx: Connection, row: InvoiceRow, lines: Mapping[int, int]) -> list[int]:
    """Take a credit out of what is not earned yet; return how much of each line that is."""
    ahead, unit = deferrals.lock_of(tx, row.invoice_id), nanos_per_minor(row.currency)
    found: list[int] = []
    for seq, minor in lines.items():
        each = ahead.get(seq)
        if each is None:
            found.append(0)
            continue
        nanos, fee = taken_back(each.left_nanos, each.left_fee_nanos, minor * unit)
        left = each._replace(
            left_nanos=each.left_nanos - nanos, left_fee_nanos=each.left_fee_nanos - fee
        )
        deferrals.update_left(tx, [left])
        found.append(nanos)
    return found
