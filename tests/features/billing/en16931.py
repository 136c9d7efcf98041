"""Business rules of EN 16931-1 and Peppol BIS Billing 3 that a program can check, by their names.

docs.peppol.eu/poacc/billing/3.0/rules. A schema says which elements there are and in which order;
these say what they have to come to.
"""

from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from xml.etree.ElementTree import Element

from tradewind.features.billing.papers.ubl import CAC, CBC, CUSTOMIZATION, PROFILE

NAMES = {"cbc": CBC, "cac": CAC}
TOTAL = "cac:LegalMonetaryTotal/cbc:"
SUPPLIER, CUSTOMER = (
    "cac:AccountingSupplierParty/cac:Party/",
    "cac:AccountingCustomerParty/cac:Party/",
)
VAT_NUMBER = "cac:PartyTaxScheme/cbc:CompanyID"
MANDATORY = {
    "BR-01": "cbc:CustomizationID",
    "BR-02": "cbc:ID",
    "BR-03": "cbc:IssueDate",
    "BR-05": "cbc:DocumentCurrencyCode",
    "BR-06": f"{SUPPLIER}cac:PartyLegalEntity/cbc:RegistrationName",
    "BR-07": f"{CUSTOMER}cac:PartyLegalEntity/cbc:RegistrationName",
    "BR-08": f"{SUPPLIER}cac:PostalAddress",
    "BR-09": f"{SUPPLIER}cac:PostalAddress/cac:Country/cbc:IdentificationCode",
    "BR-10": f"{CUSTOMER}cac:PostalAddress",
    "BR-11": f"{CUSTOMER}cac:PostalAddress/cac:Country/cbc:IdentificationCode",
    "BR-12": f"{TOTAL}LineExtensionAmount",
    "BR-13": f"{TOTAL}TaxExclusiveAmount",
    "BR-14": f"{TOTAL}TaxInclusiveAmount",
    "BR-15": f"{TOTAL}PayableAmount",
    "BR-CO-18": "cac:TaxTotal/cac:TaxSubtotal",
    "R003": "cbc:BuyerReference",
}
LINE_MANDATORY = {
    "BR-21": "cbc:ID",
    "BR-22": "quantity",
    "BR-24": "cbc:LineExtensionAmount",
    "BR-25": "cac:Item/cbc:Name",
    "BR-26": "cac:Price/cbc:PriceAmount",
    "BR-CO-04": "cac:Item/cac:ClassifiedTaxCategory/cbc:ID",
}
NEEDS_REASON = {"E", "AE", "G", "O"}


def broken_rules(root: Element) -> list[str]:
    """Return the names of the rules that a document breaks."""
    return sorted({*_document(root), *_sums(root), *_tax(root), *_lines(root), *_amounts(root)})


def _kind(root: Element) -> str:
    return root.tag.rpartition("}")[2]


def _text(part: Element, path: str) -> str:
    return part.findtext(path, "", NAMES)


def _number(part: Element, path: str) -> Decimal:
    return Decimal(_text(part, path) or "0")


def _line_parts(root: Element) -> list[Element]:
    return root.findall(f"cac:{_kind(root)}Line", NAMES)


def _document(root: Element) -> Iterator[str]:
    for rule, path in MANDATORY.items():
        if root.find(path, NAMES) is None:
            yield rule
    is_credit = _kind(root) == "CreditNote"
    kind = "cbc:CreditNoteTypeCode" if is_credit else "cbc:InvoiceTypeCode"
    if _text(root, kind) != ("381" if is_credit else "380"):
        yield "BR-04"
    if _text(root, "cbc:CustomizationID") != CUSTOMIZATION:
        yield "R004"
    if _text(root, "cbc:ProfileID") != PROFILE:
        yield "R001"
    if not _line_parts(root):
        yield "BR-16"
    if is_credit and not _text(root, "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"):
        yield "BR-55"
    for part in root.iter():
        if not len(part) and not (part.text or "").strip():
            yield "R008"
    says_when = _text(root, "cbc:DueDate") or _text(root, "cac:PaymentTerms/cbc:Note")
    if _number(root, f"{TOTAL}PayableAmount") > 0 and not says_when:
        yield "BR-CO-25"
    for means in root.findall("cac:PaymentMeans", NAMES):
        if not _text(means, "cbc:PaymentMeansCode"):
            yield "BR-49"
        if not _text(means, "cac:PayeeFinancialAccount/cbc:ID"):
            yield "BR-61"
    registered = f"{SUPPLIER}cac:PartyLegalEntity/cbc:CompanyID"
    if not _text(root, f"{SUPPLIER}{VAT_NUMBER}") and not _text(root, registered):
        yield "BR-CO-26"
    yield from _parties(root)


def _parties(root: Element) -> Iterator[str]:
    for party in (SUPPLIER, CUSTOMER):
        country = _text(root, f"{party}cac:PostalAddress/cac:Country/cbc:IdentificationCode")
        number = _text(root, f"{party}{VAT_NUMBER}")
        if number and number[:2] != ("EL" if country == "GR" else country):
            yield "BR-CO-09"
        address = root.find(f"{party}cbc:EndpointID", NAMES)
        if address is not None and not address.get("schemeID"):
            yield "BR-62" if party == SUPPLIER else "BR-63"


