"""The rules of endpoints, and what models of hosts are called."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.errors import InvalidInput
from tradewind.features.endpoints import rules
from tradewind.features.endpoints.naming import name_of
from tradewind.features.endpoints.schemas import ModelPrice, NewTarget
from tradewind.features.providers.hosts import known_hosts
from tradewind.snapshot.contents import Conditions, Cost, Limits, Routing

OWN = NewTarget(deployment_id="dep_1")
HOSTED = NewTarget(connection_id="conn_1", upstream_model="m")


@pytest.mark.parametrize("name", ["a", "openai/gpt-4o", "Qwen/Qwen3-8B", "a/b/c/d", "v1.5_x"])
def test_a_name_is_what_a_call_can_say(name):
    assert rules.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "/", "a/", "/a", "a//b", "a@1", "a:free", "a b", "a\n", "é", "1/2/3/4/5", "x" * 201],
)
def test_what_would_be_read_as_more_than_a_name_is_refused(name):
    with pytest.raises(InvalidInput):
        rules.check_name(name)


def test_aliases_stand_once_and_not_for_the_name_itself():
    assert rules.clean_aliases("p/m", ["m", "m", "p/m", "other"]) == ["m", "other"]
    with pytest.raises(InvalidInput):
        rules.clean_aliases("p/m", [f"a{number}" for number in range(17)])


@pytest.mark.parametrize(
    "targets",
    [
        [NewTarget()],
        [NewTarget(deployment_id="dep_1", connection_id="conn_1", upstream_model="m")],
        [NewTarget(deployment_id="dep_1", upstream_model="m")],
        [NewTarget(connection_id="conn_1")],
        [NewTarget(connection_id="conn_1", upstream_model="")],
        [NewTarget(connection_id="conn_1", upstream_model="a\r\nb")],
        [OWN, OWN],
        [HOSTED, HOSTED],
        [NewTarget(deployment_id="dep_1", tier=-1)],
        [NewTarget(deployment_id="dep_1", tier=100)],
        [NewTarget(deployment_id="dep_1", weight=0)],
        [NewTarget(deployment_id="dep_1", context_tokens=0)],
        [NewTarget(deployment_id="dep_1", region="Not One")],
        [NewTarget(deployment_id="dep_1", quantization="FP 8")],
        [NewTarget(deployment_id="dep_1", cost=Cost("usd", 1, 1))],
        [NewTarget(deployment_id="dep_1", cost=Cost("USD", -1, 1))],
        [NewTarget(deployment_id="dep_1", cost=Cost("USD", 10**15 + 1, 1))],
        [NewTarget(deployment_id="dep_1", parameters=frozenset({"Not a field"}))],
        [NewTarget(deployment_id=f"dep_{number}") for number in range(65)],
    ],
    ids=range(19),
)
def test_what_cannot_be_targets_is_refused(targets):
    with pytest.raises(InvalidInput):
        rules.check_targets(targets)


def test_targets_may_differ_in_everything():
    same_connection = NewTarget(connection_id="conn_1", upstream_model="other", weight=3, tier=2)
    rules.check_targets([OWN, HOSTED, same_connection])


@pytest.mark.parametrize(
    "routing",
    [
        Routing(sort="random"),
        Routing(queue_bound=-1),
        Routing(first_token_bound_ms=0),
        Routing(max_attempts=0),
        Routing(max_attempts=11),
    ],
    ids=str,
)
def test_impossible_routing_is_refused(routing):
    with pytest.raises(InvalidInput):
        rules.check_routing(routing)


def test_impossible_conditions_and_limits_are_refused():
    with pytest.raises(InvalidInput):
        rules.check_conditions(Conditions(regions=frozenset({"EU!"})))
    with pytest.raises(InvalidInput):
        rules.check_conditions(Conditions(zones=frozenset(f"z{number}" for number in range(65))))
    with pytest.raises(InvalidInput):
        rules.check_limits(Limits(requests_per_minute=0))


# --- prices ---------------------------------------------------------------------------------


def test_a_margin_is_exact():
    cost = ModelPrice("USD", 132_000_000, 1_254_000_000, 132_000_000, None)
    assert rules.with_margin(cost, Decimal("12.5")) == ModelPrice(
        "USD", 148_500_000, 1_410_750_000, 148_500_000, None
    )
    assert rules.with_margin(cost, Decimal(0)) == cost


def test_a_part_of_a_nano_is_rounded_up():
    price = rules.with_margin(ModelPrice("USD", 1, 3, 0, 7), Decimal("0.01"))
    assert price == ModelPrice("USD", 2, 4, 0, 8)


@given(st.integers(0, 10**12), st.integers(0, 10_000))
def test_the_margin_is_never_less_than_said_and_never_a_nano_more(nanos, basis_points):
    percent = Decimal(basis_points) / 100
    price = rules.with_margin(ModelPrice("USD", nanos, 0, 0), percent)
    exact = nanos * (100 + percent) / 100
    assert exact <= price.input_nanos < exact + 1


@pytest.mark.parametrize("percent", ["-1", "10000.01", "0.001", "NaN", "Infinity"])
def test_an_impossible_margin_is_refused(percent):
    with pytest.raises(InvalidInput):
        rules.check_margin(Decimal(percent))


def test_a_price_that_cannot_be_kept_is_refused():
    for price in (
        ModelPrice("USD", -1, 0, 0),
        ModelPrice("dollars", 0, 0, 0),
        ModelPrice("USD", 0, 10**15 + 1, 0),
        ModelPrice("USD", 0, 0, 0, 10**15 + 1),
    ):
        with pytest.raises(InvalidInput):
            rules.check_price(price)


# --- names of hosts' models -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("upstream", "host", "family", "name"),
    [
        ("gpt-4o", "openai", "gpt", "openai/gpt-4o"),
        ("gpt-4o", "azure", "gpt", "openai/gpt-4o"),
        ("openai/gpt-4o", "openrouter", "gpt", "openai/gpt-4o"),
        # Groq's name for the same weights: a second host of them, and not a second model.
        ("llama-3.3-70b-versatile", "groq", "llama", "meta/llama-3.3-70b-instruct"),
        ("meta-llama/Llama-3.3-70B-Instruct", "togetherai", "", "meta/llama-3.3-70b-instruct"),
        ("x-ai/grok-4", "openrouter", "grok", "xai/grok-4"),
        ("grok-4", "xai", "grok", "xai/grok-4"),
        ("zai-org/GLM-5.2", "huggingface", "glm", "zai/glm-5.2"),
        ("@cf/openai/gpt-oss-120b", "cloudflare-workers-ai", "", "openai/gpt-oss-120b"),
        ("accounts/fireworks/models/kimi-k2", "fireworks-ai", "", "moonshotai/kimi-k2"),
        # Free is a price, and no other model.
        ("deepseek/deepseek-r1:free", "openrouter", "", "deepseek/deepseek-r1"),
        ("something-new", "a-host", "", "a-host/something-new"),
        ("something-new", "", "", "host/something-new"),
        ("///", "h", "", "h/model"),
    ],
)
def test_one_model_has_one_name_at_all_hosts(upstream, host, family, name):
    assert name_of(upstream, host=host, family=family) == name


def test_every_model_of_every_host_gets_a_name_that_calls_can_say():
    for host in known_hosts().values():
        for model in host.models:
            name = name_of(model.id, host=host.id, family=model.family)
            publisher, slash, slug = name.partition("/")
            assert slash, name
            assert rules.is_name(name), name
            assert name == name.lower()
            assert rules.is_name(slug)
            assert rules.is_name(publisher)
