"""Models of a known host, put into the catalog, priced and called by one call."""

from decimal import Decimal

import pytest

from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.features.endpoints.schemas import HostedModel, HostedModels, ModelPrice
from tradewind.features.providers.hosts import known_hosts
from tradewind.snapshot.contents import Cost, Operation

pytestmark = pytest.mark.postgres


def listed(host_id, model_id):
    model = known_hosts()[host_id].model(model_id)
    assert model is not None
    return model


@pytest.fixture
def add(endpoints, operator):
    def add(connection, *models, margin="0", actor=None):
        wanted = HostedModels(
            [HostedModel(one) if isinstance(one, str) else one for one in models], Decimal(margin)
        )
        return endpoints.add_from_host(actor or operator, connection.id, wanted)

    return add


def test_a_model_of_a_host_is_called_after_one_call(add, connect, compiled):
    connection = connect("openai", region="us-east-1", retains_data=False)
    [added] = add(connection, "gpt-4o", margin="20")
    assert (added.name, added.is_new_model, added.is_new_target) == ("openai/gpt-4o", True, True)
    model = listed("openai", "gpt-4o")
    endpoint = compiled()["openai/gpt-4o"]
    assert endpoint.aliases == ("gpt-4o",)
    assert endpoint.operation is Operation.CHAT
    assert endpoint.context_tokens == model.context_tokens
    assert endpoint.max_output_tokens == model.max_output_tokens
    [cost] = model.prices
    assert cost.cached_input_nanos is not None
    assert endpoint.price.currency == "USD"
    assert endpoint.price.input_nanos * 10 == cost.input_nanos * 12
    assert endpoint.price.output_nanos * 10 == cost.output_nanos * 12
    assert endpoint.price.cached_input_nanos * 10 == cost.cached_input_nanos * 12
    [target] = endpoint.targets
    assert target.replica_id == added.target_id
    assert target.deployment_id == connection.id
    assert (target.provider, target.upstream_model) == ("openai", "gpt-4o")
    assert (target.address, target.base_path) == ("https://api.openai.com:443", "/v1")
    assert (target.host, target.region, target.retains_data) == ("openai", "us-east-1", False)
    assert target.credential == "sk-0123456789-abcdef"
    assert target.cost == Cost(
        "USD",
        cost.input_nanos,
        cost.output_nanos,
        cost.cached_input_nanos,
    )
    assert (target.tier, target.weight) == (0, 1)


def test_a_second_host_of_a_model_is_a_second_target(add, connect, compiled):
    add(connect("openai"), "gpt-4o", margin="20")
    before = compiled()["openai/gpt-4o"].price
    [added] = add(connect("openrouter"), "openai/gpt-4o", margin="50")
    assert (added.name, added.is_new_model, added.is_new_target) == ("openai/gpt-4o", False, True)
    assert added.price is None
    endpoint = compiled()["openai/gpt-4o"]
    assert endpoint.price == before, "the model keeps the price it has"
    assert [target.host for target in endpoint.targets] == ["openai", "openrouter"]
    assert {target.tier for target in endpoint.targets} == {0}


def test_a_provider_stands_behind_own_capacity(endpoints, add, connect, deployment, compiled):
    deployment_id = deployment("small")
    endpoints.serve_deployment(deployment_id)
    hosted = HostedModel("their-name", name="tw/small", cost=ModelPrice("USD", 1_000, 2_000, 1_000))
    [added] = add(connect("groq"), hosted)
    assert not added.is_new_model
    assert [(target.tier, target.host) for target in compiled()["tw/small"].targets] == [
        (1, "groq")
    ]


def test_adding_the_same_again_changes_nothing(add, connect, compiled):
    connection = connect("openai")
    [first] = add(connection, "gpt-4o")
    before = compiled()
    [again] = add(connection, "gpt-4o", margin="300")
    assert (again.is_new_model, again.is_new_target) == (False, False)
    assert again.target_id == first.target_id
    assert compiled() == before


def test_every_model_with_a_price_of_a_large_host_is_added_at_once(add, connect, compiled):
    host = known_hosts()["openrouter"]
    ids = [
        model.id
        for model in host.models
        if model.prices and model.operation is Operation.CHAT and not model.id.startswith("~")
    ]
    assert len(ids) > 200
    added = add(connect("openrouter"), *ids, margin="5")
    assert [one.upstream_model for one in added] == ids
    assert sum(len(endpoint.targets) for endpoint in compiled().values()) == len(ids)