def _sums(root: Element) -> Iterator[str]:
    net, gross = (
        _number(root, f"{TOTAL}LineExtensionAmount"),
        _number(root, f"{TOTAL}TaxInclusiveAmount"),
    )
    without = _number(root, f"{TOTAL}TaxExclusiveAmount")
    tax = _number(root, "cac:TaxTotal/cbc:TaxAmount")
    lines = _line_parts(root)
    if sum(_number(line, "cbc:LineExtensionAmount") for line in lines) != net:
        yield "BR-CO-10"
    if without != net:
        yield "BR-CO-13"
    parts = root.findall("cac:TaxTotal/cac:TaxSubtotal", NAMES)
    if sum(_number(part, "cbc:TaxAmount") for part in parts) != tax:
        yield "BR-CO-14"
    if gross != without + tax:
        yield "BR-CO-15"
    if _number(root, f"{TOTAL}PayableAmount") != gross:
        yield "BR-CO-16"


def _tax(root: Element) -> Iterator[str]:
    if len(root.findall("cac:TaxTotal", NAMES)) != 1:
        yield "R053"
    in_lines = {
        _text(line, "cac:Item/cac:ClassifiedTaxCategory/cbc:ID") for line in _line_parts(root)
    }
    parts = root.findall("cac:TaxTotal/cac:TaxSubtotal", NAMES)
    if in_lines != {_text(part, "cac:TaxCategory/cbc:ID") for part in parts}:
        yield "BR-S-01"
    for part in parts:
        yield from _subtotal(root, part)


def _subtotal(root: Element, part: Element) -> Iterator[str]:
    category = _text(part, "cac:TaxCategory/cbc:ID")
    rate = _number(part, "cac:TaxCategory/cbc:Percent")
    base, tax = _number(part, "cbc:TaxableAmount"), _number(part, "cbc:TaxAmount")
    # The published check grants one unit, for those who round otherwise. We round half-even, and to
    # what can be paid: within its smallest unit both are right.
    wanted = (base * rate / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
    smallest = Decimal(1).scaleb(-len(_text(part, "cbc:TaxAmount").partition(".")[2]))
    if abs(wanted - tax) > smallest:
        yield "BR-CO-17"
    if base != sum(
        _number(line, "cbc:LineExtensionAmount")
        for line in _line_parts(root)
        if _text(line, "cac:Item/cac:ClassifiedTaxCategory/cbc:ID") == category
    ):
        yield f"BR-{category}-08"
    has_reason = bool(_text(part, "cac:TaxCategory/cbc:TaxExemptionReason"))
    if has_reason != (category in NEEDS_REASON):
        yield f"BR-{category}-10"
    if (rate > 0) != (category == "S"):
        yield f"BR-{category}-05"
    seller, buyer = (_text(root, f"{party}{VAT_NUMBER}") for party in (SUPPLIER, CUSTOMER))
    has_percent = part.find("cac:TaxCategory/cbc:Percent", NAMES) is not None
    if category == "O":
        if seller or buyer:
            yield "BR-O-02"
        if has_percent:
            yield "BR-O-05"
        return
    if not has_percent:
        yield "BR-48"
    if not seller:
        yield f"BR-{category}-02"
    registered = _text(root, f"{CUSTOMER}cac:PartyLegalEntity/cbc:CompanyID")
    if category == "AE" and not (buyer or registered):
        yield "BR-AE-02"


def _lines(root: Element) -> Iterator[str]:
    quantity = "cbc:CreditedQuantity" if _kind(root) == "CreditNote" else "cbc:InvoicedQuantity"
    begins, ends = _days(root)
    if ends < begins:
        yield "BR-29"
    for line in _line_parts(root):
        for rule, path in LINE_MANDATORY.items():
            if line.find(quantity if path == "quantity" else path, NAMES) is None:
                yield rule
        counted = line.find(quantity, NAMES)
        if counted is not None and not counted.get("unitCode"):
            yield "BR-23"
        price = _number(line, "cac:Price/cbc:PriceAmount")
        if price < 0:
            yield "BR-27"
        if _number(line, quantity) * price != _number(line, "cbc:LineExtensionAmount"):
            yield "R120"
        since, until = _days(line)
        if until < since:
            yield "BR-30"
        if not begins <= since <= ends:
            yield "R110"
        if not begins <= until <= ends:
            yield "R111"


def _days(part: Element) -> tuple[date, date]:
    since, until = (_text(part, f"cac:InvoicePeriod/cbc:{name}Date") for name in ("Start", "End"))
    return date.fromisoformat(since), date.fromisoformat(until)


def _amounts(root: Element) -> Iterator[str]:
    currency = _text(root, "cbc:DocumentCurrencyCode")
    for part in root.iter():
        if part.tag.endswith("Amount"):
            if part.get("currencyID") != currency:
                yield "R051"
            if len((part.text or "").partition(".")[2]) > 2:
                yield "BR-DEC-23"
