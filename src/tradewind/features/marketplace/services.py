"""The services of the marketplace together, as routes and the worker are handed them."""

from dataclasses import dataclass

from tradewind.core.clock import Clock
from tradewind.db.vault import Vault
from tradewind.features.marketplace.fulfilment import Fulfilment
from tradewind.features.marketplace.metering import Metering
from tradewind.features.marketplace.notices import Notices
from tradewind.features.marketplace.ports import HourDifferences, SaleDesk, Signs, UntoldMoves
from tradewind.features.marketplace.rules.tokens import token_key
from tradewind.features.marketplace.sinks import Sending, Sinks
from tradewind.features.sales.service import Sales
from tradewind.plugins.sinks.registry import sinks


@dataclass(frozen=True, slots=True)
class MarketplaceServices:
    metering: Metering
    fulfilment: Fulfilment
    notices: Notices
    sinks: Sinks
    sending: Sending
    untold_moves: UntoldMoves


def build_marketplace(  # noqa: PLR0917  what it stands on
    sales: Sales,
    desk: SaleDesk,
    vault: Vault,
    signer: Signs,
    secret: bytes,
    clock: Clock,
    *,
    untold_moves: UntoldMoves,
    differences: HourDifferences,
) -> MarketplaceServices:
    """`secret` is one of the platform's, from which the key of purchase tokens is derived."""
    members = sinks()
    return MarketplaceServices(
        metering=Metering(desk, signer, clock),
        fulfilment=Fulfilment(sales, desk, vault, token_key(secret), clock),
        notices=Notices(desk, vault, clock),
        sinks=Sinks(vault, members, clock),
        sending=Sending(vault, members, differences, clock),
        untold_moves=untold_moves,
    )
