"""What each source makes of the answers that its documentation shows."""

from datetime import date

import pytest
import source_answers
from source_answers import serving

from tradewind.plugins.sources.base import SourceEntry, SourceUnreadable, TierPrice
from tradewind.plugins.sources.genai_prices import GenaiPrices
from tradewind.plugins.sources.huggingface import HuggingFace
from tradewind.plugins.sources.models_dev import ModelsDev, ShippedModelsDev
from tradewind.plugins.sources.mteb import Mteb
from tradewind.plugins.sources.ollama import Ollama
from tradewind.plugins.sources.openai_models import OpenAIModels
from tradewind.plugins.sources.openrouter import OpenRouter
from tradewind.plugins.sources.registry import shipped_sources, sources

TODAY = date(2026, 11, 22)
HUB = "https://hub.example"


def nothing_is_fetched(url):
    raise AssertionError(f"{url} was fetched")


def read(source, answer):
    fetch, asked = serving(answer)
    reading = source.read(fetch)
    assert reading.skipped == {}
    return reading.entries, asked


def test_models_dev_tells_hosts_models_and_prices():
    (claude, oss), asked = read(ModelsDev(), source_answers.MODELS_DEV)
    assert asked == ["https://models.dev/api.json"]
    assert claude == SourceEntry(
        source="models_dev",
        host="anthropic",
        upstream_id="claude-sonnet-4-5",
        name="Claude Sonnet 4.5 (latest)",
        family="claude-sonnet",
        released_on=date(2025, 9, 29),
        knowledge="2025-07-31",
        input_modalities=("text", "image", "pdf"),
        output_modalities=("text",),
        capabilities=frozenset({"attachments", "reasoning", "temperature", "tools"}),
        open_weights=False,
        context_tokens=200_000,
        max_output_tokens=64_000,
        prices=(
            TierPrice(3_000_000_000, 15_000_000_000, 300_000_000, 3_750_000_000),
            TierPrice(6_000_000_000, 22_500_000_000, None, None, 200_000),
        ),
    )
    assert (oss.host, oss.status, oss.released_on) == ("groq", "beta", date(2025, 8, 1))
    assert (oss.prices, oss.max_output_tokens) == ((), None)
    assert oss.capabilities == frozenset({"reasoning", "structured_output", "temperature", "tools"})


def test_models_dev_tells_prices_by_tiers_of_any_length():
    cost = {
        "input": 1.25,
        "output": 10,
        "tiers": [
            {"input": 5, "output": 20, "tier": {"type": "context", "size": 500000}},
            {"input": 2.5, "output": 15, "tier": {"type": "context", "size": 200000}},
        ],
    }
    model = {"id": "m", "name": "M", "cost": cost}
    (entry,), _ = read(ModelsDev(), {"google": {"models": {"m": model}}})
    assert [(tier.from_context_tokens, tier.input_nanos) for tier in entry.prices] == [
        (0, 1_250_000_000),
        (200_000, 2_500_000_000),
        (500_000, 5_000_000_000),
    ]


def test_the_shipped_list_says_of_which_day_it_is():
    reading = ShippedModelsDev().read(nothing_is_fetched)
    assert (len(reading.entries), reading.skipped) == (6731, {})
    assert len({entry.host for entry in reading.entries}) == 191
    assert {entry.observed_on for entry in reading.entries} == {date(2026, 8, 18)}
    assert {"", "beta", "deprecated"} == {entry.status for entry in reading.entries}


def test_openrouter_tells_prices_for_a_million_tokens():
    (gemini, auto), asked = read(OpenRouter(), source_answers.OPENROUTER)
    assert asked == ["https://openrouter.ai/api/v1/models"]
    assert gemini.prices == (TierPrice(1_250_000_000, 10_000_000_000, 310_000_000, 1_625_000_000),)
    assert gemini.meters == (("images", 5_160_000_000_000),)
    assert (gemini.name, gemini.publisher_hint) == ("Gemini 2.5 Pro Preview", "Google")
    assert gemini.description == "Gemini 2.5 Pro is a state-of-the-art model."
    assert gemini.input_modalities == ("pdf", "image", "text", "audio")
    assert gemini.capabilities == frozenset(
        {"attachments", "reasoning", "structured_output", "tools"}
    )
    assert (gemini.context_tokens, gemini.max_output_tokens) == (1_048_576, 65_536)
    assert (gemini.released_on, gemini.is_router) == (date(2025, 6, 5), False)
    assert (auto.is_router, auto.prices, auto.capabilities) == (True, (), None)


def test_the_hub_tells_licence_weights_and_gate():
    (qwen, llama), asked = read(
        HuggingFace(HUB, author="Qwen", limit=5), source_answers.HUGGING_FACE
    )
    assert asked[0].startswith("https://hub.example/api/models?author=Qwen&sort=downloads&limit=5")
    assert "expand=safetensors" in asked[0]
    assert (qwen.host, qwen.upstream_id, qwen.publisher_hint) == ("", "Qwen/Qwen3-8B", "Qwen")
    assert (qwen.licence_hint, qwen.is_gated, qwen.parameters) == (
        "apache-2.0",
        False,
        8_190_735_360,
    )
    assert qwen.url == "https://hub.example/Qwen/Qwen3-8B"
    assert (qwen.downloads, qwen.released_on) == (4_321_000, date(2025, 4, 27))
    assert (qwen.input_modalities, qwen.output_modalities) == (("text",), ("text",))
    assert (llama.is_gated, llama.licence_hint, llama.quantization) == (True, "llama3.1", "gguf")
    assert (llama.context_tokens, llama.output_modalities) == (131_072, ("embedding",))


