"""Files made to break: whatever they say, they are refused or told, and nothing else happens."""

import contextlib
import io
import json

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tradewind.core.errors import InvalidInput
from tradewind.features.providers.hosts import known_hosts
from tradewind.serve.imports.apply import Outcome
from tradewind.serve.imports.litellm import read_litellm
from tradewind.serve.imports.one_api import read_channels
from tradewind.serve.imports.plan import Choices, Finding, Level
from tradewind.serve.imports.ratios import read_ratios
from tradewind.serve.imports.report import Report, as_json, show
from tradewind.serve.imports.safe_yaml import parse_yaml

texts = st.text(max_size=20) | st.sampled_from(
    [
        *("", "*", "openai/*", "a/b", "openai/gpt-4o", "azure/x", "bedrock/x", "ollama/x"),
        *("os.environ/K", "http://localhost", "https://[::1]", "{}", "[", "1e999", "-1"),
        *("\x1b[31m", "gpt-4o,gpt-4o"),
    ]
)
scalars = st.none() | st.booleans() | st.integers() | texts | st.floats(allow_nan=False)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

# Without what JSON says otherwise than YAML: escaped surrogates, and a key that merges.
plain_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**19), 10**19) | plain_texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(plain_texts.filter(lambda key: key != "<<"), inner, max_size=3)
    ),
    max_leaves=8,
)


def with_members(*names):
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, values))


configs = st.fixed_dictionaries(
    {
        "model_list": st.lists(
            st.fixed_dictionaries(
                {
                    "model_name": texts | values,
                    "litellm_params": st.fixed_dictionaries(
                        {"model": texts | values},
                        optional=dict.fromkeys(
                            [
                                *("api_key", "api_base", "api_version", "aws_region_name"),
                                *("weight", "order", "rpm", "organization"),
                                *("custom_llm_provider", "litellm_credential_name"),
                                "input_cost_per_token",
                            ],
                            values,
                        ),
                    ),
                },
                optional={"model_info": with_members("mode", "base_model", "input_cost_per_token")},
            ),
            max_size=3,
        )
    },
    optional={
        "router_settings": with_members("routing_strategy", "model_group_alias", "num_retries")
        | values,
        "credential_list": values,
        "environment_variables": values,
        "general_settings": values,
    },
)
channel_lists = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from([1, 3, 14, 24, 30, 33, 37, 39, 50]) | values},
        optional=dict.fromkeys(
            [
                *("name", "id", "key", "base_url", "models", "model_mapping", "priority"),
                *("weight", "other", "config", "group", "status", "created_time"),
                "channel_info",
            ],
            values,
        ),
    ),
    max_size=3,
)


@given(st.text(max_size=300) | st.text(alphabet="-:[]{}&*!?#|>'\"\n ax1<,", max_size=300))
def test_any_text_is_read_as_yaml_or_refused(text):
    with contextlib.suppress(InvalidInput):
        parse_yaml(text)


@given(documents)
def test_what_json_says_yaml_reads_the_same(document):
    assert parse_yaml(json.dumps(document)) == document


@given(configs, st.booleans())
def test_any_configuration_makes_a_plan_or_is_refused(config, with_wildcards):
    with contextlib.suppress(InvalidInput):
        plan = read_litellm(
            json.dumps(config),
            environment={"K": "value"},
            hosts=known_hosts(),
            choices=Choices(with_wildcards),
        )
        assert config["model_list"] == [] or plan.endpoints or plan.findings
        check_printable(plan.findings)


@given(channel_lists, st.sampled_from(["one-api", "new-api"]))
def test_any_channels_make_a_plan_or_are_refused(listed, fork):
    with contextlib.suppress(InvalidInput):
        plan = read_channels(
            json.dumps(listed),
            fork=fork,
            environment={},
            keys={},
            ratios=None,
            hosts=known_hosts(),
            choices=Choices(),
        )
        check_printable(plan.findings)


@given(values)
def test_any_ratios_are_read_or_refused(value):
    with contextlib.suppress(InvalidInput):
        read_ratios(json.dumps(value))


@given(st.text())
def test_nothing_that_is_shown_steers_the_terminal(text):
    finding = Finding(Level.NOTE, (text,), 1, text, text)
    screen = io.StringIO()
    report = Report("LiteLLM", is_dry_run=False, outcome=Outcome((), (), ()), findings=(finding,))
    show(report, Console(file=screen, width=120, color_system=None))
    assert all(one.isprintable() or one == "\n" for one in screen.getvalue())
    json.dumps(as_json(report))


def check_printable(findings):
    for finding in findings:
        for text in (*finding.places, finding.why, finding.instead):
            assert text.isprintable()
