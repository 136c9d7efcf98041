"""What an organization calls over its own accounts: its provider bills it, nobody here does."""

from sqlalchemy import Connection

from tradewind.core.ids import ModelId, OrganizationId
from tradewind.features.endpoints.schemas import EndpointRow, ModelPrice
from tradewind.features.market.schemas import PriceTerms
from tradewind.features.market.service import Market
from tradewind.features.providers.service import Providers
from tradewind.snapshot.contents import Cost


class OwnAccounts:
    """Keeps the prices that calls over own accounts are counted at."""

    def __init__(self, market: Market, providers: Providers) -> None:
        self._market = market
        self._providers = providers

    def show_price(self, tx: Connection, endpoint: EndpointRow) -> None:
        """See to it that there is a price where each target is an account of the endpoint's own
        organization: what the first of them that is told takes, else everybody's.

        One that is shown already stays.
        """
        owner = endpoint.organization_id
        if owner is None or not self._are_own(tx, endpoint):
            return
        if self._market.shown_price_of(tx, endpoint.model_id, owner) is not None:
            return
        costs = [target.cost for target in endpoint.targets if target.cost is not None]
        terms = _of_cost(costs[0]) if costs else None
        if terms is None:
            everybodys = self._market.price_of(tx, endpoint.model_id)
            terms = None if everybodys is None else everybodys.terms
        if terms is not None:
            self._market.show_price(tx, endpoint.model_id, owner, terms)

    def put_price(
        self, tx: Connection, model_id: ModelId, owner: OrganizationId, price: ModelPrice
    ) -> bool:
        """Have calls of a model over accounts of this organization counted so from now on. False
        when they are already.
        """
        terms = _of_cost(
            Cost(
                price.currency,
                price.input_nanos,
                price.output_nanos,
                price.cached_input_nanos,
                price.cache_write_nanos,
            )
        )
        return self._market.show_price(tx, model_id, owner, terms)

    def _are_own(self, tx: Connection, endpoint: EndpointRow) -> bool:
        connections = [target.connection_id for target in endpoint.targets]
        if not connections or None in connections:
            return False
        owners = self._providers.owners_of(tx, [each for each in connections if each is not None])
        return owners == {endpoint.organization_id}


def _of_cost(cost: Cost) -> PriceTerms:
    meters = {
        **cost.meters,
        "input_tokens": cost.input_nanos,
        "output_tokens": cost.output_nanos,
        "cached_input_tokens": (
            cost.input_nanos if cost.cached_input_nanos is None else cost.cached_input_nanos
        ),
    }
    if cost.cache_write_nanos is not None:
        meters["cache_write_tokens"] = cost.cache_write_nanos
    return PriceTerms(cost.currency, meters, is_charged=False)
