"""Channels of one-api and new-api, as their admin APIs list them."""

import json

import pytest

from tradewind.core.errors import InvalidInput
from tradewind.features.endpoints.schemas import ModelPrice
from tradewind.features.providers.hosts import known_hosts
from tradewind.serve.imports.channel_types import TYPES
from tradewind.serve.imports.one_api import read_channels
from tradewind.serve.imports.plan import Choices
from tradewind.serve.imports.ratios import read_ratios
from tradewind.snapshot.contents import Operation

KEY = "sk-0123456789-abcdef"
_FREE = Choices(default_price=ModelPrice("USD", 1, 1, 1))


def channel(**members):
    """A channel with every member that one-api's list has (its `model/channel.go`)."""
    return {
        "id": 7,
        "type": 1,
        "key": KEY,
        "status": 1,
        "name": "Main",
        "weight": 0,
        "created_time": 1_700_000_000,
        "test_time": 0,
        "response_time": 0,
        "base_url": "",
        "other": "",
        "balance": 0.0,
        "balance_updated_time": 0,
        "models": "gpt-4o,gpt-4o-mini",
        "group": "default",
        "used_quota": 0,
        "model_mapping": "",
        "priority": 0,
        "config": "{}",
    } | members


def test_a_channel_is_a_connection_and_its_models_are_endpoints(channels):
    read = channels(channel())
    assert read.connection.name == "Main"
    assert (read.connection.host, read.connection.base_url) == (
        "openai",
        "https://api.openai.com/v1",
    )
    assert read.connection.credential.reveal() == KEY
    assert list(read.endpoints) == ["openai/gpt-4o", "openai/gpt-4o-mini"]
    assert read.endpoints["openai/gpt-4o"].aliases == ("gpt-4o",)
    listed = known_hosts()["openai"].model("gpt-4o")
    assert listed is not None
    assert listed.price is not None
    assert read.endpoints["openai/gpt-4o"].price.input_nanos == listed.price.input_nanos
    assert read.plan.findings == ()


@pytest.mark.parametrize("fork", ["one-api", "new-api"])
@pytest.mark.parametrize("form", ["list", "data", "items"])
def test_every_form_of_the_list_is_read(fork, form):
    listed = [channel(models="gpt-4o")]
    document = {
        "list": listed,
        "data": {"success": True, "message": "", "data": listed},
        "items": {"success": True, "data": {"items": listed, "total": 1, "page": 1}},
    }[form]
    plan = read_channels(
        json.dumps(document), fork=fork, environment={}, keys={}, ratios=None,
        hosts=known_hosts(), choices=Choices(),
    )  # fmt: skip
    assert [endpoint.name for endpoint in plan.endpoints] == ["openai/gpt-4o"]


@pytest.mark.parametrize(
    ("fork", "number", "base_url"),
    [
        ("one-api", 28, "https://api.mistral.ai/v1"),
        ("new-api", 42, "https://api.mistral.ai/v1"),
        ("one-api", 30, "http://localhost:11434/v1"),
        ("new-api", 4, "http://localhost:11434/v1"),
        ("one-api", 36, "https://api.deepseek.com"),
        ("new-api", 43, "https://api.deepseek.com"),
        ("one-api", 40, "https://ark.cn-beijing.volces.com/api/v3"),
        ("new-api", 45, "https://ark.cn-beijing.volces.com/api/v3"),
        ("one-api", 14, "https://api.anthropic.com/v1"),
        ("new-api", 24, "https://generativelanguage.googleapis.com/v1beta"),
        ("new-api", 26, "https://open.bigmodel.cn/api/paas/v4"),
        ("one-api", 17, "https://dashscope.aliyuncs.com/compatible-mode/v1"),
        ("one-api", 20, "https://openrouter.ai/api/v1"),
        ("new-api", 48, "https://api.x.ai/v1"),
        ("one-api", 29, "https://api.groq.com/openai/v1"),
    ],
)
def test_a_type_is_a_host_and_the_forks_count_differently(channels, fork, number, base_url):
    read = channels(channel(type=number, models="m"), fork=fork, choices=_FREE)
    assert read.connection.base_url == base_url


def test_every_type_leads_to_a_known_host_or_says_why_not():
    hosts = known_hosts()
    for types in TYPES.values():
        for kind in types.values():
            assert kind.reason or not kind.host or hosts[kind.host].provider, kind


