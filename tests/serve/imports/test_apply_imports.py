"""What was read is made, once, in a real database."""

import dataclasses

import pytest
from sqlalchemy import func, select

from tradewind.core.errors import TradewindError
from tradewind.db.sealing import Secret
from tradewind.features.catalog.tables import model
from tradewind.features.endpoints.schemas import (
    EndpointChanges,
    HostedModel,
    HostedModels,
    ModelPrice,
)
from tradewind.features.endpoints.tables import endpoint, endpoint_target
from tradewind.features.market.tables import price
from tradewind.features.providers.schemas import NewConnection
from tradewind.features.providers.tables import provider_connection
from tradewind.serve.imports.apply import Change
from tradewind.snapshot.contents import Cost, Limits, Operation, Routing

pytestmark = pytest.mark.postgres

KEY, OTHER_KEY = "sk-0123456789-abcdef", "sk-9876543210-fedcba"
CONFIG = f"""
router_settings: {{routing_strategy: latency-based-routing}}
model_list:
  - model_name: chat
    litellm_params: {{model: openai/gpt-4o, api_key: {KEY}, order: 1, weight: 3}}
    model_info: {{input_cost_per_token: 1.5e-07, output_cost_per_token: 6.0e-07}}
  - model_name: chat
    litellm_params:
      model: azure/chat-eu
      api_base: https://eu.openai.azure.com
      api_key: {OTHER_KEY}
      api_version: 2024-10-21
      order: 2
    model_info: {{base_model: azure/gpt-4o}}
  - model_name: embed
    litellm_params: {{model: openai/text-embedding-3-small, api_key: {KEY}, rpm: 600}}
"""
TABLES = (provider_connection, endpoint, endpoint_target, model, price)


@pytest.fixture
def count(database):
    """How many rows there are of each kind."""

    def count():
        with database.transaction() as tx:
            return [
                tx.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES
            ]

    return count


class Operator:
    """An administrator who works by hand."""

    def __init__(self, database, services, keeper):
        self._database = database
        self._services = services
        self._keeper = keeper

    def _do(self, act, *arguments):
        with self._database.transaction() as tx:
            return act(tx, self._keeper, *arguments)

    def connect(self, name, base_url):
        new = NewConnection(Secret("k" * 20), name=name, base_url=base_url)
        return self._do(self._services.providers.add_connection, new)

    def add(self, upstream_model, name, operation=None):
        """Have a model at a host of one's own called by this name."""
        house = self.connect("House", "https://house.example.org")
        cost = ModelPrice("USD", 1, 2, 1)
        model = HostedModel(upstream_model, name=name, operation=operation, cost=cost)
        self._do(self._services.endpoints.add_from_host, house.id, HostedModels([model]))

    def change(self, name, **changes):
        rows = {row.name: row for row in self._do(self._services.endpoints.list_endpoints)}
        wanted = EndpointChanges(**changes)
        self._do(self._services.endpoints.update_endpoint, rows[name].id, wanted)


@pytest.fixture
def operator(database, services, keeper):
    return Operator(database, services, keeper)


def test_the_snapshot_has_what_the_file_says(litellm, carry, compiled):
    outcome = carry(litellm(CONFIG))
    assert outcome.findings == ()
    assert [one.change for one in outcome.connections] == [Change.MADE, Change.MADE]
    assert [one.change for one in outcome.endpoints] == [Change.MADE, Change.MADE]
    endpoints = compiled()
    chat = endpoints["openai/chat"]
    assert (chat.aliases, chat.operation) == (("chat",), Operation.CHAT)
    assert chat.routing == Routing("latency")
    assert (chat.price.currency, chat.price.input_nanos, chat.price.output_nanos) == (
        "USD",
        150_000_000,
        600_000_000,
    )
    first, second = chat.targets
    assert (first.address, first.base_path) == ("https://api.openai.com:443", "/v1")
    assert (first.upstream_model, first.credential, first.tier) == ("gpt-4o", KEY, 0)
    assert first.cost == Cost("USD", 150_000_000, 600_000_000, 150_000_000)
    assert (second.address, second.provider) == (
        "https://eu.openai.azure.com:443",
        "azure_openai",
    )
    assert second.options == {"api_version": "2024-10-21"}
    assert (second.upstream_model, second.credential, second.tier) == ("chat-eu", OTHER_KEY, 1)
    embed = endpoints["openai/embed"]
    assert (embed.operation, embed.limits) == (Operation.EMBEDDINGS, Limits(600))
    assert embed.aliases == ("embed",)


