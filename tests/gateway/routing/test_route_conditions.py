from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from routing_parts import (
    PROVIDERS,
    a_router,
    a_target,
    a_wish,
    an_ask,
    an_endpoint,
    fail,
    order_of,
)

from tradewind.gateway.routing.conditions import allowed_targets, rules_of
from tradewind.snapshot.contents import Conditions, Cost, Operation
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import MaxPrice, ProviderWish

OWN = a_target("own", host="own", region="eu-north", zone="eu", quantization="int4")
PAID = a_target(
    "paid",
    host="openai",
    region="us-east",
    zone="us",
    retains_data=True,
    quantization="bf16",
    cost=Cost("EUR", 1_500_000_000, 5_000_000_000),
)
TRAINS = a_target(
    "trains",
    host="cheap",
    region="eu-west",
    zone="eu",
    trains_on_data=True,
    parameters=frozenset({"temperature"}),
    cost=Cost("EUR", 3_000_000_000, 3_000_000_000),
)
BARE = a_target("bare")
ALL = an_endpoint(OWN, PAID, TRAINS, BARE)


def allowed(ask, endpoint=ALL):
    return {target.replica_id for target in allowed_targets(endpoint, ask, PROVIDERS)}


def refusal(ask, endpoint=ALL):
    with pytest.raises(ApiError) as caught:
        allowed_targets(endpoint, ask, PROVIDERS)
    error = caught.value
    return error.status, error.code, error.message


def prices(**members):
    return MaxPrice(**{name: Decimal(value) for name, value in members.items()})


def test_without_conditions_all_are_allowed():
    assert allowed(an_ask()) == {"own", "paid", "trains", "bare"}


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        (Conditions(regions=frozenset({"eu-north", "eu-west"})), {"own", "trains"}),
        (Conditions(zones=frozenset({"eu"})), {"own", "trains"}),
        (Conditions(no_retention=True), {"own", "trains", "bare"}),
        (Conditions(no_training=True), {"own", "paid", "bare"}),
        (Conditions(zones=frozenset({"eu"}), no_training=True), {"own"}),
    ],
)
def test_policies_leave_out_what_does_not_fulfil_them(conditions, left):
    assert allowed(an_ask(conditions)) == left


def test_the_conditions_of_all_levels_hold_together():
    eu, no_training = Conditions(zones=frozenset({"eu"})), Conditions(no_training=True)
    assert allowed(an_ask(eu, Conditions(), no_training)) == {"own"}


@pytest.mark.parametrize(
    ("wish", "left"),
    [
        ({"only": ["OpenAI", "own"]}, {"own", "paid", "bare"}),
        ({"only": ["dep_paid"]}, {"paid"}),
        ({"only": ["openai_compatible"]}, {"own", "paid", "trains", "bare"}),
        ({"only": ["openai/us-east"]}, {"paid"}),
        ({"only": ["own/int4"]}, {"own"}),
        ({"ignore": ["cheap", "OPENAI"]}, {"own", "bare"}),
        ({"ignore": []}, {"own", "paid", "trains", "bare"}),
        ({"order": ["cheap", "openai"], "allow_fallbacks": False}, {"paid", "trains"}),
        ({"order": ["cheap"]}, {"own", "paid", "trains", "bare"}),
        ({"data_collection": "deny"}, {"own", "bare"}),
        ({"data_collection": "allow"}, {"own", "paid", "trains", "bare"}),
        ({"zdr": True}, {"own", "trains", "bare"}),
        ({"quantizations": ["bf16", "INT4"]}, {"own", "paid"}),
        ({"quantizations": ["unknown"]}, {"trains", "bare"}),
        ({"region": "EU-North"}, {"own"}),
        ({"zone": "us"}, {"paid"}),
        ({"sort": "price"}, {"own", "paid", "trains", "bare"}),
    ],
)
def test_a_requests_own_wishes_leave_out_what_does_not_fulfil_them(wish, left):
    assert allowed(an_ask(provider=a_wish(**wish))) == left


@pytest.mark.parametrize(
    ("most", "left"),
    [
        ({"prompt": "2"}, {"own", "paid", "bare"}),
        ({"prompt": "3"}, {"own", "paid", "trains", "bare"}),
        ({"completion": "6.0"}, {"own", "paid", "trains", "bare"}),
        ({"request": "0"}, {"own", "paid", "trains", "bare"}),
    ],
)
def test_a_price_cap_counts_what_the_caller_pays_and_what_the_target_costs(most, left):
    assert allowed(an_ask(provider=a_wish(max_price=prices(**most)))) == left


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [
        ("2", True),
        ('"2"', True),
        ("2.000000000", True),
        ("1.999999999", False),
        ('"1.9999999999999999999999999999999999999999"', False),
        ("1.9999999999999999999999999999999999999999", False),
        ('"2.0000000000000000000000000000000000000001"', True),
        ('"1e999999"', True),
        ("0", False),
    ],
)
def test_a_price_cap_is_compared_exactly(text, is_allowed):
    wish = msgspec.json.decode(b'{"max_price":{"prompt":%b}}' % text.encode(), type=ProviderWish)
    endpoint = an_endpoint(OWN)
    if is_allowed:
        assert allowed(an_ask(provider=wish), endpoint) == {"own"}
    else:
        assert refusal(an_ask(provider=wish), endpoint)[:2] == (404, "no_allowed_target")


