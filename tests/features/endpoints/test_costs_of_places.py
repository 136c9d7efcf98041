"""What providers take where models are called: the cost side of margins."""

from decimal import Decimal

import pytest
from sqlalchemy import update

from tradewind.features.endpoints.schemas import HostedModel, HostedModels
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.providers.hosts import known_hosts
from tradewind.readmodels.provider_costs import provider_costs

pytestmark = pytest.mark.postgres

MODEL = "openai/gpt-4o"


@pytest.fixture
def called(endpoints, do, operator, connect):
    """A model of everybody's that is called at its host."""
    wanted = HostedModels([HostedModel("gpt-4o")], Decimal(0))
    endpoints.add_from_host(operator, connect("openai").id, wanted)
    do(lambda tx: tx.execute(update(endpoint).values(organization_id=None)))


def change(do, **values):
    do(lambda tx: tx.execute(update(endpoint_target).values(**values)))


def test_a_place_costs_what_is_written_down_for_it(do, called):
    change(do, cost_input_nanos=7, cost_output_nanos=9, cost_meters={"images": 3})
    [cost] = do(provider_costs)
    assert (cost.model, cost.currency, cost.hosts) == (MODEL, "USD", {"openai"})
    assert (cost.meters["input_tokens"], cost.meters["output_tokens"]) == (7, 9)
    assert cost.meters["images"] == 3


def test_what_an_organization_calls_over_its_own_account_is_no_cost_of_ours(do, operator, called):
    whose = operator.organization_id
    do(lambda tx: tx.execute(update(endpoint).values(organization_id=whose)))
    assert do(provider_costs) == []


def test_without_a_cost_of_its_own_a_place_costs_what_its_host_tells_or_nothing_known(do, called):
    model = known_hosts()["openai"].model("gpt-4o")
    assert model is not None
    change(do, cost_currency=None, cost_input_nanos=None, cost_output_nanos=None)
    change(do, cost_cached_input_nanos=None, cost_cache_write_nanos=None, cost_meters={})
    told = {cost.meters["input_tokens"] for cost in do(provider_costs)}
    assert told <= {model.prices[0].input_nanos}
