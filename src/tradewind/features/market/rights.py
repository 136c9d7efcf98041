"""Who may see and change the price book: prices of models are everybody's."""

from tradewind.core.errors import Forbidden
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, is_platform_administrator


def require_of_the_book(actor: Actor, permission: Permission) -> None:
    """Raises Forbidden for whoever does not run the platform."""
    require(actor, permission)
    if not is_platform_administrator(actor):
        raise Forbidden("only administrators of the platform see and change its price book")