def test_costs_in_another_currency_are_not_what_the_caller_pays():
    dear = a_target("dear", cost=Cost("JPY", 900_000_000_000, 900_000_000_000))
    wish = a_wish(max_price=prices(prompt="2", completion="6"))
    assert allowed(an_ask(provider=wish), an_endpoint(dear)) == {"dear"}


@pytest.mark.parametrize(
    ("meters", "most", "is_allowed"),
    [
        ({"requests": 10_000_000_000_000}, {"request": "0.01"}, True),
        ({"requests": 10_000_000_000_001}, {"request": "0.01"}, False),
        ({"images": 40_000_000_000_000}, {"image": "0.04"}, True),
        ({"images": 40_000_000_000_000}, {"image": "0.0399"}, False),
    ],
)
def test_prices_for_each_call_and_image_are_capped_too(meters, most, is_allowed):
    endpoint = an_endpoint(OWN, price=msgspec.structs.replace(ALL.price, meters=meters))
    ask = an_ask(provider=a_wish(max_price=prices(**most)))
    if is_allowed:
        assert allowed(ask, endpoint) == {"own"}
    else:
        assert f"max_price.{next(iter(most))}" in refusal(ask, endpoint)[2]


@pytest.mark.parametrize("text", ["-1", '"NaN"', '"Infinity"', '"sNaN"', '"free"', "[]"])
def test_a_price_that_is_none_is_refused(text):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"max_price":{"prompt":%b}}' % text.encode(), type=ProviderWish)


def test_required_parameters_leave_out_who_does_not_obey_them():
    requires = an_ask(
        provider=a_wish(require_parameters=True), parameters=frozenset({"temperature", "seed"})
    )
    assert allowed(requires) == {"own", "paid", "bare"}
    fulfilled = replace(requires, parameters=frozenset({"temperature"}))
    assert allowed(fulfilled) == {"own", "paid", "trains", "bare"}
    assert allowed(an_ask(parameters=frozenset({"seed"}))) == {"own", "paid", "trains", "bare"}


def test_the_own_policy_keeps_a_call_on_own_capacity():
    assert allowed(an_ask(sort="own")) == {"own", "bare"}
    assert refusal(an_ask(sort="own"), an_endpoint(PAID))[:2] == (404, "no_allowed_target")


def test_a_provider_that_cannot_do_the_operation_is_left_out():
    engine, host = a_target("engine", provider="llama_server"), a_target("host")
    speech = an_ask(operation=Operation.SPEECH)
    assert allowed(speech, an_endpoint(engine, host)) == {"host"}
    status, code, message = refusal(speech, an_endpoint(engine))
    assert (status, code) == (400, "unsupported_operation")
    assert "speech" in message


def test_a_provider_this_release_does_not_know_is_left_out():
    stranger = a_target("stranger", provider="of_tomorrow")
    assert allowed(an_ask(), an_endpoint(stranger, OWN)) == {"own"}
    assert refusal(an_ask(), an_endpoint(stranger))[0] == 400


@pytest.mark.parametrize(
    ("ask", "expected", "named"),
    [
        (
            an_ask(Conditions(regions=frozenset({"mars"}))),
            (403, "not_allowed_by_policy"),
            "region: mars",
        ),
        (
            an_ask(Conditions(zones=frozenset({"us"}), no_retention=True)),
            (403, "not_allowed_by_policy"),
            "no retention",
        ),
        (an_ask(provider=a_wish(only=["nobody"])), (404, "no_allowed_target"), "only: nobody"),
        (
            an_ask(provider=a_wish(region="us-east", zdr=True)),
            (404, "no_allowed_target"),
            "provider.zdr",
        ),
        (
            an_ask(provider=a_wish(enforce_distillable_text=True)),
            (404, "no_allowed_target"),
            "enforce_distillable_text",
        ),
        (an_ask(sure_tokens=8193), (400, "context_length_exceeded"), "8193 tokens"),
    ],
)
def test_a_refusal_names_the_rule_that_left_nothing(ask, expected, named):
    status, code, message = refusal(ask)
    assert (status, code) == expected
    assert named in message


