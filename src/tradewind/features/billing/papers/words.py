"""The words that a paper uses in every format."""

from collections.abc import Iterator
from decimal import Decimal

from tradewind.core.creditor_references import printed, reference_of_invoice
from tradewind.features.billing.schemas import Content, Party


def heading(content: Content) -> str:
    return "Credit note" if content.document == "credit_note" else "Invoice"


def party_lines(party: Party) -> Iterator[str]:
    yield party.legal_name
    if party.street:
        yield party.street
    yield " ".join(filter(None, (party.postal_code, party.city, party.country)))
    if party.tax_id:
        yield f"Tax number {party.tax_id}"


def payment_reference(content: Content) -> str:
    """Return what a transfer has to carry, so that it finds its way to the invoice."""
    return printed(reference_of_invoice(content.number))


def tax_words(content: Content) -> str:
    tax = content.tax
    if tax.rate_ppm:
        rate = format(Decimal(tax.rate_ppm).scaleb(-4).normalize(), "f")
        return f"Tax {tax.jurisdiction} {rate} %"
    return f"No tax: {tax.reason}" if tax.reason else "Tax 0 %"
