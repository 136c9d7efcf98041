"""Who pays, from what and up to what, in the words that a person confirms. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from tradewind.features.billing.schemas import BillingAccount, Mode
from tradewind.features.budgets.schemas import BudgetRow
from tradewind.portal.plan_words import money

_CAPS_TOLD = 3


class PayerWords(NamedTuple):
    payer: str
    cap: str
    is_charged: bool
    """Whether calls at list prices are charged to the organization at all."""


def payer_words(
    organization: str, account: BillingAccount | None, budgets: Sequence[BudgetRow]
) -> PayerWords:
    """Say who pays for an organization. A hard budget of all of it is its cap."""
    caps = [
        f"{money(row.amount_nanos)} {row.currency} a {row.period.value} ({row.name})"
        for row in budgets
        if row.is_hard and row.project_id is None and row.key_id is None
    ]
    cap = "At most " + ", ".join(caps[:_CAPS_TOLD]) if caps else "No cap"
    if account is None or account.mode is Mode.NONE:
        return PayerWords(f"{organization}, by invoice"[:200], cap[:200], is_charged=False)
    name = account.party.legal_name[:100]
    if account.mode is Mode.PREPAID:
        return PayerWords(f"{name}, from its wallet", cap[:200], is_charged=True)
    days = account.payment_terms_days
    return PayerWords(f"{name}, by invoice within {days} days", cap[:200], is_charged=True)
