"""LiteLLM's config.yaml, as its documentation writes it."""

import json

import pytest

from tests.features.providers.account_parts import account_file, new_private_key
from tradewind.core.errors import InvalidInput
from tradewind.features.endpoints.schemas import ModelPrice
from tradewind.features.providers.hosts import known_hosts
from tradewind.snapshot.contents import Limits, Operation, Routing

# From docs.litellm.ai, "Config.yaml", the quick start, with a model that Bedrock still has.
QUICK_START = """
model_list:
  - model_name: gpt-4o ### RECEIVED MODEL NAME ###
    litellm_params: # all params accepted by litellm.completion()
      model: azure/gpt-4o-eu ### MODEL NAME sent to `litellm.completion()` ###
      api_base: https://my-endpoint-europe-berri-992.openai.azure.com/
      api_key: "os.environ/AZURE_API_KEY_EU" # does os.getenv("AZURE_API_KEY_EU")
      rpm: 6      # [OPTIONAL] Rate limit for this deployment: in requests per minute (rpm)
    model_info:
      base_model: azure/gpt-4o
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-ca
      api_base: https://my-endpoint-canada-berri992.openai.azure.com/
      api_key: "os.environ/AZURE_API_KEY_CA"
      rpm: 6
    model_info:
      base_model: azure/gpt-4o
  - model_name: anthropic-claude
    litellm_params:
      model: bedrock/anthropic.claude-sonnet-4-6
      ### [OPTIONAL] SET AWS REGION ###
      aws_region_name: us-east-1
  - model_name: vllm-models
    litellm_params:
      model: openai/facebook/opt-125m # the `openai/` prefix tells litellm it's openai compatible
      api_base: http://0.0.0.0:4000/v1
      api_key: none
      rpm: 1440
    model_info:
      version: 2
  - model_name: "*"
    litellm_params:
      model: "*"

litellm_settings: # module level litellm settings
  drop_params: True
  success_callback: ["langfuse"]

general_settings:
  master_key: sk-1234
  alerting: ["slack"]
"""
QUICK_START_ENVIRONMENT = {
    "AZURE_API_KEY_EU": "azure-key-of-europe",
    "AZURE_API_KEY_CA": "azure-key-of-canada",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "aws-secret-of-tests",
}
KEY = "sk-0123456789-abcdef"


def listed(host, model):
    found = known_hosts()[host].model(model)
    assert found is not None
    assert found.price is not None
    return found.price


def test_the_quick_start_of_its_documentation_is_taken(litellm):
    read = litellm(QUICK_START, **QUICK_START_ENVIRONMENT)
    assert list(read.endpoints) == [
        "openai/gpt-4o",
        "anthropic/anthropic-claude",
        "meta/vllm-models",
    ]
    gpt = read.endpoints["openai/gpt-4o"]
    assert gpt.aliases == ("gpt-4o",)
    assert [(one.connection, one.upstream_model, one.tier, one.weight) for one in gpt.targets] == [
        ("Azure my-endpoint-europe-berri-992 (AZURE_API_KEY_EU)", "gpt-4o-eu", 0, 1),
        ("Azure my-endpoint-canada-berri992 (AZURE_API_KEY_CA)", "gpt-4o-ca", 0, 1),
    ]
    price = listed("azure", "gpt-4o")
    assert (gpt.price.input_nanos, gpt.price.output_nanos) == (
        price.input_nanos,
        price.output_nanos,
    )
    europe = read.connections["Azure my-endpoint-europe-berri-992 (AZURE_API_KEY_EU)"]
    assert (europe.provider, europe.host) == ("azure_openai", "azure")
    assert europe.base_url == "https://my-endpoint-europe-berri-992.openai.azure.com"
    assert europe.credential.reveal() == "azure-key-of-europe"
    assert europe.credential_from == "the environment variable AZURE_API_KEY_EU"
    bedrock = read.connections["Amazon Bedrock us-east-1"]
    assert bedrock.base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert bedrock.options == {"region": "us-east-1"}
    assert bedrock.credential.reveal() == (
        '{"access_key_id":"AKIAEXAMPLE","secret_access_key":"aws-secret-of-tests"}'
    )
    vllm = read.connections["0.0.0.0:4000"]
    assert (vllm.is_private_network, vllm.credential) == (True, None)
    assert read.endpoints["meta/vllm-models"].limits == Limits(1440)
    assert read.left_out.keys() == {
        "limits of gpt-4o",
        "* (model_list[4])",
        "litellm_settings.success_callback",
        "general_settings.master_key",
        "general_settings.alerting",
    }
    assert read.notes["0.0.0.0"].startswith("counts as a host of your own network")
    assert "litellm_settings.drop_params" in read.notes