def test_a_second_run_changes_nothing_and_says_so(litellm, carry, compiled, count):
    carry(litellm(CONFIG))
    before, rows = compiled(), count()
    outcome = carry(litellm(CONFIG))
    assert not outcome.is_change
    assert outcome.findings == ()
    assert {one.change for one in (*outcome.connections, *outcome.endpoints)} == {Change.WAS_THERE}
    assert (compiled(), count()) == (before, rows)


def test_a_dry_run_tells_the_same_and_leaves_nothing_behind(litellm, carry, count):
    before = count()
    dry = carry(litellm(CONFIG), is_dry_run=True)
    assert count() == before
    real = carry(litellm(CONFIG))
    assert dry.is_change
    assert [dataclasses.replace(one, planned=None) for one in dry.endpoints] == [
        dataclasses.replace(one, planned=None) for one in real.endpoints
    ]
    assert [(one.name, one.change) for one in dry.connections] == [
        (one.name, one.change) for one in real.connections
    ]


def test_what_was_changed_by_hand_since_stays(litellm, carry, compiled, operator):
    carry(litellm(CONFIG))
    operator.change("openai/chat", limits=Limits(1), routing=Routing("price"), aliases=("talk",))
    outcome = carry(litellm(CONFIG))
    chat = compiled()["openai/chat"]
    assert (chat.limits, chat.routing) == (Limits(1), Routing("price"))
    # What clients call it must not get lost; anything else is left alone.
    assert chat.aliases == ("talk", "chat")
    assert {one.planned.name: one.change for one in outcome.endpoints} == {
        "openai/chat": Change.ADDED_TO,
        "openai/embed": Change.WAS_THERE,
    }
    [finding] = outcome.findings
    assert finding.why == "it was there with another routing or other limits, which stay"


def test_a_place_that_was_missing_is_added_by_a_later_run(litellm, carry, compiled):
    text = CONFIG.replace(OTHER_KEY, "os.environ/AZURE_KEY")
    carry(litellm(text))
    assert len(compiled()["openai/chat"].targets) == 1
    outcome = carry(litellm(text, AZURE_KEY=OTHER_KEY))
    assert [target.tier for target in compiled()["openai/chat"].targets] == [0, 1]
    assert outcome.endpoints[0].change is Change.ADDED_TO
    assert outcome.endpoints[0].added_targets == 1
    assert not outcome.endpoints[0].is_price_set


def test_keys_are_replaced_only_when_that_is_asked_for(litellm, carry, compiled):
    carry(litellm(CONFIG))
    text = CONFIG.replace(KEY, "sk-0123456789-another")
    outcome = carry(litellm(text))
    assert not outcome.is_change
    [finding] = outcome.findings
    assert finding.places == ("connection OpenAI",)
    assert finding.instead == "import with --replace-keys to have this one"
    assert compiled()["openai/chat"].targets[0].credential == KEY
    outcome = carry(litellm(text), replaces_keys=True)
    assert outcome.connections[0].change is Change.KEY_REPLACED
    assert compiled()["openai/chat"].targets[0].credential == "sk-0123456789-another"


def test_a_name_that_is_taken_by_another_address_is_numbered(litellm, carry, compiled, operator):
    operator.connect("OpenAI", "https://proxy.example.org")
    for _ in range(2):
        outcome = carry(litellm(CONFIG))
        assert outcome.connections[0].name == "OpenAI 2"
    assert compiled()["openai/chat"].targets[0].address == "https://api.openai.com:443"


