"""The price book and the simulator, with what they read of other features."""

from tradewind.core.clock import Clock
from tradewind.features.ledger.service import Ledger
from tradewind.features.market.ports import PriceReaders
from tradewind.features.market.service import Market
from tradewind.features.market.services import PriceServices, build_prices
from tradewind.features.market.versions import NOTICE_DAYS
from tradewind.readmodels.exchange_rates import StoredRates
from tradewind.readmodels.past_usage import past_use
from tradewind.readmodels.prices import model_ids, publishers_of
from tradewind.readmodels.provider_costs import provider_costs


def build_price_services(
    market: Market,
    clock: Clock,
    *,
    notice_days: int = NOTICE_DAYS,
    currency: str = "USD",
) -> PriceServices:
    return build_prices(
        market,
        clock,
        PriceReaders(model_ids, provider_costs, StoredRates(Ledger(clock))),
        past_use,
        publishers_of,
        notice_days=notice_days,
        currency=currency,
    )
