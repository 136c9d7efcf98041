"""What others are told of subscriptions, through the outbox: the buyer, and whoever sells."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from tradewind.core.ids import OrganizationId
from tradewind.db.outbox import enqueue
from tradewind.features.sales.rules.life import Move
from tradewind.features.sales.schemas import OfferRow, SubscriptionMessage

KINDS = {
    Move.SUBSCRIBED: "subscription.created",
    Move.TRIAL_BEGAN: "subscription.activated",
    Move.TRIAL_ENDING: "subscription.trial_ending",
    Move.ACTIVATED: "subscription.activated",
    Move.RENEWED: "subscription.renewed",
    Move.PLAN_CHANGED: "subscription.changed",
    Move.PRIVATE_PRICE_ENDED: "subscription.changed",
    Move.PAUSED: "subscription.paused",
    Move.RESUMED: "subscription.resumed",
    Move.CANCEL_ASKED: "subscription.changed",
    Move.CANCEL_TAKEN_BACK: "subscription.changed",
    Move.PAST_DUE: "subscription.past_due",
    Move.REMINDED: "subscription.past_due",
    Move.PAID: "subscription.paid",
    Move.SUSPENDED: "subscription.suspended",
    Move.REINSTATED: "subscription.reinstated",
    Move.CANCELLED: "subscription.cancelled",
}
"""What each move is told as; the payload has the move itself."""


def tell_move(
    tx: Connection,
    offer: OfferRow,
    message: SubscriptionMessage,
    *,
    plan_id: str,
    quantity: int,
    term_end: datetime,
) -> None:
    """Have a move told to both sides, in the transaction that makes it."""
    kind = KINDS[Move(message.move)]
    data: dict[str, Any] = {
        "subscription": message.subscription_id,
        "buyer": message.organization_id,
        "publisher": offer.publisher_slug,
        "offer": offer.offer_id,
        "offer_name": offer.name,
        "plan": plan_id,
        "quantity": quantity,
        "move": message.move,
        "state": message.state,
        "reason": message.reason,
        "at": message.at.astimezone(UTC).isoformat(),
        "term_end": term_end.astimezone(UTC).isoformat(),
        "seq": message.seq,
    }
    key = f"subscription {message.subscription_id} {message.seq}"
    for organization_id in dict.fromkeys((message.organization_id, offer.organization_id)):
        enqueue(tx, kind, OrganizationId(organization_id), data, key=key)
