"""Reads what Stripe answers. Pure: no call is made here."""

from typing import Any, cast

from tradewind.core.errors import InvalidInput, Unavailable
from tradewind.core.money import NANOS_PER_UNIT
from tradewind.plugins.payments.base import Standing, TakenBack, Taking

Found = dict[str, Any]
OURS = "tradewind_payment"
OUR_REFUND = "tradewind_refund"
# docs.stripe.com/currencies#zero-decimal, and #three-decimal: the last digit of those is 0.
_WITHOUT_DIGITS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"}
    | {"PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_WITH_THREE_DIGITS = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
# docs.stripe.com/api/payment_intents/object#payment_intent_object-status
_INTENT_STATES = {
    "succeeded": "paid",
    "canceled": "failed",
    "requires_payment_method": "failed",
    "requires_action": "confirm",
}
# docs.stripe.com/api/disputes/object#dispute_object-status. What begins with `warning` is a
# question of the bank that takes nothing, and a dispute that was prevented is told as a refund.
_DISPUTES = {
    "needs_response": Taking.OPEN,
    "under_review": Taking.OPEN,
    "appeal_needs_response": Taking.OPEN,
    "appeal_under_review": Taking.OPEN,
    "lost": Taking.FINAL,
    "won": Taking.RETURNED,
}


def minor_of(nanos: int, currency: str) -> int:
    """Return an amount in what Stripe counts a currency in. Raises InvalidInput for a rest."""
    unit = _unit(currency)
    if nanos % unit:
        raise InvalidInput(f"the amount is finer than {currency} can be paid in")
    minor = nanos // unit
    if currency in _WITH_THREE_DIGITS and minor % 10:
        raise InvalidInput(f"the last digit of an amount in {currency} has to be 0")
    return minor


def standing_of(intent: Found) -> Standing:
    """Return how a payment intent stands. Raises Unavailable where it has no amount."""
    currency, status = text_of(intent, "currency").upper(), text_of(intent, "status")
    received = intent.get("amount_received")
    if not isinstance(received, int) or not currency:
        raise Unavailable("Stripe answered without an amount")
    state = _INTENT_STATES.get(status, "pending")
    return Standing(
        state,
        received * _unit(currency),
        currency,
        ours(intent),
        intent_id=text_of(intent, "id"),
        why="" if state != "failed" else f"Stripe says {status}",
    )


def disputed(dispute: Found) -> TakenBack:
    return TakenBack(
        processor_id=text_of(dispute, "id"),
        is_dispute=True,
        intent_id=text_of(dispute, "payment_intent"),
        nanos=_amount(dispute),
        currency=text_of(dispute, "currency").upper(),
        state=_DISPUTES.get(text_of(dispute, "status"), Taking.NONE),
        why=text_of(dispute, "reason"),
    )


def refunded(refund: Found) -> TakenBack:
    """docs.stripe.com/api/refunds/object: what failed after it had succeeded came back."""
    is_back = text_of(refund, "status") in {"failed", "canceled"}
    return TakenBack(
        processor_id=text_of(refund, "id"),
        is_dispute=False,
        intent_id=text_of(refund, "payment_intent"),
        nanos=_amount(refund),
        currency=text_of(refund, "currency").upper(),
        state=Taking.RETURNED if is_back else Taking.FINAL,
        refund_id=_metadata(refund, OUR_REFUND),
        why=text_of(refund, "reason"),
    )


def card_label(method: Found) -> str:
    """Return how people know a card: `visa 4242, until 12/2030`."""
    card = method.get("card")
    if not isinstance(card, dict):
        return ""
    known = cast("Found", card)
    month, year = known.get("exp_month"), known.get("exp_year")
    until = f", until {month:02d}/{year}" if isinstance(month, int) and year else ""
    return f"{text_of(known, 'brand')} {text_of(known, 'last4')}{until}"[:60].strip()


def ours(found: Found) -> str:
    return _metadata(found, OURS)


def text_of(found: Found, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _metadata(found: Found, name: str) -> str:
    metadata = found.get("metadata")
    return text_of(cast("Found", metadata), name) if isinstance(metadata, dict) else ""


def _amount(found: Found) -> int:
    amount, currency = found.get("amount"), text_of(found, "currency").upper()
    if not isinstance(amount, int) or not currency:
        raise Unavailable("Stripe answered without an amount")
    return amount * _unit(currency)


def _unit(currency: str) -> int:
    if currency in _WITHOUT_DIGITS:
        return NANOS_PER_UNIT
    return NANOS_PER_UNIT // (1000 if currency in _WITH_THREE_DIGITS else 100)
