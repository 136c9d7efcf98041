"""The hosts that come with the platform: all of them, read exactly."""

import gzip
import json
from collections import Counter
from decimal import Decimal
from importlib import resources

import pytest

from tradewind.core.base_urls import parse_base_url
from tradewind.features.providers.host_kinds import PROVIDERS, Shape, kind_of
from tradewind.features.providers.hosts import known_hosts, search_hosts, search_models
from tradewind.features.providers.rules import fill_in
from tradewind.features.providers.schemas import HostPrice
from tradewind.plugins.providers.registry import providers
from tradewind.snapshot.contents import Operation


def listed(host_id, model_id):
    model = known_hosts()[host_id].model(model_id)
    assert model is not None
    return model


def ordinary_price(host_id, model_id):
    price = listed(host_id, model_id).price
    assert price is not None
    return price


def test_every_host_and_every_model_is_there():
    hosts = known_hosts()
    assert len(hosts) == 191
    assert sum(len(host.models) for host in hosts.values()) == 6731
    assert known_hosts() is hosts, "read once"


def test_a_host_is_supported_by_a_provider_or_says_why_not():
    for host in known_hosts().values():
        if host.provider is None:
            assert host.shape is Shape.UNSUPPORTED
            assert host.unsupported_reason
        else:
            assert host.shape is not Shape.UNSUPPORTED
            assert host.provider in PROVIDERS
            assert not host.unsupported_reason
            assert host.base_url
    shapes = Counter(host.shape for host in known_hosts().values())
    assert shapes[Shape.UNSUPPORTED] == 7
    assert shapes[Shape.OPENAI] > 160


def test_every_address_can_be_used_once_it_is_filled_in():
    for host in known_hosts().values():
        if host.provider is None:
            continue
        given = {
            name: "https://x.example" if name.endswith("URL") else "x" for name in host.variables
        }
        url = parse_base_url(fill_in(host.base_url, given))
        assert url.scheme == "https" or host.is_local
        assert not url.path.endswith("/chat/completions")


@pytest.mark.parametrize(
    ("host_id", "provider", "base_url"),
    [
        ("openai", "openai", "https://api.openai.com/v1"),
        ("anthropic", "anthropic", "https://api.anthropic.com/v1"),
        ("google", "google", "https://generativelanguage.googleapis.com/v1beta"),
        ("mistral", "mistral", "https://api.mistral.ai/v1"),
        ("cohere", "cohere", "https://api.cohere.com/v2"),
        ("groq", "openai_compatible", "https://api.groq.com/openai/v1"),
        ("xai", "openai_compatible", "https://api.x.ai/v1"),
        ("openrouter", "openai_compatible", "https://openrouter.ai/api/v1"),
        ("fireworks-ai", "openai_compatible", "https://api.fireworks.ai/inference/v1"),
        ("minimax", "anthropic", "https://api.minimax.io/anthropic/v1"),
        ("azure", "azure_openai", "https://{resource}.openai.azure.com"),
        ("amazon-bedrock", "bedrock", "https://bedrock-runtime.{region}.amazonaws.com"),
    ],
)
def test_hosts_are_found_where_they_document_it(host_id, provider, base_url):
    host = known_hosts()[host_id]
    assert (host.provider, host.base_url) == (provider, base_url)


def test_a_host_says_where_its_credential_lies():
    assert known_hosts()["openai"].environment == ("OPENAI_API_KEY",)
    assert "AWS_REGION" in known_hosts()["amazon-bedrock"].environment


def test_prices_are_exact_integers():
    model = listed("302ai", "MiniMax-M1")
    assert model.prices == (HostPrice(132_000_000, 1_254_000_000),)
    assert model.context_tokens == 1_000_000
    assert model.has_tools


def test_a_price_that_went_through_a_float_is_mended():
    assert ordinary_price("helicone", "grok-4-fast-reasoning").input_nanos == 200_000_000


def test_rounding_to_nanos_takes_away_the_noise_of_floats_and_nothing_else():
    packed = resources.files("tradewind.plugins.sources") / "data" / "models-dev.jsonl.gz"
    lines = gzip.decompress(packed.read_bytes()).splitlines()
    models = [json.loads(line, parse_float=Decimal) for line in lines]
    compared = 0
    for line in models:
        if line["kind"] != "model":
            continue
        model = listed(line["provider_id"], line["id"])
        told = sorted(line["pricing"], key=lambda price: price["min_context"])
        for price, read in zip(told, model.prices, strict=True):
            assert abs(price["cost_input"] * 10**9 - read.input_nanos) < Decimal("0.001")
            assert abs(price["cost_output"] * 10**9 - read.output_nanos) < Decimal("0.001")
            compared += 1
    assert compared == 6629


def test_what_is_not_told_is_none_and_not_nothing():
    priceless = [
        model for host in known_hosts().values() for model in host.models if not model.prices
    ]
    assert len(priceless) == 421
    assert all(model.price is None for model in priceless)
    assert ordinary_price("302ai", "MiniMax-M1").cached_input_nanos is None


def test_prices_for_long_inputs_follow_the_ordinary_one():
    model = listed("302ai", "claude-opus-4-7")
    assert [price.from_context_tokens for price in model.prices] == [0, 200_000]
    assert model.prices[0].input_nanos == 5_000_000_000
    assert model.prices[1].cache_write_nanos == int(Decimal("12.5") * 10**9)


@pytest.mark.parametrize(
    ("host_id", "model_id", "operation"),
    [
        ("openai", "gpt-4o", Operation.CHAT),
        ("openai", "text-embedding-3-large", Operation.EMBEDDINGS),
        ("openai", "gpt-image-1", Operation.IMAGES),
        ("groq", "whisper-large-v3", Operation.TRANSCRIPTION),
        ("vercel", "cohere/rerank-v3.5", Operation.RERANK),
        ("vercel", "openai/tts-1", Operation.SPEECH),
        ("poe", "openai/sora-2", None),
        ("digitalocean", "bge-m3", Operation.EMBEDDINGS),
        ("digitalocean", "bge-reranker-v2-m3", Operation.RERANK),
    ],
)
def test_what_a_model_serves_is_told_by_what_goes_in_and_out(host_id, model_id, operation):
    assert listed(host_id, model_id).operation is operation


def test_hosts_are_found_by_words_of_their_name():
    assert [host.id for host in search_hosts("bedrock AMAZON")] == ["amazon-bedrock"]
    assert len(list(search_hosts())) == 191
    assert not list(search_hosts("no such host"))


def test_models_are_found_by_words_of_their_name():
    found = [model.id for model in search_models(known_hosts()["openai"], "embedding large")]
    assert found == ["text-embedding-3-large"]


def test_a_connection_may_name_every_provider_that_there_is():
    assert set(providers()) <= PROVIDERS


def test_a_host_of_an_unknown_kind_is_not_supported():
    kind = kind_of("new", "@ai-sdk/brand-new")
    assert kind.shape is Shape.UNSUPPORTED
    assert kind.reason