def test_an_endpoint_that_is_there_gets_one_more_place_and_keeps_what_it_has(
    litellm, carry, compiled, operator
):
    operator.add("own", "openai/chat")
    outcome = carry(litellm(CONFIG))
    chat = compiled()["openai/chat"]
    assert [(target.upstream_model, target.tier) for target in chat.targets] == [
        ("own", 0),
        ("gpt-4o", 0),
        ("chat-eu", 1),
    ]
    assert (chat.price.input_nanos, chat.routing) == (1, Routing())
    assert "chat" in chat.aliases
    assert outcome.endpoints[0].change is Change.ADDED_TO


def test_an_alias_that_another_endpoint_has_is_told(litellm, carry, operator):
    operator.add("chat", "house/chat")
    outcome = carry(litellm(CONFIG))
    [finding] = outcome.findings
    assert finding.places == ("openai/chat as chat",)
    assert finding.why == "another endpoint has the name or alias chat"
    assert outcome.endpoints[0].aliases == ()


def test_the_name_of_one_model_is_not_lost_to_the_upstream_name_of_another(
    litellm, carry, compiled
):
    carry(
        litellm(
            f"""
            model_list:
              - {{model_name: cheap, litellm_params: {{model: gpt-4o-mini, api_key: {KEY}}}}}
              - {{model_name: gpt-4o-mini, litellm_params: {{model: gpt-4o, api_key: {KEY}}}}}
            """
        )
    )
    endpoints = compiled()
    assert endpoints["openai/cheap"].aliases == ("cheap",)
    assert endpoints["openai/gpt-4o-mini"].aliases == ("gpt-4o-mini",)


def test_what_the_services_refuse_is_left_out_whole_and_the_rest_is_made(
    litellm, carry, compiled, operator
):
    operator.add("own", "openai/chat", Operation.EMBEDDINGS)
    before = compiled()["openai/chat"]
    outcome = carry(litellm(CONFIG))
    [finding] = outcome.findings
    assert finding.places == ("model openai/chat",)
    assert finding.why.startswith("the catalog has openai/chat as a model for embeddings")
    assert compiled()["openai/chat"] == before
    assert "openai/embed" in compiled()


def test_all_is_made_or_nothing(litellm, carry, count):
    before = count()
    read = litellm(CONFIG)
    broken = dataclasses.replace(read.plan.endpoints[1], aliases=(7,))
    read.plan = dataclasses.replace(read.plan, endpoints=(read.plan.endpoints[0], broken))
    with pytest.raises(Exception) as failed:
        carry(read)
    assert not isinstance(failed.value, TradewindError)
    assert count() == before


def test_channels_are_made_in_their_tiers(channels, carry, compiled):
    outcome = carry(
        channels(
            {"name": "A", "type": 1, "key": "key-a1\nkey-a2", "models": "gpt-4o", "priority": 9},
            {"name": "B", "type": 14, "key": "key-b", "models": "gpt-4o",
             "model_mapping": '{"gpt-4o": "claude-sonnet-4-6"}'},
            fork="new-api",
        )
    )  # fmt: skip
    assert outcome.findings == ()
    targets = compiled()["openai/gpt-4o"].targets
    assert [(one.credential, one.provider, one.tier) for one in targets] == [
        ("key-a1", "openai", 0),
        ("key-a2", "openai", 0),
        ("key-b", "anthropic", 1),
    ]


def test_hundreds_of_models_are_made_at_once(litellm, carry, compiled):
    text = f"""
        model_list:
          - {{model_name: "groq/*", litellm_params: {{model: "groq/*", api_key: {KEY}}}}}
        """
    read = litellm(text, wildcards=True)
    carry(read)
    assert len(compiled()) == len(read.plan.endpoints) > 5
    assert not carry(litellm(text, wildcards=True)).is_change
