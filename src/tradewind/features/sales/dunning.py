"""What becomes of subscriptions whose invoices are not paid in time.

An invoice that is overdue is noted once for each subscription that has a line on it; from then on
the subscription's own life goes on (reminders, suspension, end). It is taken back when all that was
noted is paid or void. What others say of payment, such as a seller's own invoices, is not touched.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.features.sales.repository import arrears
from tradewind.features.sales.service import Sales

AT_ONCE = 100
"""Subscriptions that are looked at in one transaction."""


class Overdue(NamedTuple):
    """An invoice that is overdue, and a subscription that has a line on it."""

    subscription_id: str
    invoice_id: str
    number: str


class Bills(Protocol):
    """What dunning asks of billing."""

    def overdue(self, tx: Connection, due_before: datetime, limit: int) -> Sequence[Overdue]:
        """Return what is overdue and not noted."""
        ...

    def settled(self, tx: Connection, limit: int) -> Sequence[tuple[str, str]]:
        """Return what is noted and is paid or void now, as (subscription, invoice)."""
        ...


class Dunning:
    def __init__(self, sales: Sales, bills: Bills, clock: Clock, *, overdue_days: int = 0) -> None:
        """`overdue_days` are forgiven after the day on which an invoice is due."""
        self._sales = sales
        self._bills = bills
        self._clock = clock
        self._forgiven = timedelta(days=overdue_days)

    def step(self, tx: Connection) -> int:
        """Do some of what is to be done; return how much that was. Idempotent: call it until it
        returns nothing.
        """
        now = self._clock.now()
        found = self._bills.overdue(tx, now - self._forgiven, AT_ONCE)
        for each in found:
            arrears.note(tx, each.subscription_id, each.invoice_id, each.number, now)
        unpaid = arrears.active_ones(tx, AT_ONCE)
        for subscription_id, number in unpaid:
            self._sales.note_unpaid(tx, subscription_id, f"invoice {number} is not paid")
        settled = self._bills.settled(tx, AT_ONCE)
        for subscription_id, invoice_id in settled:
            arrears.clear(tx, subscription_id, invoice_id, now)
        for subscription_id in dict.fromkeys(subscription_id for subscription_id, _ in settled):
            if not arrears.has_any(tx, subscription_id):
                self._sales.note_paid(tx, subscription_id)
        return len(found) + len(unpaid) + len(settled)
