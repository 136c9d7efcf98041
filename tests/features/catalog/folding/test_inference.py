"""What follows from the name and the family of a model where no source says it."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.catalog.folding.fold import fold
from tradewind.features.catalog.folding.inference import (
    known_families,
    licence_by_family,
    read_families,
    task_of,
)
from tradewind.features.catalog.folding.precedence import INFERRED
from tradewind.features.catalog.reading import said_by
from tradewind.plugins.sources.base import Reading, SourceEntry, TierPrice
from tradewind.plugins.sources.registry import shipped_sources
from tradewind.snapshot.contents import Operation

TODAY = date(2026, 11, 22)
BOTH_WAYS = (TierPrice(1_000, 2_000),)


def entry(upstream_id, host="a", source="genai_prices", **told):
    return SourceEntry(source=source, host=host, upstream_id=upstream_id, **told)


def only_model(*entries):
    (model,) = fold(entries).models
    return model


@pytest.fixture(scope="module")
def models():
    def fetch(url):
        raise AssertionError(f"{url} was fetched")

    return fold(
        entry for source in shipped_sources(TODAY) for entry in source.read(fetch).entries
    ).models


# Checked one by one against the makers' pages.
@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("anthropic/claude-opus-5.5", Operation.CHAT),
        ("openai/gpt-6-sol", Operation.CHAT),
        ("meta/llama-2-70b-chat", Operation.CHAT),
        ("mistral/mistral-large-4", Operation.CHAT),
        ("cohere/command-r", Operation.CHAT),
        ("somebody/some-7b-instruct", Operation.CHAT),
        ("openai/davinci-002", Operation.COMPLETIONS),
        ("openai/text-davinci-003", Operation.COMPLETIONS),
        ("mistral/mixtral-8x7b-v0.1", Operation.COMPLETIONS),
        ("deepseek/deepseek-v3-base", Operation.COMPLETIONS),
        ("google/gemma-7b", Operation.COMPLETIONS),
        ("voyage/voyage-3-lite", Operation.EMBEDDINGS),
        ("mistral/codestral-embed-2505", Operation.EMBEDDINGS),
        ("baai/bge-base-en-v1.5", Operation.EMBEDDINGS),
        ("baai/bge-reranker-base", Operation.RERANK),
        ("openai/gpt-4o-mini-tts", Operation.SPEECH),
        ("google/gemini-3.8-flash-tts", Operation.SPEECH),
        ("openai/gpt-transcribe", Operation.TRANSCRIPTION),
        ("openai/gpt-image-2.5-flare", Operation.IMAGES),
        ("google/nano-banana-2.1", Operation.IMAGES),
        ("openai/moderation", Operation.MODERATIONS),
        # A conversation by voice, a robot, a page that is read: nothing here serves them.
        ("openai/gpt-4o-realtime-preview", None),
        ("amazon/nova-2-sonic", None),
        ("google/gemini-robotics-er-2-preview", None),
        ("mistral/mistral-ocr-2505", None),
        ("nobody/knows-this", None),
    ],
)
def test_a_name_tells_the_task_of_its_family(name, task):
    assert task_of(name, ()) is task


@pytest.mark.parametrize(
    ("name", "told", "task"),
    [
        ("nobody/clef", {"context_tokens": 9, "prices": BOTH_WAYS}, Operation.CHAT),
        ("nobody/clef", {"prices": BOTH_WAYS}, None),
        ("nobody/clef", {"context_tokens": 9, "prices": (TierPrice(1_000, 0),)}, None),
        (
            "nobody/clef",
            {"context_tokens": 9, "prices": BOTH_WAYS, "meters": (("audio_input_tokens", 1),)},
            None,
        ),
        ("nobody/clef-audio", {"context_tokens": 9, "prices": BOTH_WAYS}, None),
    ],
)
def test_what_takes_and_gives_tokens_for_a_price_answers_in_text(name, told, task):
    assert task_of(name, [entry("x", **told)]) is task


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("meta/llama-3.3-70b-instruct", "LicenseRef-Llama-3.3"),
        ("meta/llama-3.1-8b-instruct", "LicenseRef-Llama-3.1"),
        ("meta/llama-3-8b-instruct", "LicenseRef-Llama-3"),
        ("meta/llama-4-scout-17b-16e-instruct", "LicenseRef-Llama-4"),
        ("google/gemma-3-27b-it", "LicenseRef-Gemma"),
        ("mistral/mixtral-8x7b-instruct-v0.1", "Apache-2.0"),
        ("mistral/mistral-large-2407", "LicenseRef-Mistral-Research"),
        ("qwen/qwen3-coder-480b-a35b-instruct", "Apache-2.0"),
        ("qwen/qwen2.5-72b-instruct", "LicenseRef-Qwen"),
        ("qwen/qwen2.5-3b-instruct", "LicenseRef-Qwen-Research"),
        ("qwen/qwen2.5-32b-instruct", "Apache-2.0"),
        ("deepseek/deepseek-r1", "MIT"),
        ("deepseek/deepseek-v3", "LicenseRef-DeepSeek"),
        ("openai/gpt-oss-120b", "Apache-2.0"),
        ("microsoft/phi-4", "MIT"),
        ("moonshotai/kimi-k2-thinking", "LicenseRef-Modified-MIT"),
        ("zai/glm-4.5-air", "MIT"),
        # Sold, not given away; or by somebody who changed it.
        ("qwen/qwen3-max", ""),
        ("openai/gpt-5", ""),
        ("mistral/mistral-medium-2505", ""),
        ("mistral/mistral-large-2402", ""),
        ("huihui-ai/llama-3.3-70b-instruct-abliterated", ""),
    ],
)
def test_a_name_tells_the_licence_of_its_family(name, licence):
    assert licence_by_family(name) == licence


def test_every_licence_names_the_page_that_says_so():
    assert all(row.source.startswith(("https://", "card: ")) for row in known_families().licences)


def test_a_table_with_a_licence_that_nobody_knows_is_refused():
    row = '[[licences]]\nlicence = "WHO-KNOWS"\nsource = "https://a.example"\nnames = ["a/b"]\n'
    with pytest.raises(ValueError, match="WHO-KNOWS"):
        read_families(f"tasks = []\n{row}")


def test_every_row_of_the_table_is_of_some_model(models):
    names = [model.name for model in models]
    rows = [*known_families().tasks, *known_families().licences]
    unused = [row.names.pattern for row in rows if not any(row.names.match(name) for name in names)]
    assert unused == []


def test_a_licence_is_given_to_no_model_that_is_only_sold(models):
    """Lists that know nothing of weights write "closed"; a size in the name tells otherwise."""
    closed = [model.name for model in models if model.open_weights is False]
    given = {name for name in closed if licence_by_family(name)}
    # Checked one by one: their makers give these away.
    assert {name for name in given if not re.search(r"\db(?:-|$)", name)} == {
        "black-forest-labs/flux.1-dev",
        "inclusionai/ling-flash-2.0",
        "minimax/minimax-m1",
        "mistral/magistral-small-2506",
        "mistral/mistral-large-2407",
        "qwen/qwen-image",
        "qwen/qwen-image-edit",
        "stepfun/step-3",
        "zai/glm-4.6v-flash",
    }


def test_few_models_have_no_known_task(models):
    assert sum(not model.is_operation_known for model in models) < 100


def test_what_somebody_says_is_believed_before_what_follows():
    told = only_model(
        entry("gpt-4o", input_modalities=("text",), output_modalities=("embedding",)),
        entry("gpt-4o", "b"),
    )
    assert told.operation is Operation.EMBEDDINGS
    assert not [fact for fact in told.facts if fact.source == INFERRED]
    told = only_model(entry("meta-llama/llama-3.3-70b-instruct", licence_hint="mit"))
    assert told.licence == "MIT"


def test_what_follows_is_told_as_nobodys_word():
    model = only_model(entry("meta-llama/llama-3.3-70b-instruct"))
    told = {(fact.name, fact.value): fact.source for fact in model.facts}
    assert told == {
        ("operation", "chat"): INFERRED,
        ("licence", "LicenseRef-Llama-3.3"): INFERRED,
    }
    reading = Reading((entry("meta-llama/llama-3.3-70b-instruct"),), {})
    (said,) = said_by("genai_prices", reading, (), TODAY).models
    assert said.facts == {}
    assert said.inferred == {"operation": "chat", "licence": "LicenseRef-Llama-3.3"}


NAMES = st.from_regex(r"[a-z0-9-]{1,20}/[a-z0-9.-]{1,40}", fullmatch=True)


@given(NAMES)
def test_any_name_has_one_answer_that_a_second_look_repeats(name):
    assert task_of(name, ()) == task_of(name, ())
    assert licence_by_family(name) == licence_by_family(name)