@pytest.mark.parametrize(
    ("number", "given", "provider", "base_url"),
    [
        (1, "https://api.openai.com", "openai", "https://api.openai.com/v1"),
        (1, "https://proxy.example.org/", "openai_compatible", "https://proxy.example.org/v1"),
        (1, "https://proxy.example.org/v1", "openai_compatible", "https://proxy.example.org/v1"),
        (14, "https://proxy.example.org", "anthropic", "https://proxy.example.org/v1"),
        (24, "https://proxy.example.org", "google", "https://proxy.example.org/v1beta"),
        (8, "http://10.0.0.5:8000", "openai_compatible", "http://10.0.0.5:8000/v1"),
        (50, "https://a.example.org/api/v3", "openai_compatible", "https://a.example.org/api/v3"),
    ],
)
def test_an_address_of_its_own_is_spoken_to_as_its_type_says(
    channels, number, given, provider, base_url
):
    read = channels(channel(type=number, base_url=given, models="m"), choices=_FREE)
    assert (read.connection.provider, read.connection.base_url) == (provider, base_url)


def test_several_keys_are_several_places_that_share_what_the_channel_gets(channels):
    read = channels(
        channel(name="A", key="key-a1\nkey-a2\n\n", weight=10, models="gpt-4o"),
        channel(name="B", key="key-b", weight=10, models="gpt-4o"),
        fork="new-api",
    )
    assert {name: one.credential.reveal() for name, one in read.connections.items()} == {
        "A": "key-a1",
        "A 2": "key-a2",
        "B": "key-b",
    }
    assert [(one.connection, one.weight) for one in read.endpoint.targets] == [
        ("A", 1),
        ("A 2", 1),
        ("B", 2),
    ]


def test_keys_that_are_disabled_are_not_taken(channels):
    info = {"is_multi_key": True, "multi_key_status_list": {"0": 2}}
    read = channels(channel(key="old\nlive", channel_info=info, models="gpt-4o"), fork="new-api")
    assert read.connection.credential.reveal() == "live"
    assert read.left_out["channel Main"] == "keys of it that are disabled are not taken"


def test_a_higher_priority_is_an_earlier_tier(channels):
    read = channels(
        channel(name="spare", priority=-5, models="gpt-4o"),
        channel(name="first", priority=10, key="k1", models="gpt-4o"),
        channel(name="second", key="k2", models="gpt-4o"),
    )
    assert [(one.connection, one.tier) for one in read.endpoint.targets] == [
        ("first", 0),
        ("second", 1),
        ("spare", 2),
    ]


def test_weights_count_in_new_api_and_not_in_one_api(channels):
    listed = [
        channel(name="a", weight=3, models="gpt-4o"),
        channel(name="b", weight=1, key="other", models="gpt-4o"),
    ]
    assert [one.weight for one in channels(*listed, fork="new-api").endpoint.targets] == [3, 1]
    assert [one.weight for one in channels(*listed).endpoint.targets] == [1, 1]


def test_a_mapping_names_the_upstream_model(channels):
    names = json.dumps({"gpt-4": "gpt-4o", "gpt-4o": "gpt-4o-mini"})
    one = channels(channel(models="gpt-4", model_mapping=names))
    assert one.endpoint.targets[0].upstream_model == "gpt-4o"
    new = channels(channel(models="gpt-4", model_mapping=names), fork="new-api")
    assert new.endpoint.targets[0].upstream_model == "gpt-4o-mini"
    circle = json.dumps({"a": "b", "b": "a"})
    read = channels(channel(models="a", model_mapping=circle), fork="new-api", choices=_FREE)
    assert read.endpoint.targets[0].upstream_model in {"a", "b"}


def test_azure_takes_version_and_deployments_as_the_forks_name_them(channels):
    azure = {"type": 3, "base_url": "https://r.openai.azure.com/", "models": "gpt-4.1"}
    old = channels(channel(**azure, other="2024-02-01"))
    assert old.connection.options == {"api_version": "2024-02-01"}
    assert old.endpoint.targets[0].upstream_model == "gpt-41"
    assert old.endpoint.name == "openai/gpt-4.1"
    config = json.dumps({"api_version": "2024-10-21"})
    new = channels(channel(**azure, config=config, created_time=1_750_000_000), fork="new-api")
    assert new.connection.options == {"api_version": "2024-10-21"}
    assert new.endpoint.targets[0].upstream_model == "gpt-4.1"


