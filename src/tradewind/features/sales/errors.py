"""What sales raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, NotFound


class MoveRefused(Conflict):
    """The subscription is in no state for that."""

    code = "subscription_move_refused"


class TermsChanged(Conflict):
    """Somebody agrees to other terms than those that are offered."""

    code = "sale_terms_changed"


class AlreadySubscribed(Conflict):
    code = "already_subscribed"


class NotConfirmed(Conflict):
    """Nobody said yet that they know who pays."""

    code = "payment_not_confirmed"


def offer_not_found(offer_id: str) -> NotFound:
    return NotFound(f"there is no offer {offer_id[:64]!r}", hint="list what is offered")