def test_a_model_of_an_unknown_host_is_described_by_the_caller(add, connect, compiled):
    connection = connect(None, base_url="https://models.example.org/v1", name="Example")
    hosted = HostedModel(
        "org/tiny@4bit",
        name="acme/tiny",
        display_name="Tiny",
        context_tokens=2048,
        max_output_tokens=512,
        price=ModelPrice("EUR", 100, 200, 50),
        cost=ModelPrice("USD", 10, 20, 10),
    )
    add(connection, hosted)
    endpoint = compiled()["acme/tiny"]
    assert (endpoint.context_tokens, endpoint.max_output_tokens) == (2048, 512)
    assert (endpoint.price.currency, endpoint.price.input_nanos) == ("EUR", 100)
    assert endpoint.targets[0].cost == Cost("USD", 10, 20, 10)
    assert endpoint.aliases == ("tiny",)


def test_an_embedding_model_is_one(add, connect, compiled):
    add(connect("openai"), "text-embedding-3-large")
    endpoint = compiled()["openai/text-embedding-3-large"]
    assert endpoint.operation is Operation.EMBEDDINGS
    assert endpoint.max_output_tokens == 0
    assert endpoint.dimensions is None, "the list does not tell"


def test_cached_input_that_the_list_calls_free_costs_as_any(add, connect, compiled):
    add(connect("openai"), "gpt-3.5-turbo")
    price = compiled()["openai/gpt-3.5-turbo"].price
    assert price.cached_input_nanos == price.input_nanos > 0


def test_input_that_a_host_keeps_has_its_own_price(add, connect, compiled):
    model_id, cost = next(
        (model.id, model.prices[0].cache_write_nanos)
        for model in known_hosts()["anthropic"].models
        if model.prices and model.prices[0].cache_write_nanos
    )
    [added] = add(connect("anthropic"), model_id, margin="10")
    price = compiled()[added.name].price
    assert price.cache_write_nanos * 10 == cost * 11
    assert price.cache_write_nanos > price.input_nanos


def test_what_a_person_should_know_is_noted(add, connect):
    [added] = add(connect("302ai"), "claude-opus-4-7")
    assert len(listed("302ai", "claude-opus-4-7").prices) == 2
    assert any("200000" in note for note in added.notes)
    [old] = add(connect("openai"), "gpt-3.5-turbo")
    assert any("deprecated" in note for note in old.notes)


@pytest.mark.parametrize(
    "wrong",
    [
        HostedModel("no-such-model"),
        HostedModel("gpt-4o", name="no-slash"),
        HostedModel("gpt-4o", name="Upper/Case"),
        HostedModel("gpt-4o", name="a/b/c"),
        HostedModel("gpt-4o", price=ModelPrice("usd", 1, 1, 1)),
        HostedModel("x" * 201, name="a/b", price=ModelPrice("USD", 1, 1, 1)),
        HostedModel("new", name="a/b"),
        HostedModel("gpt-4o", display_name="two\nlines"),
    ],
    ids=range(8),
)
def test_what_cannot_be_added_is_refused_and_nothing_is_half_made(add, connect, compiled, wrong):
    with pytest.raises(InvalidInput):
        add(connect("openai"), "gpt-4o-mini", wrong)
    assert compiled() == {}


def test_a_model_without_a_price_says_that_one_is_needed(add, connect, compiled):
    host = known_hosts()["openai"]
    priceless = next(model for model in host.models if not model.prices and model.operation)
    connection = connect("openai")
    with pytest.raises(InvalidInput, match="not known"):
        add(connection, priceless.id)
    [added] = add(connection, HostedModel(priceless.id, price=ModelPrice("USD", 1, 2, 1)))
    assert compiled()[added.name].targets[0].cost is None


def test_a_name_that_the_catalog_has_for_another_kind_of_model_is_refused(add, connect, deployment):
    deployment("small")
    hosted = HostedModel("text-embedding-3-small", name="tw/small", cost=ModelPrice("USD", 1, 1, 1))
    with pytest.raises(InvalidInput, match="chat"):
        add(connect("openai"), hosted)


def test_only_an_administrator_of_the_platform_adds_models(add, connect, person):
    theirs = person(is_operator=False)
    own = connect("openai", actor=theirs, is_shared=False)
    with pytest.raises(Forbidden):
        add(own, "gpt-4o", actor=theirs)


def test_an_endpoint_of_everybodys_gets_no_target_of_one_organization(add, connect):
    add(connect("openai"), "gpt-4o")
    with pytest.raises(Conflict):
        add(connect("openai", is_shared=False), "gpt-4o")


def test_models_are_added_in_bounded_numbers(add, connect):
    connection = connect("openai")
    with pytest.raises(InvalidInput):
        add(connection)
    with pytest.raises(InvalidInput):
        add(connection, *["gpt-4o"] * 501)