def test_keys_of_aws_are_put_together(channels):
    aws = {"type": 33, "models": "claude-sonnet-4-6"}
    read = channels(channel(**aws, key="AKIA1|secret|us-east-1"))
    assert read.connection.base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert json.loads(read.connection.credential.reveal()) == {
        "access_key_id": "AKIA1",
        "secret_access_key": "secret",
    }
    assert read.endpoint.targets[0].upstream_model == "anthropic.claude-sonnet-4-6"
    read = channels(channel(**aws, key=f"{KEY}|eu-west-1"), fork="new-api")
    assert read.connection.credential.reveal() == KEY
    assert "channel Main" in channels(channel(**aws, key=KEY)).left_out


def test_the_account_of_cloudflare_fills_in_its_address(channels):
    config = json.dumps({"user_id": "acc1"})
    read = channels(channel(type=37, config=config, models="m"), choices=_FREE)
    assert "/accounts/acc1/ai/v1" in read.connection.base_url


def test_the_words_for_plans_are_addresses(channels):
    read = channels(
        channel(type=26, base_url="glm-coding-plan", models="glm-4.6"),
        fork="new-api",
        choices=_FREE,
    )
    assert read.connection.base_url == "https://open.bigmodel.cn/api/coding/paas/v4"
    assert read.connection.provider == "openai_compatible"


def test_an_export_without_keys_says_what_to_give_and_takes_it_from_the_environment(channels):
    hidden = channel(key="", models="gpt-4o")
    read = channels(hidden)
    assert read.plan.connections == ()
    [finding] = [one for one in read.plan.findings if one.places == ("channel Main",)]
    assert finding.instead == "give --key 'Main=NAME', the variable its key stands in"
    for name in ("Main", "7"):
        read = channels(hidden, keys={name: "MAIN_KEY"}, MAIN_KEY=f"{KEY}\n{KEY}-2")
        assert len(read.connections) == 2
        assert read.connections["Main"].credential_from == "the environment variable MAIN_KEY"
    read = channels(hidden, keys={"Main": "MAIN_KEY", "other": "X"})
    assert read.left_out["channel Main"] == "the environment variable MAIN_KEY is not set"
    assert read.left_out["--key other"] == "there is no channel of this name or id"


@pytest.mark.parametrize(
    ("members", "fork", "why"),
    [
        ({"status": 2}, "one-api", "it is disabled"),
        ({"status": 3}, "new-api", "it is disabled"),
        ({"type": 999}, "one-api", "its type 999 is none of one-api's that are known here"),
        ({"type": "1"}, "one-api", "its type 1 is none"),
        ({"type": 41}, "new-api", "Vertex AI is not taken: its credential is a service account"),
        ({"type": 2}, "new-api", "Midjourney is not taken"),
        ({"models": ""}, "one-api", "it names no models"),
        ({"models": ",".join(map(str, range(1001)))}, "one-api", "it names more than 1000 models"),
        ({"type": 8, "base_url": ""}, "one-api", "it has no base_url"),
        ({"type": 8, "base_url": "https://a.example.org/{model}"}, "new-api", "its address diff"),
        ({"type": 3}, "one-api", "it has no base_url"),
        ({"base_url": "http://a.example.org"}, "one-api", "a.example.org is called without"),
        ({"type": 33, "key": "only"}, "one-api", "its key is neither"),
        ({"group": "vip,default"}, "one-api", "its groups are not taken: vip"),
        ({"key": "[broken"}, "new-api", "its key begins like a list and is none"),
    ],
)  # fmt: skip
def test_what_of_a_channel_is_not_taken_says_why(channels, members, fork, why):
    left_out = channels(channel(**members), fork=fork).left_out
    assert any(told.startswith(why) for told in left_out.values()), left_out


def test_ways_to_reason_are_told(channels):
    read = channels(channel(models="gpt-5-high"), fork="new-api")
    assert read.left_out["gpt-5-high of channel Main"].startswith("new-api makes it of gpt-5")


