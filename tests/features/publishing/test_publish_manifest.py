"""Manifests, feeds in OpenRouter's form and cards of Hugging Face, read."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.errors import InvalidInput
from tradewind.features.publishing.manifest import (
    is_feed,
    read_card,
    read_feed,
    read_manifest,
    split_card,
)

# openrouter.ai/docs, "Provider Integration": the example of its answer, shortened.
FEED = {
    "data": [
        {
            "id": "anthropic/claude-sonnet-4",
            "hugging_face_id": "",
            "name": "Anthropic: Claude Sonnet 4",
            "created": 1690502400,
            "input_modalities": ["text", "image"],
            "output_modalities": ["text"],
            "quantization": "fp8",
            "context_length": 1000000,
            "max_output_length": 128000,
            "pricing": {
                "prompt": "0.000008",
                "completion": "0.000024",
                "image": "0",
                "request": "0",
                "input_cache_read": "0",
            },
            "supported_sampling_parameters": ["temperature", "stop"],
            "supported_features": ["tools", "json_mode", "structured_outputs", "reasoning"],
            "description": "A model.",
            "is_ready": True,
            "datacenters": [{"country_code": "US"}],
        }
    ]
}
CARD = """---
license: apache-2.0
pipeline_tag: feature-extraction
tags: [small]
---

# Small Embedder

[badge](x)

Turns texts into vectors,
for search.

## More
"""


def test_a_manifest_of_several_models_shares_its_defaults():
    first, second = read_manifest(
        {
            "publisher": "acme",
            "defaults": {"licence": "MIT", "connection": "groq"},
            "models": [
                {"model": "small", "display_name": "Small"},
                {"model": "large", "licence": "Apache-2.0"},
            ],
        }
    )

    assert (first.publisher, first.slug, first.content.licence) == ("acme", "small", "MIT")
    assert first.content.connection_id == "groq"
    assert second.content.licence == "Apache-2.0"


def test_a_manifest_of_one_model_needs_no_list():
    (only,) = read_manifest({"publisher": "acme", "model": "small", "is_gated": True})

    assert only.content.is_gated


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "no mapping"),
        ({"publisher": "acme"}, "model is missing"),
        ({"publisher": "acme", "model": "a", "licence": 3}, "licence"),
        ({"publisher": "acme", "model": "a", "lisence": "MIT"}, "'lisence'"),
        ({"publisher": "acme", "models": []}, "1 to"),
        ({"publisher": "acme", "models": [{"model": "a"}, {"model": "a"}]}, "twice"),
        ({"model": "a"}, "publisher is missing"),
        ({"publisher": "acme", "model": "a", "context_tokens": -1}, "context_tokens"),
    ],
)
def test_a_wrong_manifest_says_where(document, why):
    with pytest.raises(InvalidInput, match=why):
        read_manifest(document)


def test_a_feed_tells_prices_for_a_million_tokens():
    assert is_feed(FEED)
    (only,) = read_feed(FEED, "acme", "conn_1")

    content = only.content
    assert only.slug == "claude-sonnet-4"
    assert (content.input_price, content.output_price) == ("8", "24")
    assert (content.context_tokens, content.max_output_tokens) == (1_000_000, 128_000)
    assert content.capabilities == (
        "attachments",
        "reasoning",
        "structured_output",
        "temperature",
        "tools",
    )
    assert content.upstream_model == "anthropic/claude-sonnet-4"
    assert only.told is not None
    assert "licence" not in only.told
    assert only.notes == ()


def test_a_card_of_hugging_face_tells_licence_task_and_text():
    front, markdown = split_card(CARD)
    assert front.startswith("license")

    desired = read_card(
        {"license": "apache-2.0", "pipeline_tag": "feature-extraction"}, markdown, "acme", "small"
    )

    content = desired.content
    assert (content.licence, content.operation) == ("Apache-2.0", "embeddings")
    assert content.display_name == "Small Embedder"
    assert content.description == "Turns texts into vectors, for search."
    assert content.card.startswith("# Small Embedder")


def test_a_licence_of_its_own_has_a_name_and_a_link():
    desired = read_card(
        {
            "license": "other",
            "license_name": "Acme Licence 1",
            "license_link": "https://acme.example/licence",
        },
        "text",
        "acme",
        "small",
    )

    assert desired.content.licence == "LicenseRef-Acme-Licence-1"
    assert desired.content.licence_url == "https://acme.example/licence"


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["publisher", "model", "models", "data", "id", "pricing", "prompt", "card"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json)
def test_nothing_but_invalid_input_comes_of_garbage(document):
    for read in (read_manifest, lambda each: read_feed(each, "acme", "conn_1")):
        with contextlib.suppress(InvalidInput):
            read(document)
