"""Which tax an invoice bears, by a table of rules.

A rule holds for the country of the seller, that of the buyer and the buyer's kind; the first that
fits is taken, and the table is ordered from the particular to the general. What no rule fits is not
guessed: it is refused, because an invoice with a wrong tax has to be taken back.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from tradewind.core.errors import Conflict
from tradewind.features.billing.schemas import BuyerKind, Tax, TaxTreatment

ANY = "*"
"""Stands for every country."""
PPM = 1_000_000
"""Rates are millionths: 19 % is 190,000."""


class TaxRule(NamedTuple):
    seller_country: str
    buyer_country: str
    """ISO 3166-1, two letters, or ANY."""
    buyer_kind: BuyerKind | None
    """None is every kind."""
    treatment: TaxTreatment
    rate_ppm: int
    jurisdiction: str
    """To whom it is owed; the owner of the ledger's account."""
    reason: str = ""
    """What the invoice says where no tax is taken; needed for all but S and Z."""
    valid_from: date = date.min
    valid_until: date = date.max
    """The first day on which it no longer holds."""


class NoTaxRule(Conflict):
    """No rule says how this buyer is taxed."""

    code = "no_tax_rule"


def tax_for(rules: Iterable[TaxRule], *, seller: str, buyer: str, kind: BuyerKind, on: date) -> Tax:
    """Return the tax of a sale from country `seller` to `buyer`. Raises NoTaxRule."""
    fitting = [
        rule
        for rule in rules
        if rule.seller_country in {seller, ANY}
        and rule.buyer_country in {buyer, ANY}
        and rule.buyer_kind in {kind, None}
        and rule.valid_from <= on < rule.valid_until
    ]
    if not fitting:
        raise NoTaxRule(
            f"no tax rule fits a {kind.value} in {buyer} who buys from {seller} on {on}",
            hint="add one under Money, Taxes",
        )
    best = max(fitting, key=_particular)
    return Tax(best.treatment, best.rate_ppm, best.jurisdiction, best.reason)


def _particular(rule: TaxRule) -> tuple[bool, bool, bool, date]:
    return (
        rule.buyer_country != ANY,
        rule.buyer_kind is not None,
        rule.seller_country != ANY,
        rule.valid_from,
    )


def tax_minor(net_minor: int, rate_ppm: int) -> int:
    """Return the tax on an amount, both in minor units, half-even."""
    quotient, remainder = divmod(net_minor * rate_ppm, PPM)
    return quotient + (remainder * 2 > PPM or (remainder * 2 == PPM and quotient & 1))