def test_the_hub_is_the_public_one_unless_another_is_named():
    fetch, asked = serving([])
    sources(TODAY)["huggingface"].read(fetch)
    sources(TODAY, hub_url=f"{HUB}/")["huggingface"].read(fetch)
    public, mirror = (url.partition("?")[0] for url in asked)
    assert public.startswith("https://huggingface.")
    assert public.count("/") == 4
    assert public.endswith("/api/models")
    assert mirror == f"{HUB}/api/models"


def test_the_shipped_list_of_embedders_tells_dimensions_and_licence():
    reading = Mteb().read(nothing_is_fetched)
    assert len(reading.entries) == 600
    assert reading.skipped == {}
    by_id = {entry.upstream_id: entry for entry in reading.entries}
    bge, matryoshka = by_id["BAAI/bge-small-en-v1.5"], by_id["google/embeddinggemma-2"]
    assert (bge.host, bge.dimensions, bge.context_tokens) == ("", 384, 512)
    assert (bge.licence_hint, bge.released_on) == ("mit", date(2023, 9, 12))
    assert (bge.output_modalities, bge.open_weights) == (("embedding",), True)
    assert matryoshka.dimensions == 768
    assert by_id["zeroentropy/zerank-2"].output_modalities == ("score",)


def test_a_search_of_the_hub_asks_for_what_was_typed_and_no_more():
    fetch, asked = serving([])
    HuggingFace(HUB, search="a&b=c d", limit=10**9).read(fetch)
    assert "search=a%26b%3Dc+d&" in asked[0]
    assert "limit=1000&" in asked[0]


def test_ollama_tells_what_a_server_has():
    (gemma, oss), asked = read(
        Ollama("my-server", "http://127.0.0.1:11434/"), source_answers.OLLAMA
    )
    assert asked == ["http://127.0.0.1:11434/api/tags"]
    assert (gemma.host, gemma.upstream_id, gemma.family) == ("my-server", "gemma3", "gemma")
    assert (gemma.parameters, gemma.quantization) == (4_300_000_000, "q4_k_m")
    assert gemma.digest.startswith("a2af6cc3")
    assert (oss.digest, oss.parameters, oss.quantization) == ("", None, "")


def test_any_host_tells_its_models_in_the_form_of_openai():
    (gpt, qwen, llama, smol), asked = read(
        OpenAIModels("a-host", "https://api.a-host.example/v1/"), source_answers.OPENAI
    )
    assert asked == ["https://api.a-host.example/v1/models"]
    assert (gpt.publisher_hint, qwen.publisher_hint, llama.publisher_hint) == ("", "", "Meta")
    assert (qwen.context_tokens, llama.context_tokens) == (40_960, 131_072)
    assert llama.max_output_tokens == 32_768
    assert smol.parameters == 134_515_008
    assert {entry.prices for entry in (gpt, qwen, llama, smol)} == {()}


def test_the_list_of_prices_tells_prices_and_knows_hosts_by_our_names():
    reading = GenaiPrices(TODAY).read(nothing_is_fetched)
    assert len(reading.entries) > 2000
    hosts = {entry.host for entry in reading.entries}
    assert {"amazon-bedrock", "togetherai", "xai", "huggingface", "openai"} <= hosts
    assert not {"aws", "together", "x-ai", "huggingface_groq", "openai-decisions"} & hosts
    assert all(entry.is_price_only for entry in reading.entries)
    by_id = {(entry.host, entry.upstream_id): entry for entry in reading.entries}
    assert by_id["openai", "gpt-4o"].prices[0].input_nanos == 2_500_000_000
    assert ("huggingface", "openai/gpt-oss-120b:groq") in by_id


def test_a_price_holds_from_its_day_on():
    def price_on(day):
        entries = GenaiPrices(day).read(nothing_is_fetched).entries
        (entry,) = (
            entry
            for entry in entries
            if (entry.host, entry.upstream_id) == ("anthropic", "claude-opus-4-6")
        )
        return entry.prices

    long_before, today = price_on(date(2026, 2, 1)), price_on(TODAY)
    assert [tier.from_context_tokens for tier in long_before] == [0, 200_000]
    assert [tier.from_context_tokens for tier in today] == [0]
    assert long_before[0].input_nanos == today[0].input_nanos == 5_000_000_000


def test_the_family_is_found_by_name_and_a_first_start_fetches_nothing():
    assert [*sources(TODAY)] == [
        *("models_dev", "genai_prices", "openrouter", "ollama", "huggingface", "mteb"),
    ]
    for source in shipped_sources(TODAY):
        reading = source.read(nothing_is_fetched)
        assert reading.entries
        assert {entry.source for entry in reading.entries} == {source.name}


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]x", b'"text"', b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize(
    "source",
    [
        ModelsDev(),
        OpenRouter(),
        HuggingFace(HUB),
        Ollama(),
        OpenAIModels("h", "https://h.example/v1"),
    ],
    ids=lambda source: source.name,
)
def test_an_answer_that_is_no_list_is_refused_by_the_sources_name(source, data):
    with pytest.raises(SourceUnreadable, match=source.name):
        source.read(lambda _: data)
