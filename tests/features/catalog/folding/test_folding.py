"""Folding real and made-up entries into models and offers."""

import json
import random
from collections import Counter
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.catalog.folding.fold import fold, report
from tradewind.features.catalog.folding.names import read_id
from tradewind.plugins.sources.base import SourceEntry, TierPrice
from tradewind.plugins.sources.registry import shipped_sources
from tradewind.snapshot.contents import Operation

TODAY = date(2026, 11, 22)
PRICE = TierPrice(1_000_000_000, 2_000_000_000)
CHEAPER = TierPrice(500_000_000, 600_000_000)


def entry(host, upstream_id, source="models_dev", **told):
    return SourceEntry(source=source, host=host, upstream_id=upstream_id, **told)


def only_model(*entries):
    (model,) = fold(entries).models
    return model


def fact_of(model, name):
    return {fact.source: fact.value for fact in model.facts if fact.name == name}


@pytest.fixture(scope="module")
def entries():
    def fetch(url):
        raise AssertionError(f"{url} was fetched")

    return [entry for source in shipped_sources(TODAY) for entry in source.read(fetch).entries]


@pytest.fixture(scope="module")
def folded(entries):
    return fold(entries)


# --- the shipped lists -----------------------------------------------------------------------


def test_the_shipped_lists_give_a_catalog_of_a_large_clouds_size(folded):
    told = report(folded)
    assert told["models"] >= 2000
    assert len({offer.model for offer in folded.offers}) >= 1400
    assert told["offers"] >= 6000
    assert told["providers"] >= 150
    assert told["publishers"] >= 150
    assert told["unfolded"] <= 200


def test_every_entry_is_an_offer_or_has_a_reason_or_prices_another_offer(entries, folded):
    offered = {(offer.host, offer.upstream_id) for offer in folded.offers}
    left = {(left.host, left.upstream_id) for left in folded.unfolded}
    missing = [
        entry
        for entry in entries
        if entry.host and (entry.host, entry.upstream_id) not in offered | left
    ]
    assert all(entry.is_price_only for entry in missing)
    assert not offered & left


def test_names_of_models_and_keys_of_offers_are_unique_and_in_order(folded):
    names = [model.name for model in folded.models]
    keys = [(offer.host, offer.upstream_id) for offer in folded.offers]
    assert all(one < next_one for one, next_one in pairwise(names))
    assert all(one < next_one for one, next_one in pairwise(keys))
    assert {offer.model for offer in folded.offers} <= {*names}


def test_an_alias_is_of_one_model_and_no_models_name(folded):
    names = {model.name for model in folded.models}
    counted = Counter(alias for model in folded.models for alias in model.aliases)
    assert not names & counted.keys()
    assert set(counted.values()) == {1}


def test_an_alias_reads_as_its_model_where_its_namespace_tells_the_maker(folded):
    model = next(model for model in folded.models if model.name == "deepseek/deepseek-v3.2")
    assert "deepseek-ai/deepseek-v3.2" in model.aliases
    assert read_id("deepseek-ai/deepseek-v3.2").name == model.name


def test_one_model_of_many_hosts_is_one(folded):
    (model,) = [model for model in folded.models if model.name == "anthropic/claude-sonnet-4.5"]
    offers = [offer for offer in folded.offers if offer.model == model.name]
    assert len(offers) >= 40
    assert {"anthropic", "amazon-bedrock", "google-vertex", "openrouter"} <= {
        offer.host for offer in offers
    }
    assert (model.publisher_name, model.display_name) == ("Anthropic", "Claude Sonnet 4.5")
    assert model.operation is Operation.CHAT
    assert "20250929" in model.versions


def test_folding_does_not_depend_on_the_order_of_the_lists(entries, folded):
    mixed = entries.copy()
    random.Random(7).shuffle(mixed)
    assert fold(mixed) == folded
    assert fold(reversed(entries)) == folded


def test_models_that_are_listed_again_under_their_own_names_are_the_same_models(folded):
    again = fold(entry("somewhere", model.name, name=model.display_name) for model in folded.models)
    assert [model.name for model in again.models] == [model.name for model in folded.models]
    assert again.unfolded == ()


# --- offers ----------------------------------------------------------------------------------


def test_terms_that_stand_in_an_id_are_the_offers():
    (offer,) = fold(
        [entry("amazon-bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", prices=(PRICE,))]
    ).offers
    assert (offer.model, offer.region, offer.version) == (
        "anthropic/claude-sonnet-4",
        "us",
        "20250514",
    )
    (offer,) = fold([entry("openrouter", "deepseek/deepseek-r1:free")]).offers
    assert (offer.model, offer.variant) == ("deepseek/deepseek-r1", "free")


def test_a_price_that_nobody_told_is_unknown_and_not_nothing():
    unknown, free = fold(
        [entry("a", "gpt-4o"), entry("b", "gpt-4o", prices=(TierPrice(0, 0),))]
    ).offers
    assert unknown.prices == ()
    assert free.prices == (TierPrice(0, 0),)


