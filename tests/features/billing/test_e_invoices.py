"""E-invoices keep the business rules of the norm, whatever the tax, the lines and the parties."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.billing.billing_parts import APRIL, ISSUER, MARCH, buyer
from tests.features.billing.en16931 import NAMES, broken_rules
from tradewind.core.ids import OrganizationId
from tradewind.features.billing.drawing import Heads, credit_content, invoice_content
from tradewind.features.billing.papers.ubl import ubl
from tradewind.features.billing.rules.minor_units import shares_in_minor
from tradewind.features.billing.rules.taxes import tax_minor
from tradewind.features.billing.schemas import (
    BillingAccount,
    BuyerKind,
    DraftLine,
    Evidence,
    LineKind,
    Mode,
    Tax,
    TaxTreatment,
)

TAXES = [
    Tax(TaxTreatment.STANDARD, 190_000, "DE", ""),
    Tax(TaxTreatment.STANDARD, 55_000, "FR", ""),
    Tax(TaxTreatment.ZERO, 0, "DE", ""),
    Tax(TaxTreatment.EXEMPT, 0, "DE", "Exempt"),
    Tax(TaxTreatment.REVERSE_CHARGE, 0, "DE", "Reverse charge"),
    Tax(TaxTreatment.EXPORT, 0, "DE", "Service outside the EU"),
    Tax(TaxTreatment.OUTSIDE, 0, "DE", "Not subject to VAT"),
]
ISSUED = datetime(2030, 4, 3, tzinfo=UTC)


def account(party, currency="EUR"):
    return BillingAccount(
        organization_id=OrganizationId("org_x"),
        mode=Mode.POSTPAID,
        currency=currency,
        party=party,
        buyer_kind=BuyerKind.BUSINESS,
        buyer_reference="",
        payment_terms_days=14,
        billed_from=MARCH,
        revision=1,
    )


def line(nanos, since=MARCH, until=APRIL, **more):
    values = {
        "kind": LineKind.USAGE,
        "description": "acme/one, chat",
        "quantity": 3,
        "unit": "requests",
        "exact_nanos": nanos,
        "fee_nanos": 0,
        "project_id": "proj_1",
        "model": "acme/one",
        "operation": "chat",
        "price_id": "price_1",
        "seller": "",
        "hour_from": since,
        "hour_to": until,
        "source_key": "",
        "evidence": Evidence(),
    }
    return DraftLine(**{**values, **more})


def invoice(tax, lines, *, party=None, issuer=ISSUER, currency="EUR"):
    shares = shares_in_minor([each.exact_nanos for each in lines], currency)
    heads = Heads(
        id="inv_1",
        number="INV-2030-000001",
        issuer=issuer,
        account=account(party or buyer(), currency),
        currency=currency,
        issued_at=ISSUED,
        due_at=ISSUED + timedelta(days=14),
        period=(MARCH, APRIL),
        tax=tax,
    )
    return invoice_content(heads, lines, shares, tax_minor(sum(shares), tax.rate_ppm))


def credit(content, tax):
    credited = {
        each.seq: int(each.amount.replace(".", ""))
        for each in content.lines
        if each.amount[0] != "-"
    }
    net = sum(credited.values())
    return credit_content(
        content,
        credited,
        tax_minor(net, tax.rate_ppm),
        id="cn_1",
        number="CN-2030-000001",
        reason="an outage",
        issued_at=ISSUED,
    )


def rules_of(content):
    return broken_rules(ET.fromstring(ubl(content)))


@pytest.mark.parametrize("tax", TAXES, ids=lambda tax: f"{tax.treatment.value}-{tax.rate_ppm}")
@given(
    st.lists(st.integers(-(10**13), 10**15), min_size=1, max_size=12).filter(
        lambda some: sum(some) > 10**8
    )
)
def test_every_tax_and_any_lines_keep_the_rules(tax, nanos):
    content = invoice(tax, [line(each) for each in nanos])

    assert rules_of(content) == []
    assert rules_of(credit(content, tax)) == []


def test_late_usage_and_fees_paid_ahead_lie_within_the_period_of_the_document():
    late = line(10**9, MARCH - timedelta(days=40), MARCH - timedelta(days=39))
    ahead = line(10**9, APRIL, APRIL + timedelta(days=365), kind=LineKind.FEE, unit="")
    content = invoice(TAXES[0], [late, ahead, line(10**9)])

    assert rules_of(content) == []
    root = ET.fromstring(ubl(content))
    assert root.findtext("cac:InvoicePeriod/cbc:StartDate", None, NAMES) == "2030-01-20"
    assert root.findtext("cac:InvoicePeriod/cbc:EndDate", None, NAMES) == "2031-03-31"


def test_a_month_ends_on_its_last_day():
    root = ET.fromstring(ubl(invoice(TAXES[0], [line(10**9)])))

    assert root.findtext("cac:InvoicePeriod/cbc:EndDate", None, NAMES) == "2030-03-31"


def test_a_number_that_is_no_vat_number_is_a_registration():
    party = msgspec.structs.replace(buyer(), country="US", tax_id="12-3456789")
    greek = msgspec.structs.replace(buyer(), country="GR", tax_id="EL123456789")
    nameless = msgspec.structs.replace(buyer(), tax_id="", street="", city="", postal_code="")

    for each in (party, greek, nameless):
        assert rules_of(invoice(TAXES[5], [line(10**9)], party=each)) == []
    american = invoice(TAXES[6], [line(10**9)], issuer=replace(ISSUER, party=party))
    assert rules_of(american) == []


def test_yen_have_no_decimals():
    assert rules_of(invoice(TAXES[0], [line(1_234 * 10**9)], currency="JPY")) == []


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        ("cac:LegalMonetaryTotal/cbc:PayableAmount", "1.00", "BR-CO-16"),
        ("cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount", "1.00", "BR-CO-15"),
        ("cac:LegalMonetaryTotal/cbc:LineExtensionAmount", "1.00", "BR-CO-10"),
        ("cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount", "1.00", "BR-CO-13"),
        ("cac:TaxTotal/cbc:TaxAmount", "1.00", "BR-CO-14"),
        ("cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount", "1.000", "BR-DEC-23"),
        ("cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount", "7.00", "BR-CO-17"),
        ("cac:InvoiceLine/cac:Price/cbc:PriceAmount", "-1.00", "BR-27"),
        ("cac:InvoiceLine/cac:InvoicePeriod/cbc:EndDate", "2031-01-01", "R111"),
        ("cbc:DueDate", "", "BR-CO-25"),
        ("cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:ID", "Z", "BR-S-01"),
        (
            "cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID",
            "123",
            "BR-CO-09",
        ),
    ],
)
def test_a_document_that_breaks_a_rule_is_found(path, text, rule):
    root = ET.fromstring(ubl(invoice(TAXES[0], [line(2 * 10**9)])))
    part = root.find(path, NAMES)
    assert part is not None
    part.text = text

    assert rule in broken_rules(root)