def test_without_its_variable_a_connection_is_not_made_and_the_variable_is_named(litellm):
    environment = QUICK_START_ENVIRONMENT.copy()
    del environment["AZURE_API_KEY_CA"]
    read = litellm(QUICK_START, **environment)
    assert len(read.endpoints["openai/gpt-4o"].targets) == 1
    assert not any("canada" in name for name in read.connections)
    assert read.left_out["gpt-4o (model_list[1])"] == (
        "the environment variable AZURE_API_KEY_CA is not set"
    )
    # The limit is not taken for that of the whole model because one place is missing.
    assert read.endpoints["openai/gpt-4o"].limits == Limits()


def test_the_variables_of_the_file_go_before_those_of_the_machine(litellm):
    read = litellm(
        f"""
        environment_variables: {{OPENAI_API_KEY: {KEY}}}
        model_list:
          - {{model_name: gpt-4o, litellm_params: {{model: gpt-4o}}}}
        """,
        OPENAI_API_KEY="another",
    )
    assert read.connection.credential.reveal() == KEY


@pytest.mark.parametrize(
    ("model", "host", "upstream"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o"),
        ("gpt-4o", "openai", "gpt-4o"),
        ("openai/responses/gpt-4o", "openai", "gpt-4o"),
        ("anthropic/claude-sonnet-4-6", "anthropic", "claude-sonnet-4-6"),
        ("claude-sonnet-4-6", "anthropic", "claude-sonnet-4-6"),
        ("gemini/gemini-2.5-flash", "google", "gemini-2.5-flash"),
        ("mistral/codestral-latest", "mistral", "codestral-latest"),
        ("cohere_chat/command-a-03-2025", "cohere", "command-a-03-2025"),
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o"),
        ("deepseek/deepseek-chat", "deepseek", "deepseek-chat"),
        ("perplexity/sonar", "perplexity", "sonar"),
        ("xai/grok-4.20-0309-reasoning", "xai", "grok-4.20-0309-reasoning"),
        ("cerebras/gpt-oss-120b", "cerebras", "gpt-oss-120b"),
        ("together_ai/MiniMaxAI/MiniMax-M2.7", "togetherai", "MiniMaxAI/MiniMax-M2.7"),
        ("deepinfra/ByteDance/Seed-2.0-pro", "deepinfra", "ByteDance/Seed-2.0-pro"),
        ("upstage/solar-pro3", "upstage", "solar-pro3"),
    ],
)
def test_a_prefix_is_a_known_host(one_of, model, host, upstream):
    read = one_of(model, api_key=KEY)
    known = known_hosts()[host]
    assert (read.connection.host, read.connection.provider) == (host, known.provider)
    assert read.connection.base_url == known.base_url
    assert read.connection.name == known.name
    assert read.connection.credential.reveal() == KEY
    [target] = read.endpoint.targets
    assert target.upstream_model == upstream
    found = known.model(upstream)
    assert found is not None
    assert found.price is not None
    assert read.endpoint.price.input_nanos == found.price.input_nanos
    assert read.endpoint.operation is found.operation