def test_a_policy_is_named_before_a_wish_that_would_leave_nothing_too():
    ask = an_ask(Conditions(regions=frozenset({"mars"})), provider=a_wish(only=["nobody"]))
    assert refusal(ask)[0] == 403


def test_a_long_list_makes_no_long_message():
    message = refusal(an_ask(provider=a_wish(only=["x" * 128] * 64)))[2]
    assert len(message) < 600
    assert "…" in message


def test_a_longer_context_is_preferred_by_estimate_and_nobody_is_refused_for_one():
    short = a_target("short", context_tokens=2048)
    endpoint = an_endpoint(short, BARE)
    assert allowed(an_ask(needed_tokens=2048), endpoint) == {"short", "bare"}
    assert allowed(an_ask(needed_tokens=2049), endpoint) == {"bare"}
    assert allowed(an_ask(needed_tokens=100_000), endpoint) == {"short", "bare"}
    embedding = an_ask(needed_tokens=2049, operation=Operation.EMBEDDINGS)
    assert allowed(embedding, endpoint) == {"short", "bare"}


def test_an_endpoint_without_targets_has_none_to_allow():
    assert allowed(an_ask(Conditions(no_training=True)), an_endpoint()) == set()


places = st.sampled_from(["", "eu-north", "eu-west", "us-east"])
some_targets = st.lists(
    st.builds(
        lambda region, zone, retains, trains, tier, host: {
            "region": region,
            "zone": zone,
            "retains_data": retains,
            "trains_on_data": trains,
            "tier": tier,
            "host": host,
        },
        places,
        st.sampled_from(["", "eu", "us"]),
        st.booleans(),
        st.booleans(),
        st.integers(0, 2),
        st.sampled_from(["own", "openai", "cheap"]),
    ),
    min_size=1,
    max_size=6,
)
some_conditions = st.builds(
    Conditions,
    regions=st.frozensets(places, max_size=2),
    zones=st.frozensets(st.sampled_from(["eu", "us"]), max_size=1),
    no_retention=st.booleans(),
    no_training=st.booleans(),
)


@given(
    some_targets, st.lists(some_conditions, max_size=3), st.sets(st.integers(0, 5)), st.booleans()
)
def test_conditions_are_never_bent_whatever_is_down(facts, conditions, down, zdr):
    targets = [a_target(str(place), **each) for place, each in enumerate(facts)]
    endpoint, router = an_endpoint(*targets), a_router()
    for place in down & set(range(len(targets))):
        fail(router, targets[place], 0.0)
    ask = an_ask(*conditions, provider=a_wish(zdr=zdr))
    fulfilling = {
        target.replica_id
        for target in targets
        if not (zdr and target.retains_data)
        and all(
            (not each.regions or target.region in each.regions)
            and (not each.zones or target.zone in each.zones)
            and not (each.no_retention and target.retains_data)
            and not (each.no_training and target.trains_on_data)
            for each in conditions
        )
    }
    try:
        tried = order_of(router, endpoint, ask, 1.0)
    except ApiError as error:
        assert not fulfilling
        assert error.status in (403, 404)
    else:
        assert set(tried) <= fulfilling
        assert len(tried) == min(len(fulfilling), endpoint.routing.max_attempts)


@given(some_targets, some_conditions)
def test_the_shortcut_and_the_rules_agree(facts, conditions):
    endpoint = an_endpoint(*[a_target(str(place), **each) for place, each in enumerate(facts)])
    for ask in (an_ask(), an_ask(conditions), an_ask(sure_tokens=9000)):
        rules = list(rules_of(endpoint, ask, PROVIDERS))
        kept = {
            target.replica_id
            for target in endpoint.targets
            if all(rule.keeps(target) for rule in rules)
        }
        assert kept == (allowed(ask, endpoint) if kept else set())


def test_every_wish_of_the_published_schema_is_understood():
    wish = msgspec.json.decode(
        b"""{"order":["a"],"allow_fallbacks":true,"require_parameters":false,
        "data_collection":"deny","zdr":true,"only":["a"],"ignore":["b"],"quantizations":["fp8"],
        "sort":{"by":"price","partition":"none"},"preferred_min_throughput":{"p90":50},
        "preferred_max_latency":{"p50":1,"p99":5.5},"enforce_distillable_text":false,
        "max_price":{"prompt":1,"completion":"2","request":0,"image":"0.01"}}""",
        type=ProviderWish,
    )
    assert wish.sort_by == "price"


@pytest.mark.parametrize(
    "member",
    ["order", "zdr", "max_price", "sort", "region", "preferred_max_latency", "unheard_of"],
)
def test_a_wish_that_is_not_understood_is_refused(member):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'{{"{member}":{{"x":1}}}}'.encode(), type=ProviderWish)
