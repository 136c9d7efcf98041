"""The rule that fits best says the tax; where none fits nothing is guessed."""

from datetime import date

import pytest

from tradewind.features.billing.rules.taxes import (
    ANY,
    NoTaxRule,
    TaxRule,
    tax_for,
    tax_minor,
)
from tradewind.features.billing.schemas import BuyerKind, TaxTreatment

DAY = date(2026, 11, 22)
BUSINESS, CONSUMER = BuyerKind.BUSINESS, BuyerKind.CONSUMER
RULES = [
    TaxRule("DE", ANY, None, TaxTreatment.EXPORT, 0, "", "export"),
    TaxRule("DE", "DE", None, TaxTreatment.STANDARD, 190_000, "DE"),
    TaxRule("DE", "FR", CONSUMER, TaxTreatment.STANDARD, 200_000, "FR"),
    TaxRule("DE", "FR", BUSINESS, TaxTreatment.REVERSE_CHARGE, 0, "FR", "reverse charge"),
    TaxRule(
        "DE", "DE", None, TaxTreatment.STANDARD, 160_000, "DE",
        valid_from=date(2020, 7, 1), valid_until=date(2021, 1, 1),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("buyer", "kind", "treatment", "rate_ppm"),
    [
        ("DE", CONSUMER, TaxTreatment.STANDARD, 190_000),
        ("DE", BUSINESS, TaxTreatment.STANDARD, 190_000),
        ("FR", CONSUMER, TaxTreatment.STANDARD, 200_000),
        ("FR", BUSINESS, TaxTreatment.REVERSE_CHARGE, 0),
        ("US", CONSUMER, TaxTreatment.EXPORT, 0),
    ],
)
def test_the_most_particular_rule_is_taken(buyer, kind, treatment, rate_ppm):
    tax = tax_for(RULES, seller="DE", buyer=buyer, kind=kind, on=DAY)
    assert (tax.treatment, tax.rate_ppm) == (treatment, rate_ppm)


def test_a_rule_holds_from_its_first_day_until_the_day_it_ends():
    rates = [
        tax_for(RULES, seller="DE", buyer="DE", kind=CONSUMER, on=day).rate_ppm
        for day in (date(2020, 6, 30), date(2020, 7, 1), date(2020, 12, 31), date(2021, 1, 1))
    ]
    assert rates == [190_000, 160_000, 160_000, 190_000]


def test_where_no_rule_fits_nothing_is_guessed():
    with pytest.raises(NoTaxRule, match="business in US who buys from FR"):
        tax_for(RULES, seller="FR", buyer="US", kind=BUSINESS, on=DAY)


@pytest.mark.parametrize(
    ("net", "rate_ppm", "tax"),
    [
        (1000, 190_000, 190),
        (50, 190_000, 10),
        (250, 190_000, 48),
        (-1000, 190_000, -190),
        (3, 0, 0),
    ],
)
def test_tax_is_rounded_half_to_even(net, rate_ppm, tax):
    assert tax_minor(net, rate_ppm) == tax