def test_an_operation_is_told_by_the_name(channels):
    read = channels(channel(models="text-embedding-3-small,m3e-base"), choices=_FREE)
    assert {one.operation for one in read.plan.endpoints} == {Operation.EMBEDDINGS}


OPTIONS = {
    "ModelRatio": json.dumps({"gpt-4o": 1.25, "house": 0.0375, "no-output": 1}),
    "CompletionRatio": json.dumps({"gpt-4o": 4, "house": 1.33}),
    "CacheRatio": json.dumps({"gpt-4o": 0.5}),
    "ModelPrice": json.dumps({"drawing": 0.1}),
}


@pytest.mark.parametrize("form", ["options", "export", "plain"])
def test_ratios_are_prices_to_the_last_digit(channels, form):
    text = {
        "options": json.dumps({"data": [{"key": k, "value": v} for k, v in OPTIONS.items()]}),
        "export": json.dumps(
            {
                "success": True,
                "data": {
                    "model_ratio": json.loads(OPTIONS["ModelRatio"]),
                    "completion_ratio": json.loads(OPTIONS["CompletionRatio"]),
                    "cache_ratio": json.loads(OPTIONS["CacheRatio"]),
                    "model_price": json.loads(OPTIONS["ModelPrice"]),
                },
            }
        ),
        "plain": json.dumps({name: json.loads(value) for name, value in OPTIONS.items()}),
    }[form]
    models = "gpt-4o,house,gpt-4o-mini,drawing,no-output"
    read = channels(channel(models=models), ratios=read_ratios(text))
    prices = {name: one.price for name, one in read.endpoints.items()}
    assert prices["openai/gpt-4o"] == ModelPrice(
        "USD", 2_500_000_000, 10_000_000_000, 1_250_000_000
    )
    assert prices["openai/house"] == ModelPrice("USD", 75_000_000, 99_750_000, 75_000_000)
    # Of what the ratios say nothing, the list of hosts says it.
    listed = known_hosts()["openai"].model("gpt-4o-mini")
    assert listed is not None
    assert listed.price is not None
    assert prices["openai/gpt-4o-mini"].input_nanos == listed.price.input_nanos
    assert read.left_out["drawing of channel Main"].startswith("its ratio is a price for each")
    assert read.left_out["no-output of channel Main"].startswith("CompletionRatio does not say")


@pytest.mark.parametrize("text", ["{}", "[]", "7", '{"data": {}}', '{"ModelRatio": 7}'])
def test_a_file_of_no_ratios_is_refused(text):
    with pytest.raises(InvalidInput, match="has no ModelRatio"):
        read_ratios(text)


def test_ratios_that_are_no_numbers_leave_a_model_out(channels):
    ratios = read_ratios('{"ModelRatio": {"gpt-4o": "much"}, "CompletionRatio": {}}')
    read = channels(channel(models="gpt-4o"), ratios=ratios)
    assert read.left_out["gpt-4o of channel Main"] == "its model_ratio is no number"


@pytest.mark.parametrize("text", ["", "{", "NaN", "[" * 100_000, '{"data": ' + "9" * 5000 + "}"])
def test_what_is_not_json_is_refused_without_repeating_it(text):
    with pytest.raises(InvalidInput) as refused:
        read_ratios(text)
    assert len(str(refused.value)) < 200
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("document", ["{}", "7", '{"data": 7}', '{"data": {"items": {}}}'])
def test_a_file_without_a_list_of_channels_is_refused(document):
    with pytest.raises(InvalidInput, match="no list of channels"):
        read_channels(
            document, fork="one-api", environment={}, keys={}, ratios=None,
            hosts=known_hosts(), choices=Choices(),
        )  # fmt: skip


def test_channels_of_any_shape_are_told_and_never_an_error(channels):
    strange = [[], {}, 1.5, None, "", True, {"a": [1]}]
    for name in channel():
        for value in strange:
            channels(channel(**{name: value}), choices=_FREE)
            channels(channel(**{name: value}), fork="new-api", choices=_FREE)


def test_no_key_of_a_channel_is_in_anything_that_can_be_printed(channels):
    read = channels(
        channel(),
        channel(name="b", type=33),
        channel(name="c", key=f"[{KEY}"),
        channel(name="d", base_url=f"https://{KEY}@a.example.org"),
        channel(name="e", key=f"{KEY} \x07"),
    )
    assert KEY not in repr(read.plan)
