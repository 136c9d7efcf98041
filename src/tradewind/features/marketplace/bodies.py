"""Subscriptions and operations as the wire says them.

Formats: learn.microsoft.com, "SaaS fulfillment Subscription APIs v2", "SaaS fulfillment Operations
APIs v2" and "Implementing a webhook on the SaaS service". Pure.
"""

from datetime import UTC, datetime
from typing import Any

from tradewind.core.ids import Id
from tradewind.core.pricing.charges import Term
from tradewind.features.marketplace.rules.actions import status_of
from tradewind.features.marketplace.rules.guids import guid_of
from tradewind.features.marketplace.schemas import OperationRow
from tradewind.features.sales.schemas import PlanRow, Sold

_UNITS = {Term.MONTH: "P1M", Term.YEAR: "P1Y"}
_NOBODY = "00000000-0000-0000-0000-000000000000"


def subscription_body(sold: Sold) -> dict[str, Any]:
    row, offer = sold.subscription, sold.offer
    return {
        "id": guid_of(row.subscription_id),
        "name": offer.name,
        "publisherId": offer.publisher_slug,
        "offerId": offer.offer_id,
        "planId": row.plan_name,
        "quantity": row.quantity,
        "saasSubscriptionStatus": status_of(row.state).value,
        "beneficiary": _person(row.organization_id, row.beneficiary),
        "purchaser": _person(row.organization_id, row.purchaser),
        "term": {
            "termUnit": _UNITS[row.terms.term],
            "startDate": time_text(row.term_start),
            "endDate": time_text(row.term_end),
        },
        "autoRenew": row.cancel_at is None and row.state != "cancelled",
        "isTest": False,
        "isFreeTrial": row.state == "trial",
        "allowedCustomerOperations": ["Delete", "Update", "Read"],
        "sandboxType": "None",
        "sessionMode": "None",
        "created": time_text(row.created_at),
    }


def resolved_body(sold: Sold) -> dict[str, Any]:
    """Return what a purchase token stands for. `scopes` is ours: what the app declared."""
    row = sold.subscription
    return {
        "id": guid_of(row.subscription_id),
        "subscriptionName": sold.offer.name,
        "offerId": sold.offer.offer_id,
        "planId": row.plan_name,
        "quantity": row.quantity,
        "subscription": subscription_body(sold),
        "scopes": list(sold.offer.scopes),
    }


def plan_body(plan: PlanRow) -> dict[str, Any]:
    return {
        "planId": plan.name,
        "displayName": plan.name,
        "isPrivate": not plan.is_public,
        "description": plan.text,
        "minQuantity": 1,
        "maxQuantity": 100_000,
        "hasFreeTrials": plan.terms.trial_days > 0,
        "isPricePerSeat": plan.terms.fee_nanos > 0,
        "isStopSell": plan.state != "live",
        "market": "",
        "planComponents": {
            "recurrentBillingTerms": [
                {
                    "currency": plan.terms.currency,
                    "price": plan.terms.fee_nanos / 1_000_000_000,
                    "termUnit": _UNITS[plan.terms.term],
                }
            ],
            "meteringDimensions": [
                {
                    "id": charge.meter,
                    "currency": plan.terms.currency,
                    "includedQuantity": charge.included,
                }
                for charge in plan.terms.charges
            ],
        },
    }


def operation_body(row: OperationRow, sold: Sold | None = None) -> dict[str, Any]:
    """Return an operation; with `sold`, as a webhook says it."""
    found: dict[str, Any] = {
        "id": guid_of(row.operation_id),
        "activityId": guid_of(row.operation_id),
        "publisherId": row.publisher_slug,
        "offerId": row.offer_id,
        "planId": row.plan_name,
        "quantity": row.quantity,
        "subscriptionId": guid_of(row.subscription_id),
        "timeStamp": time_text(row.created_at),
        "action": row.action.value,
        "status": row.status.value,
        "operationRequestSource": row.source.value,
    }
    if sold is None:
        return found | {"errorStatusCode": "", "errorMessage": row.error}
    return found | {"subscription": subscription_body(sold), "purchaseToken": None}


def time_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _person(organization_id: Id, name: str) -> dict[str, str]:
    """Return somebody of a buyer. No address is handed out: the name is what they gave."""
    return {
        "emailId": name,
        "objectId": _NOBODY,
        "tenantId": guid_of(organization_id),
        "puid": "",
    }