def test_a_flat_fee_is_no_price_of_nothing():
    """Where others take a price for the model; what calls itself free is."""
    nothing, something = (TierPrice(0, 0),), (TierPrice(10, 20),)
    offers = fold(
        [
            entry("coding-plan", "gpt-4o", prices=nothing),
            entry("openrouter", "openai/gpt-4o:free", prices=nothing),
            entry("vercel", "openai/gpt-4o", prices=something),
        ]
    ).offers
    assert {offer.host: offer.prices for offer in offers} == {
        "coding-plan": (),
        "openrouter": nothing,
        "vercel": something,
    }


def test_a_list_of_prices_comes_before_a_list_of_models_for_prices_alone():
    (offer,) = fold(
        [
            entry("openai", "gpt-4o", prices=(PRICE,), context_tokens=128_000),
            entry(
                "openai",
                "gpt-4o",
                "genai_prices",
                prices=(CHEAPER,),
                context_tokens=1,
                is_price_only=True,
            ),
        ]
    ).offers
    assert (offer.prices, offer.price_source) == ((CHEAPER,), "genai_prices")
    assert (offer.context_tokens, offer.source, offer.is_price_only) == (
        128_000,
        "models_dev",
        False,
    )


def test_a_price_under_a_short_id_is_no_second_offer_and_fills_what_is_unknown():
    told = entry("openai", "gpt-4o", "genai_prices", prices=(CHEAPER,), is_price_only=True)
    (offer,) = fold([entry("openai", "gpt-4o-2024-08-06"), told]).offers
    assert (offer.upstream_id, offer.prices) == ("gpt-4o-2024-08-06", (CHEAPER,))
    (offer,) = fold([entry("openai", "gpt-4o-2024-08-06", prices=(PRICE,)), told]).offers
    assert offer.prices == (PRICE,)


def test_a_price_of_other_terms_fills_nothing():
    told = entry(
        "openrouter",
        "openai/gpt-4o:free",
        "genai_prices",
        prices=(CHEAPER,),
        is_price_only=True,
    )
    (offer,) = fold([entry("openrouter", "openai/gpt-4o"), told]).offers
    assert (offer.upstream_id, offer.prices) == ("openai/gpt-4o", ())


def test_what_only_a_list_of_prices_knows_is_an_offer_that_says_so():
    (offer,) = fold(
        [entry("azure", "ada", "genai_prices", prices=(PRICE,), is_price_only=True)]
    ).offers
    assert (offer.model, offer.is_price_only) == ("openai/ada", True)


def test_a_hub_of_weights_offers_nothing():
    folded = fold([entry("", "Qwen/Qwen3-8B", "huggingface", licence_hint="apache-2.0")])
    assert folded.offers == ()
    assert folded.models[0].licence == "Apache-2.0"


# --- values ----------------------------------------------------------------------------------


def test_the_makers_own_host_is_believed_before_all_others():
    model = only_model(
        entry("groq", "gpt-oss-120b", context_tokens=1),
        entry("openai", "gpt-oss-120b", context_tokens=3),
        entry("cerebras", "gpt-oss-120b", context_tokens=1),
    )
    assert model.context_tokens == 3
    assert fact_of(model, "context_tokens") == {"models_dev": 3}


def test_weights_that_most_hosts_call_open_are_open_whatever_the_makers_prices_say():
    model = only_model(
        entry("deepseek", "deepseek-v9", open_weights=False),
        entry("deepinfra", "deepseek-ai/DeepSeek-V9", open_weights=True),
        entry("novita-ai", "deepseek/deepseek-v9", open_weights=True),
    )
    assert model.open_weights is True


def test_weights_that_the_maker_calls_open_are_open_whatever_others_left_out():
    model = only_model(
        entry("deepseek", "deepseek-v9", open_weights=True),
        entry("deepinfra", "deepseek-ai/DeepSeek-V9", open_weights=False),
        entry("novita-ai", "deepseek/deepseek-v9", open_weights=False),
    )
    assert model.open_weights is True


def test_trusted_hosts_are_believed_in_their_order_and_others_by_majority():
    assert (
        only_model(
            entry("groq", "gpt-oss-120b", context_tokens=1),
            entry("openrouter", "openai/gpt-oss-120b", context_tokens=2),
        ).context_tokens
        == 2
    )
    others = [("a", 5), ("b", 7), ("c", 7), ("d", 9)]
    model = only_model(*(entry(host, "gpt-oss-120b", context_tokens=told) for host, told in others))
    assert model.context_tokens == 7
    model = only_model(
        *(entry(host, "gpt-oss-120b", context_tokens=told) for host, told in others[:2])
    )
    assert model.context_tokens == 5


def test_a_variant_is_believed_after_the_plain_model():
    model = only_model(
        entry("a", "kimi-k2.6:free", context_tokens=1),
        entry("b", "kimi-k2.6:free", context_tokens=1),
        entry("c", "kimi-k2.6", context_tokens=2),
    )
    assert model.context_tokens == 2


