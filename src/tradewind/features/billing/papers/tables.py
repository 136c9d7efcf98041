"""A document's lines as CSV: in columns of our own, and in those of FOCUS."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tradewind.features.billing.drawing import amount, minor_of
from tradewind.features.billing.schemas import Content, LineKind

LINE_COLUMNS = (
    "document",
    "number",
    "seq",
    "kind",
    "description",
    "quantity",
    "unit",
    "exact",
    "amount",
    "currency",
    "project",
    "model",
    "operation",
    "price",
    "seller",
    "hour_from",
    "hour_to",
    "is_late",
    "quantities",
    "cost_centre",
    "tags",
)

FOCUS_COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "Tags",
    "x_CostCentre",
    "x_Quantities",
)
"""Of the FinOps Open Cost and Usage Specification 1.2 (focus.finops.org), those that say something
here; a column that is missing is one that would be null in every row. Those with x_ are ours."""

_CATEGORIES = {
    LineKind.USAGE: "Usage",
    LineKind.FEE: "Purchase",
    LineKind.MINIMUM: "Adjustment",
    LineKind.ADJUSTMENT: "Adjustment",
}


def lines_csv(content: Content) -> str:
    rows = (
        {
            "document": content.document,
            "number": content.number,
            "seq": line.seq,
            "kind": line.kind.value,
            "description": line.description,
            "quantity": line.quantity,
            "unit": line.unit,
            "exact": line.exact,
            "amount": line.amount,
            "currency": content.currency,
            "project": line.project,
            "model": line.model,
            "operation": line.operation,
            "price": line.price,
            "seller": line.seller,
            "hour_from": _time(line.hour_from),
            "hour_to": _time(line.hour_to),
            "is_late": str(line.evidence.is_late).lower(),
            "quantities": json.dumps(line.evidence.quantities, sort_keys=True),
            "cost_centre": line.evidence.cost_centre,
            "tags": json.dumps(line.evidence.tags, sort_keys=True),
        }
        for line in content.lines
    )
    return table(LINE_COLUMNS, rows)


def focus_csv(content: Content) -> str:
    """Return a row for each line and one for the tax. A credit note's are below zero."""
    return table(FOCUS_COLUMNS, [*_focus_lines(content), *_focus_tax(content)])


def _focus_lines(content: Content) -> Iterable[Mapping[str, Any]]:
    for line in content.lines:
        is_usage = line.kind is LineKind.USAGE
        cost = _signed(content, line.amount)
        yield {
            **_focus_heads(content),
            "BilledCost": cost,
            "ChargeCategory": "Credit" if _is_credit(content) else _CATEGORIES[line.kind],
            "ChargeClass": "Correction" if line.evidence.is_late or _is_credit(content) else "",
            "ChargeDescription": line.description,
            "ChargeFrequency": "Usage-Based" if is_usage else "Recurring",
            "ChargePeriodEnd": _time(line.hour_to),
            "ChargePeriodStart": _time(line.hour_from),
            "ConsumedQuantity": line.quantity if is_usage else "",
            "ConsumedUnit": "Requests" if is_usage else "",
            "ContractedCost": cost,
            "EffectiveCost": cost,
            "ListCost": cost,
            "PricingCategory": "Standard" if is_usage else "Other",
            "PricingQuantity": line.quantity if is_usage else "",
            "PricingUnit": "Requests" if is_usage else "",
            "PublisherName": line.seller or content.issuer.legal_name,
            "ResourceId": line.model,
            "ResourceName": line.model,
            "ResourceType": "Model" if line.model else "",
            "ServiceName": line.operation or "Subscription",
            "SkuId": f"{line.model}:{line.operation}" if is_usage else line.kind.value,
            "SkuPriceId": line.price,
            "SubAccountId": line.project,
            "Tags": json.dumps(line.evidence.tags, sort_keys=True),
            "x_CostCentre": line.evidence.cost_centre,
            "x_Quantities": json.dumps(line.evidence.quantities, sort_keys=True),
        }


def _focus_tax(content: Content) -> Iterable[Mapping[str, Any]]:
    if minor_of(content.tax.amount, content.currency) == 0:
        return
    cost = _signed(content, content.tax.amount)
    yield {
        **_focus_heads(content),
        "BilledCost": cost,
        "ChargeCategory": "Tax",
        "ChargeDescription": f"Tax of {content.tax.jurisdiction}",
        "ChargeFrequency": "One-Time",
        "ChargePeriodEnd": _time(content.period_end),
        "ChargePeriodStart": _time(content.period_start),
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "ListCost": cost,
        "PublisherName": content.issuer.legal_name,
        "ServiceName": "Tax",
        "Tags": "{}",
    }


def _focus_heads(content: Content) -> dict[str, Any]:
    return {
        "BillingAccountId": content.organization,
        "BillingAccountName": content.buyer.legal_name,
        "BillingCurrency": content.currency,
        "BillingPeriodEnd": _time(content.period_end),
        "BillingPeriodStart": _time(content.period_start),
        "InvoiceId": content.number,
        "InvoiceIssuerName": content.issuer.legal_name,
        "ProviderName": content.issuer.legal_name,
        "ServiceCategory": "AI and Machine Learning",
    }


def _is_credit(content: Content) -> bool:
    return content.document == "credit_note"


def _signed(content: Content, text: str) -> str:
    sign = -1 if _is_credit(content) else 1
    return amount(sign * minor_of(text, content.currency), content.currency)


def _time(at: Any) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return CSV as RFC 4180 has it. Text that a spreadsheet would run as a formula is quoted."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return text.getvalue()


def _harmless(value: Any) -> Any:
    # A name that begins like this is run by spreadsheets; a number below zero is none of these.
    if isinstance(value, str) and value[:1] in {"=", "+", "@", "\t"}:
        return "'" + value
    return value
