"""A document as UBL 2.1, in the profile of Peppol BIS Billing 3 (EN 16931).

docs.peppol.eu/poacc/billing/3.0: element by element as its syntax pages have them, in their order,
which UBL's schema fixes. What makes a document valid in a country beyond that (CIUS) is not here. A
party without a VAT number has no electronic address; such a document is UBL, and no network takes
it. Nor does one in a currency with three decimals, which the norm does not know (BR-DEC).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from tradewind.core.creditor_references import reference_of_invoice
from tradewind.features.billing.drawing import amount, minor_of
from tradewind.features.billing.schemas import Content, LineContent, Party, TaxContent

CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
INVOICE = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
CREDIT_NOTE = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2"
CUSTOMIZATION = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
PROFILE = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
_PIECE = "C62"
"""Unit code "one" (UN/ECE Recommendation 20): quantities of calls have no price of their own."""
_CREDIT_TRANSFER = "30"
_OUTSIDE = "O"
"""Outside the scope of the tax."""
_VAT_ADDRESSES = {
    "AT": "9914",
    "BE": "9925",
    "BG": "9926",
    "CH": "9927",
    "CY": "9928",
    "CZ": "9929",
    "DE": "9930",
    "EE": "9931",
    "ES": "9920",
    "FR": "9957",
    "GB": "9932",
    "GR": "9933",
    "HR": "9934",
    "HU": "9910",
    "IE": "9935",
    "LT": "9937",
    "LU": "9938",
    "LV": "9939",
    "MT": "9943",
    "NL": "9944",
    "PL": "9945",
    "PT": "9946",
    "RO": "9947",
    "SE": "9955",
    "SI": "9949",
    "SK": "9950",
}
"""Electronic address schemes (EAS) by which a country's VAT number is an address."""


def ubl(content: Content) -> bytes:
    is_credit = content.document == "credit_note"
    namespace, name = (CREDIT_NOTE, "CreditNote") if is_credit else (INVOICE, "Invoice")
    register_namespace("cbc", CBC)
    register_namespace("cac", CAC)
    register_namespace("", namespace)
    root = Element(f"{{{namespace}}}{name}")
    _text(root, "CustomizationID", CUSTOMIZATION)
    _text(root, "ProfileID", PROFILE)
    _text(root, "ID", content.number)
    _text(root, "IssueDate", f"{content.issued_at:%Y-%m-%d}")
    if is_credit:
        _text(root, "CreditNoteTypeCode", "381")
        _text(root, "Note", content.reason)
    else:
        _text(root, "DueDate", f"{content.due_at:%Y-%m-%d}")
        _text(root, "InvoiceTypeCode", "380")
    _text(root, "DocumentCurrencyCode", content.currency)
    _text(root, "BuyerReference", content.buyer_reference or content.organization)
    # Late usage and fees paid ahead lie outside of the month; the period of a document holds those
    # of its lines (PEPPOL-EN16931-R110, R111).
    begins = min([content.period_start, *(line.hour_from for line in content.lines)])
    ends = max([content.period_end, *(line.hour_to for line in content.lines)])
    _period(root, begins, ends)
    if is_credit:
        reference = _part(_part(root, "BillingReference"), "InvoiceDocumentReference")
        _text(reference, "ID", content.credits)
    is_taxed = content.tax.treatment != _OUTSIDE
    for name, party in (
        ("AccountingSupplierParty", content.issuer),
        ("AccountingCustomerParty", content.buyer),
    ):
        _party(_part(root, name), party, is_taxed=is_taxed)
    if content.payment_details and not is_credit:
        means = _part(root, "PaymentMeans")
        _text(means, "PaymentMeansCode", _CREDIT_TRANSFER)
        _text(means, "PaymentID", reference_of_invoice(content.number))
        _text(_part(means, "PayeeFinancialAccount"), "ID", _account(content.payment_details))
    if is_credit:
        # Something has to say when an amount is due (BR-CO-25).
        _text(_part(root, "PaymentTerms"), "Note", f"Set off against invoice {content.credits}")
    _tax(root, content)
    total = _part(root, "LegalMonetaryTotal")
    _amount(total, "LineExtensionAmount", content.net, content.currency)
    _amount(total, "TaxExclusiveAmount", content.net, content.currency)
    _amount(total, "TaxInclusiveAmount", content.total, content.currency)
    _amount(total, "PayableAmount", content.total, content.currency)
    for line in content.lines:
        _line(root, line, content, is_credit=is_credit)
    return tostring(root, encoding="UTF-8", xml_declaration=True)