def test_a_maker_on_a_hub_is_believed_and_a_packager_there_is_not():
    model = only_model(
        entry("", "Qwen/Qwen3-8B", "huggingface", parameters=8_190_735_360),
        entry("", "unsloth/Qwen3-8B-GGUF", "huggingface", parameters=1),
        entry("openrouter", "qwen/qwen3-8b", parameters=2),
    )
    assert model.parameters == 8_190_735_360


def test_every_source_has_one_word_on_every_fact():
    model = only_model(
        entry("openai", "gpt-4o", knowledge="2023-10", observed_on=TODAY),
        entry("azure", "gpt-4o", knowledge="2023-09"),
        entry("openrouter", "openai/gpt-4o", "openrouter", knowledge="2023-11"),
    )
    assert fact_of(model, "knowledge") == {"models_dev": "2023-10", "openrouter": "2023-11"}
    assert model.knowledge == "2023-10"
    (fact,) = [fact for fact in model.facts if fact.source == "models_dev"]
    assert (fact.host, fact.upstream_id, fact.observed_on) == ("openai", "gpt-4o", TODAY)


def test_what_nobody_says_stays_unknown():
    model = only_model(entry("a", "somebody/something"))
    assert (model.context_tokens, model.open_weights, model.licence) == (None, None, "")
    assert (model.capabilities, model.operation, model.is_operation_known) == (None, None, False)
    assert model.facts == ()
    assert model.display_name == "something"


def test_a_maker_of_video_serves_nothing_here_and_that_is_known():
    model = only_model(
        entry("a", "veo-3.1", input_modalities=("text",), output_modalities=("video",))
    )
    assert (model.operation, model.is_operation_known) == (None, True)


def test_what_lists_write_behind_a_name_is_not_the_name():
    assert only_model(entry("a", "gpt-4o", name="GPT-4o (latest)")).display_name == "GPT-4o"
    assert only_model(entry("a", "gpt-4o", name="GPT-4o TEE")).display_name == "GPT-4o"


# --- what is left ----------------------------------------------------------------------------


def test_what_a_source_says_is_a_router_is_no_model():
    folded = fold([entry("openrouter", "openai/gpt-4o", is_router=True)])
    assert (folded.models, folded.offers) == ((), ())
    assert folded.unfolded[0].reason == "it picks a model for each call"


def test_the_report_groups_what_is_left_by_its_reason():
    folded = fold([entry("a", "auto"), entry("b", "auto"), entry("a", "zz9"), entry("a", "gpt-4o")])
    told = report(folded)
    assert json.loads(json.dumps(told)) == told
    assert {
        name: told[name] for name in ("models", "offers", "publishers", "providers", "unfolded")
    } == {
        "models": 1,
        "offers": 1,
        "publishers": 1,
        "providers": 1,
        "unfolded": 3,
    }
    assert {reason: len(left) for reason, left in told["reasons"].items()} == {
        "it picks a model for each call": 2,
        "nothing says who made it": 1,
    }


ENTRIES = st.lists(
    st.builds(
        SourceEntry,
        source=st.sampled_from(["models_dev", "openrouter", "genai_prices", "another"]),
        host=st.sampled_from(["", "openai", "groq", "openrouter", "a"]),
        upstream_id=st.sampled_from(
            [
                *("gpt-4o", "openai/gpt-4o", "GPT-4o-2024-08-06", "gpt-4o:free", "us.gpt-4o"),
                *("qwen-2.5-7b", "qwen2-5-7b", "qwen2.5-7b-fp8", "auto", "zz9", "who/zz9", "~x"),
            ]
        ),
        name=st.sampled_from(["", "One", "Two (free)"]),
        licence_hint=st.sampled_from(["", "mit", "llama3.1", "who knows"]),
        context_tokens=st.none() | st.integers(1, 3),
        open_weights=st.none() | st.booleans(),
        capabilities=st.none() | st.frozensets(st.sampled_from(["tools", "reasoning"])),
        output_modalities=st.none() | st.just(("text",)),
        prices=st.sampled_from([(), (PRICE,), (CHEAPER,), (TierPrice(0, 0),)]),
        is_price_only=st.booleans(),
        is_router=st.booleans(),
    ),
    max_size=12,
)


@given(ENTRIES, st.randoms())
def test_folding_any_entries_in_any_order_gives_the_same(entries, order):
    mixed = entries * 2
    order.shuffle(mixed)
    assert fold(mixed) == fold(entries)


@given(ENTRIES)
def test_values_are_ones_that_somebody_told(entries):
    folded = fold(entries)
    names = {model.name for model in folded.models}
    for model in folded.models:
        assert model.context_tokens in {None, *(told.context_tokens for told in entries)}
        assert model.open_weights in {None, *(told.open_weights for told in entries)}
        assert len({(fact.name, fact.source) for fact in model.facts}) == len(model.facts)
    for offer in folded.offers:
        assert offer.model in names
        assert any(
            (told.host, told.upstream_id) == (offer.host, offer.upstream_id) for told in entries
        )
        assert offer.prices in {(), *(told.prices for told in entries)}