@pytest.mark.parametrize(
    ("model", "api_base", "provider", "base_url"),
    [
        ("openai/x", "http://localhost:8000/v1/", "openai_compatible", "http://localhost:8000/v1"),
        ("hosted_vllm/x", "http://10.0.0.7:8000/v1", "openai_compatible", None),
        ("ollama/x", "http://gpu-box:11434", "openai_compatible", "http://gpu-box:11434/v1"),
        ("ollama_chat/x", None, "openai_compatible", "http://localhost:11434/v1"),
        ("litellm_proxy/x", "https://other.example.org", "openai_compatible", None),
        ("anthropic/x", "https://proxy.example.org", "anthropic", "https://proxy.example.org/v1"),
        (
            "anthropic/x",
            "https://proxy.example.org/v1/messages",
            "anthropic",
            "https://proxy.example.org/v1",
        ),
        ("mistral/x", "https://codestral.example.org/v1", "mistral", None),
        ("azure_ai/x", "https://r.services.ai.azure.com/models", "azure_inference", None),
        ("azure_ai/x", "https://r.eastus2.inference.ai.azure.com/v1/", "openai_compatible",
         "https://r.eastus2.inference.ai.azure.com/v1"),
    ],
)  # fmt: skip
def test_an_address_of_ones_own_is_spoken_to_as_the_prefix_says(
    one_of, model, api_base, provider, base_url
):
    more = {} if api_base is None else {"api_base": api_base}
    info = {"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06}
    read = one_of(model, api_key=KEY, info=info, **more)
    assert read.connection.host is None
    assert read.connection.provider == provider
    assert read.connection.base_url == (base_url or api_base)


def test_a_key_of_openai_is_not_sent_to_whoever_speaks_its_api(one_of):
    read = one_of(
        "openai/x",
        api_base="http://localhost:8000/v1",
        environment={"OPENAI_API_KEY": KEY},
    )
    assert read.connection.credential is None


def test_azure_takes_its_version_and_the_whole_address_of_a_deployment(one_of):
    read = one_of(
        "azure/chat",
        api_base="https://r.openai.azure.com/openai/deployments/chat/chat/completions"
        "?api-version=2024-08-01-preview",
        api_key=KEY,
        info={"base_model": "azure/gpt-4o"},
    )
    assert read.connection.base_url == "https://r.openai.azure.com"
    assert read.connection.options == {"api_version": "2024-08-01-preview"}
    assert read.endpoint.targets[0].upstream_model == "chat"


def test_a_version_that_yaml_takes_for_a_date_is_text(litellm):
    read = litellm(
        f"""
        model_list:
          - model_name: gpt-4o
            litellm_params:
              model: azure/gpt-4o
              api_base: https://r.openai.azure.com
              api_key: {KEY}
              api_version: 2024-02-01
        """
    )
    assert read.connection.options == {"api_version": "2024-02-01"}


@pytest.mark.parametrize(
    ("model", "region", "upstream"),
    [
        ("bedrock/anthropic.claude-sonnet-4-6", "us-east-1", "anthropic.claude-sonnet-4-6"),
        ("bedrock/us-west-2/amazon.nova-lite-v1:0", "us-west-2", "amazon.nova-lite-v1:0"),
        ("bedrock/converse/us.amazon.nova-lite-v1:0", "us-east-1", "us.amazon.nova-lite-v1:0"),
    ],
)  # fmt: skip
def test_bedrock_finds_its_region(one_of, model, region, upstream):
    read = one_of(
        model,
        aws_access_key_id="AKIA1",
        aws_secret_access_key="s",
        aws_session_token="t",
        environment={"AWS_REGION": "us-east-1"},
    )
    assert read.connection.options == {"region": region}
    assert read.endpoint.targets[0].upstream_model == upstream
    assert "session_token" in read.connection.credential.reveal()


def test_an_api_key_of_bedrock_is_taken_as_it_is(one_of):
    read = one_of("bedrock/anthropic.claude-sonnet-4-6", api_key=KEY, aws_region_name="us-east-1")
    assert read.connection.credential.reveal() == KEY


def test_vertex_is_taken_with_the_service_account_that_the_environment_holds(one_of):
    account = account_file(new_private_key())
    read = one_of(
        "vertex_ai/gemini-2.5-pro",
        vertex_credentials="os.environ/VERTEX_KEY",
        vertex_location="europe-west4",
        vertex_project="acme-2",
        environment={"VERTEX_KEY": account},
    )
    assert read.connection.provider == "google"
    assert read.connection.base_url == "https://europe-west4-aiplatform.googleapis.com/v1"
    assert read.connection.options == {"location": "europe-west4", "project": "acme-2"}
    assert json.loads(read.connection.credential.reveal()) == json.loads(account)
    assert read.endpoint.targets[0].upstream_model == "gemini-2.5-pro"


@pytest.mark.parametrize(
    ("model", "parameters", "why"),
    [
        ("vertex_ai/gemini-2.5-pro", {"vertex_credentials": "/run/key.json"},
         "the service account is not in the file: vertex_credentials is no JSON"),
        ("vertex_ai/gemini-2.5-pro", {"vertex_credentials": "{}"}, "no vertex_location says in"),
        ("nowhere/x", {}, "the provider nowhere is not known here"),
        ("hosted_vllm/x", {}, "no api_base says where hosted_vllm answers"),
        ("openai/gpt-4o", {}, "there is no key: no api_key, and the environment has no OPENAI_API"),
        ("gemini/x", {"api_base": "https://g.example.org"}, "an api_base of gemini is written in"),
        ("azure/x", {"azure_ad_token": "t", "api_base": "https://r.openai.azure.com"},
         "there is no key: no api_key, and the environment has no AZURE_API_KEY (tokens of"),
        ("bedrock/x", {"aws_region_name": "us-east-1", "aws_role_name": "r"}, "aws_role_name: tok"),
        ("openai/gpt-4o", {"api_key": KEY, "organization": ["a", "b"]}, "it is for several organi"),
        ("openai/x", {"api_key": KEY, "api_base": "http://api.example.org/v1"},
         "api.example.org is called without encryption"),
        ("openai/x", {"api_key": KEY, "api_base": "https://u:p@api.example.org"},
         "its base URL has a user name or password in front of the host"),
        ("openai/x", {"api_key": KEY, "api_base": "https://api.example.org/v1"},
         "its price is not known, and without one nothing can be charged"),
        ("openai/gpt-4o", {"api_key": "two\nlines"}, "the credential has characters that no key"),
        ("openai/gpt-4o", {"api_key": KEY, "litellm_credential_name": "x"}, "credential_list has"),
        ("x" * 201, {"api_key": KEY}, "its name is longer than 200 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_says_why(one_of, model, parameters, why):
    read = one_of(model, **parameters)
    assert read.plan.endpoints == ()
    assert read.plan.connections == ()
    assert any(told.startswith(why) for told in read.left_out.values()), read.left_out


def test_a_host_of_ones_own_network_may_look_public(litellm):
    text = """
        model_list:
          - model_name: solar
            litellm_params: {model: ollama/solar, api_base: http://llm.example.org}
        """
    assert litellm(text).plan.endpoints == ()
    read = litellm(text, private_hosts=["llm.example.org"])
    assert read.connection.is_private_network
    assert read.connection.base_url == "http://llm.example.org/v1"


def test_prices_are_exact_and_default_ones_fill_the_gaps(litellm, one_of):
    read = one_of(
        "openai/mine",
        api_key=KEY,
        info={
            "input_cost_per_token": "1.5e-07",
            "output_cost_per_token": "6e-07",
            "cache_read_input_token_cost": "7.5e-08",
            "cache_creation_input_token_cost": "2e-07",
        },
    )
    price = ModelPrice("USD", 150_000_000, 600_000_000, 75_000_000, 200_000_000)
    assert read.endpoint.price == price
    assert read.endpoint.targets[0].cost == price
    text = f"""
        model_list:
          - model_name: own
            litellm_params: {{model: openai/own, api_key: {KEY}, api_base: "https://a.example.org"}}
        """
    default = ModelPrice("USD", 1, 2, 1)
    assert litellm(text, default_price=default).endpoint.price == default


def test_a_price_may_stand_in_the_parameters_and_half_of_it_in_the_list(one_of):
    read = one_of("openai/gpt-4o", api_key=KEY, input_cost_per_token="0")
    assert read.endpoint.price.input_nanos == 0
    assert read.endpoint.price.output_nanos == listed("openai", "gpt-4o").output_nanos


def test_prices_of_other_meters_are_told(one_of):
    read = one_of("openai/gpt-4o", api_key=KEY, info={"input_cost_per_second": 0.00042})
    assert read.left_out["input_cost_per_second of m"] == "only prices of tokens are taken"


def test_a_price_that_is_none_leaves_the_model_out(one_of):
    read = one_of("openai/gpt-4o", api_key=KEY, info={"input_cost_per_token": "cheap"})
    assert read.plan.endpoints == ()
    assert read.left_out["m (model_list[0])"] == "its input_cost_per_token is no price of a token"


@pytest.mark.parametrize(
    ("mode", "operation"),
    [
        ("chat", Operation.CHAT),
        ("completion", Operation.COMPLETIONS),
        ("embedding", Operation.EMBEDDINGS),
        ("audio_transcription", Operation.TRANSCRIPTION),
        ("rerank", Operation.RERANK),
    ],
)
def test_a_mode_is_an_operation(one_of, mode, operation):
    read = one_of("ollama/x", info={"mode": mode})
    assert read.endpoint.operation is operation


def test_a_mode_that_is_not_served_leaves_the_model_out(one_of):
    assert one_of("ollama/x", info={"mode": "realtime"}).left_out["m (model_list[0])"] == (
        "the mode realtime is not served here"
    )


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("nomic-embed-text", Operation.EMBEDDINGS),
        ("whisper-1", Operation.TRANSCRIPTION),
        ("tts-1", Operation.SPEECH),
        ("bge-reranker-v2", Operation.RERANK),
        ("llama3", Operation.CHAT),
    ],
)
def test_without_a_mode_the_name_tells_the_operation(one_of, name, operation):
    assert one_of(f"ollama/{name}").endpoint.operation is operation


def test_what_is_known_of_a_model_is_taken(one_of):
    info = {"max_input_tokens": 8192, "max_tokens": 1024}
    [target] = one_of("ollama/x", info=info).endpoint.targets
    assert (target.context_tokens, target.max_output_tokens) == (8192, 1024)


def deployments(*parameters, router="{}"):
    lines = [
        f"{{model_name: m, litellm_params: {{model: ollama/m{number}, {more}}}}}"
        for number, more in enumerate(parameters)
    ]
    return f"router_settings: {router}\nmodel_list: [{', '.join(lines)}]"


@pytest.mark.parametrize(
    ("parameters", "router", "expected"),
    [
        (["weight: 9", "weight: 1"], "{}", [(0, 9), (0, 1)]),
        (["weight: 0.7", "weight: 0.3"], "{}", [(0, 7), (0, 3)]),
        (["rpm: 900", "rpm: 10"], "{}", [(0, 90), (0, 1)]),
        (["tpm: 100000", "tpm: 50000"], "{}", [(0, 2), (0, 1)]),
        (["weight: 1, rpm: 900", "weight: 1, rpm: 1"], "{}", [(0, 1), (0, 1)]),
        (["rpm: 900", "rpm: 10"], "{routing_strategy: latency-based-routing}", [(0, 1), (0, 1)]),
        (["order: 2", "order: 1", "order: 1"], "{}", [(0, 1), (0, 1), (1, 1)]),
        (["weight: 2", "timeout: 1"], "{}", [(0, 1), (1, 1)]),
        (["weight: 20000", "weight: 1"], "{}", [(0, 10000), (0, 1)]),
    ],
)
def test_orders_are_tiers_and_shares_are_weights(litellm, parameters, router, expected):
    read = litellm(deployments(*parameters, router=router))
    assert [(target.tier, target.weight) for target in read.endpoint.targets] == expected


def test_one_place_that_stands_twice_gets_twice_the_calls(litellm):
    read = litellm(
        """
        model_list:
          - {model_name: m, litellm_params: {model: ollama/a}}
          - {model_name: m, litellm_params: {model: ollama/b}}
          - {model_name: m, litellm_params: {model: ollama/a}}
        """
    )
    found = [(target.upstream_model, target.weight) for target in read.endpoint.targets]
    assert found == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("settings", "routing"),
    [
        ("{}", Routing()),
        ("{routing_strategy: simple-shuffle}", Routing("load")),
        ("{routing_strategy: least-busy}", Routing("load")),
        ("{routing_strategy: latency-based-routing}", Routing("latency")),
        ("{routing_strategy: cost-based-routing}", Routing("price")),
        ("{routing_strategy: usage-based-routing-v2}", Routing("load")),
        ("{num_retries: 0}", Routing(max_attempts=1)),
        ("{num_retries: 50}", Routing(max_attempts=10)),
    ],
)
def test_a_strategy_is_a_sort_where_it_means_the_same(litellm, settings, routing):
    read = litellm(deployments("rpm: 1", router=settings))
    assert read.endpoint.routing == routing
    assert ("router_settings.routing_strategy" in read.left_out) == ("usage" in settings)


def test_every_name_is_a_model_of_its_own_with_its_own_price(litellm):
    read = litellm(
        f"""
        model_list:
          - {{model_name: team-a, litellm_params: {{model: gpt-4o, api_key: {KEY}}}}}
          - model_name: team-b
            litellm_params: {{model: gpt-4o, api_key: {KEY}-b}}
            model_info: {{input_cost_per_token: 1.0e-06, output_cost_per_token: 2.0e-06}}
          - {{model_name: openai/gpt-4o, litellm_params: {{model: gpt-4o, api_key: {KEY}}}}}
          - {{model_name: gpt-4o, litellm_params: {{model: gpt-4o, api_key: {KEY}}}}}
        """
    )
    assert {name: one.aliases for name, one in read.endpoints.items()} == {
        "openai/team-a": ("team-a",),
        "openai/team-b": ("team-b",),
        "openai/gpt-4o": (),
        "openai/gpt-4o-2": ("gpt-4o",),
    }
    assert read.endpoints["openai/team-b"].price.input_nanos == 1_000_000_000
    # Two keys are two accounts, and the same key is the same one.
    assert list(read.connections) == ["OpenAI", "OpenAI 2"]


def test_aliases_of_groups_are_aliases(litellm):
    read = litellm(
        """
        model_list: [{model_name: m, litellm_params: {model: ollama/m}}]
        router_settings:
          model_group_alias: {old: m, older: {model: m, hidden: true}, gone: n, "a b": m}
        """
    )
    assert read.endpoint.aliases == ("m", "old", "older")
    assert read.left_out["model_group_alias gone"] == "the model it means is not here"
    assert read.left_out["a b"].startswith("a model cannot be called so here")


def test_a_name_that_no_call_can_have_here_is_told_with_the_one_it_gets(one_of):
    read = one_of("ollama/llama3:8b", called="llama3:8b")
    assert (read.endpoint.name, read.endpoint.aliases) == ("meta/llama3-8b", ())
    assert read.endpoint.targets[0].upstream_model == "llama3:8b"
    [finding] = [one for one in read.plan.findings if one.places == ("llama3:8b",)]
    assert finding.instead == "call it meta/llama3-8b"


def test_credentials_are_shared_by_name(litellm):
    read = litellm(
        """
        model_list:
          - {model_name: a, litellm_params: {model: azure/gpt-4o, litellm_credential_name: eu}}
          - {model_name: b, litellm_params: {model: azure/gpt-4o-mini, litellm_credential_name: eu}}
        credential_list:
          - credential_name: eu
            credential_values:
              api_key: os.environ/AZURE_KEY
              api_base: os.environ/AZURE_BASE
              api_version: "2023-05-15"
            credential_info: {description: Production credentials for EU region}
        """,
        AZURE_KEY=KEY,
        AZURE_BASE="https://eu.openai.azure.com",
    )
    assert read.connection.options == {"api_version": "2023-05-15"}
    assert len(read.endpoints) == 2


def test_models_of_a_host_are_taken_when_they_are_asked_for(litellm):
    text = f"""
        model_list:
          - {{model_name: "groq/*", litellm_params: {{model: "groq/*", api_key: {KEY}}}}}
          - model_name: groq/openai/gpt-oss-120b
            litellm_params: {{model: groq/openai/gpt-oss-120b, api_key: {KEY}}}
        """
    read = litellm(text)
    assert len(read.endpoints) == 1
    assert read.left_out["groq/* (model_list[0])"] == "it stands for all models of a host"
    read = litellm(text, wildcards=True)
    called = [alias for endpoint in read.plan.endpoints for alias in endpoint.aliases]
    assert called.count("groq/openai/gpt-oss-120b") == 1
    priced = [one for one in known_hosts()["groq"].models if one.operation and one.price]
    assert len(read.endpoints) == len(priced)


def test_what_lies_beside_the_models_is_told_a_line_each(litellm):
    read = litellm(
        """
        include: [more.yaml]
        model_list: [{model_name: m, litellm_params: {model: ollama/m}}]
        router_settings: {fallbacks: [{m: [n]}], redis_host: localhost, surprise: 1}
        litellm_settings: {cache: true, callbacks: [prometheus], default_fallbacks: [m]}
        general_settings: {master_key: sk-1, database_url: "postgresql://u:secret@h/d"}
        guardrails: [{guardrail_name: pii}]
        mcp_servers: {github: {url: "https://example.org"}}
        zebra: {}
        """
    )
    assert read.left_out.keys() >= {
        "include",
        "router_settings.fallbacks",
        "router_settings.surprise",
        "litellm_settings.cache",
        "litellm_settings.callbacks",
        "litellm_settings.default_fallbacks",
        "general_settings.master_key",
        "guardrails",
        "mcp_servers",
        "zebra",
    }
    assert {"router_settings.redis_host", "general_settings.database_url"} <= read.notes.keys()
    fallbacks = next(one for one in read.plan.findings if "router_settings.fallbacks" in one.places)
    assert "`models`" in fallbacks.instead
    assert "secret" not in repr(read.plan.findings)


def test_the_same_reason_at_many_places_is_one_finding(litellm):
    entries = ",".join(
        f"{{model_name: m{number}, litellm_params: {{model: ollama/m, timeout: 5}}}}"
        for number in range(100)
    )
    read = litellm(f"model_list: [{entries}]")
    [finding] = [one for one in read.plan.findings if one.places == ("litellm_params.timeout",)]
    assert finding.total == 100


@pytest.mark.parametrize("text", ["", "[]", "just text", "7", "{}"])
def test_a_file_that_is_no_configuration_is_refused(litellm, text):
    with pytest.raises(InvalidInput, match="no configuration of LiteLLM"):
        litellm(text)


@pytest.mark.parametrize(
    "model_list",
    ["7", "[7]", "[[]]", "[{}]", "{a: b}", "[{model_name: [a], litellm_params: b}]",
     "[{model_name: a, litellm_params: {model: {}}}]", "[{model_name: m, model_info: 3}]"],
)  # fmt: skip
def test_entries_of_any_shape_are_told_and_never_an_error(litellm, model_list):
    read = litellm(f"model_list: {model_list}\nrouter_settings: 3\ngeneral_settings: [a]")
    assert read.plan.endpoints == ()
    assert read.left_out


def test_a_file_of_too_many_entries_is_refused(litellm):
    with pytest.raises(InvalidInput, match="more than 5000 entries"):
        litellm(f"model_list: [{'1,' * 5001}]")


def test_no_key_is_in_anything_that_can_be_printed(litellm):
    read = litellm(
        f"""
        model_list:
          - {{model_name: a, litellm_params: {{model: gpt-4o, api_key: {KEY}}}}}
          - {{model_name: b, litellm_params: {{model: vertex_ai/x, vertex_credentials: {KEY}}}}}
          - {{model_name: c, litellm_params: {{model: gpt-4o, api_key: "{KEY} x\\ty"}}}}
          - {{model_name: d, litellm_params: {{model: ollama/x, api_base: "http://{KEY}@x"}}}}
        general_settings: {{master_key: {KEY}}}
        """
    )
    assert KEY not in repr(read.plan)
    assert read.left_out