def _party(parent: Element, party: Party, *, is_taxed: bool) -> None:
    inside = _part(parent, "Party")
    scheme = _VAT_ADDRESSES.get(party.country)
    is_vat = _is_vat_number(party)
    if is_vat and scheme:
        _text(inside, "EndpointID", party.tax_id, schemeID=scheme)
    address = _part(inside, "PostalAddress")
    for name, value in (
        ("StreetName", party.street),
        ("CityName", party.city),
        ("PostalZone", party.postal_code),
    ):
        if value:
            _text(address, name, value)
    _text(_part(address, "Country"), "IdentificationCode", party.country)
    # Outside the scope of the tax nobody has a VAT number (BR-O-02).
    as_vat = is_vat and is_taxed
    if as_vat:
        scheme_of = _part(inside, "PartyTaxScheme")
        _text(scheme_of, "CompanyID", party.tax_id)
        _text(_part(scheme_of, "TaxScheme"), "ID", "VAT")
    legal = _part(inside, "PartyLegalEntity")
    _text(legal, "RegistrationName", party.legal_name)
    if party.tax_id and not as_vat:
        _text(legal, "CompanyID", party.tax_id)
    if party.email:
        _text(_part(inside, "Contact"), "ElectronicMail", party.email)


def _is_vat_number(party: Party) -> bool:
    """Say whether it begins with its country, as VAT numbers do (BR-CO-09); Greece's with EL."""
    prefix = "EL" if party.country == "GR" else party.country
    return party.tax_id.upper().startswith(prefix)


def _period(parent: Element, since: datetime, until: datetime) -> None:
    period = _part(parent, "InvoicePeriod")
    _text(period, "StartDate", f"{since:%Y-%m-%d}")
    # The last day that is in it: ours end with the first moment that is not.
    last = max(since, until - timedelta.resolution)
    _text(period, "EndDate", f"{last:%Y-%m-%d}")


def _tax(root: Element, content: Content) -> None:
    total = _part(root, "TaxTotal")
    _amount(total, "TaxAmount", content.tax.amount, content.currency)
    part = _part(total, "TaxSubtotal")
    _amount(part, "TaxableAmount", content.net, content.currency)
    _amount(part, "TaxAmount", content.tax.amount, content.currency)
    category = _category(_part(part, "TaxCategory"), content.tax)
    if content.tax.reason and content.tax.treatment not in {"S", "Z"}:
        _text(category, "TaxExemptionReason", content.tax.reason)
    _text(_part(category, "TaxScheme"), "ID", "VAT")


def _category(category: Element, tax: TaxContent) -> Element:
    _text(category, "ID", tax.treatment)
    # Outside the scope of the tax no rate is named (BR-O-05).
    if tax.treatment != _OUTSIDE:
        _text(category, "Percent", format(Decimal(tax.rate_ppm).scaleb(-4).normalize(), "f"))
    return category


def _line(root: Element, line: LineContent, content: Content, *, is_credit: bool) -> None:
    part = _part(root, "CreditNoteLine" if is_credit else "InvoiceLine")
    minor = minor_of(line.amount, content.currency)
    _text(part, "ID", str(line.seq))
    # The amount has to be quantity times price, and no price is below zero (BR-27). Calls cost what
    # their tokens do, so a line is one piece of what it says.
    quantity = "CreditedQuantity" if is_credit else "InvoicedQuantity"
    _text(part, quantity, "-1" if minor < 0 else "1", unitCode=_PIECE)
    _amount(part, "LineExtensionAmount", line.amount, content.currency)
    _period(part, line.hour_from, line.hour_to)
    item = _part(part, "Item")
    if line.unit:
        _text(item, "Description", f"{line.quantity} {line.unit}")
    _text(item, "Name", line.description[:100])
    category = _category(_part(item, "ClassifiedTaxCategory"), content.tax)
    _text(_part(category, "TaxScheme"), "ID", "VAT")
    price = amount(abs(minor), content.currency)
    _amount(_part(part, "Price"), "PriceAmount", price, content.currency)


def _account(details: str) -> str:
    """Return the IBAN in what people wrote, or all of it."""
    compact = "".join(details.split())
    at = compact.upper().find("IBAN")
    if at < 0:
        return details
    rest = compact[at + 4 :].lstrip(":")
    return "".join(_while_account(rest))[:34] or details


def _while_account(text: str) -> Iterable[str]:
    for sign in text:
        if not (sign.isascii() and sign.isalnum()):
            return
        yield sign


def _part(parent: Element, name: str) -> Element:
    return SubElement(parent, f"{{{CAC}}}{name}")


def _text(parent: Element, name: str, text: str, **attributes: str) -> None:
    SubElement(parent, f"{{{CBC}}}{name}", attributes).text = text


def _amount(parent: Element, name: str, text: str, currency: str) -> None:
    _text(parent, name, text, currencyID=currency)
