"""Lists that somebody wrote to do harm, or nobody checked: what is bad in them is left out."""

import json
from copy import deepcopy
from datetime import date
from decimal import Decimal

import pytest
import source_answers
from hypothesis import given
from hypothesis import strategies as st
from source_answers import serving

from tradewind.plugins.sources import base
from tradewind.plugins.sources.base import (
    BadEntry,
    SourceUnreadable,
    clean_day,
    clean_id,
    clean_knowledge,
    clean_modalities,
    clean_text,
    clean_tokens,
    day_of_seconds,
    nanos_of,
)
from tradewind.plugins.sources.huggingface import HuggingFace
from tradewind.plugins.sources.models_dev import ModelsDev
from tradewind.plugins.sources.ollama import Ollama
from tradewind.plugins.sources.openai_models import OpenAIModels
from tradewind.plugins.sources.openrouter import OpenRouter

SOURCES = [
    (ModelsDev(), source_answers.MODELS_DEV, lambda answer: answer["groq"]["models"]),
    (OpenRouter(), source_answers.OPENROUTER, lambda answer: answer["data"]),
    (HuggingFace("https://hub.example"), source_answers.HUGGING_FACE, lambda answer: answer),
    (Ollama("h", "https://h.example"), source_answers.OLLAMA, lambda answer: answer["models"]),
    (
        OpenAIModels("h", "https://h.example/v1"),
        source_answers.OPENAI,
        lambda answer: answer["data"],
    ),
]
each_source = pytest.mark.parametrize(
    ("source", "answer", "entries_of"), SOURCES, ids=[source.name for source, _, _ in SOURCES]
)
BAD = [None, 1, "text", [], {}, {"id": 1}, {"name": "", "id": ""}, {"id": "a\nb", "name": "a\nb"}]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def put(entries, entry):
    if isinstance(entries, list):
        entries.insert(0, entry)
    else:
        entries["bad"] = entry


@each_source
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_entry_is_counted_and_the_others_are_read(source, answer, entries_of, bad):
    good = source.read(serving(answer)[0]).entries
    mixed = deepcopy(answer)
    put(entries_of(mixed), bad)
    reading = source.read(serving(mixed)[0])
    assert reading.entries == good
    assert sum(reading.skipped.values()) == 1


@each_source
@given(
    changed=st.dictionaries(
        st.sampled_from(
            [
                *(
                    "id",
                    "name",
                    "model",
                    "cost",
                    "limit",
                    "pricing",
                    "tags",
                    "gguf",
                    "details",
                    "meta",
                ),
                *(
                    "created",
                    "createdAt",
                    "modalities",
                    "architecture",
                    "release_date",
                    "downloads",
                ),
            ]
        ),
        JSON,
        min_size=1,
        max_size=4,
    )
)
def test_an_entry_of_any_form_is_read_within_the_limits_or_counted(
    source, answer, entries_of, changed
):
    mixed = deepcopy(answer)
    entries = entries_of(mixed)
    first = entries[0] if isinstance(entries, list) else next(iter(entries.values()))
    put(entries, first | changed)
    reading = source.read(serving(mixed)[0])
    total = len(source.read(serving(answer)[0]).entries) + 1
    assert len(reading.entries) + sum(reading.skipped.values()) == total
    for entry in reading.entries:
        assert 1 <= len(entry.upstream_id) <= base.MAX_ID
        assert entry.upstream_id.isprintable()
        assert len(entry.name) <= base.MAX_NAME
        assert len(entry.description) <= base.MAX_DESCRIPTION
        for count in (entry.context_tokens, entry.max_output_tokens):
            assert count is None or 1 <= count <= base.MAX_TOKENS
        for price in entry.prices:
            assert price.input_nanos is None or 0 <= price.input_nanos <= 10**15


@each_source
def test_a_deep_entry_is_counted_and_breaks_nothing(source, answer, entries_of):
    mixed = deepcopy(answer)
    put(entries_of(mixed), "DEEP")
    deep = b'{"id":"x","name":"x","more":' + b"[" * 900 + b"]" * 900 + b"}"
    reading = source.read(serving(json.dumps(mixed).encode().replace(b'"DEEP"', deep))[0])
    assert len(reading.entries) >= len(source.read(serving(answer)[0]).entries)


def test_an_answer_without_end_is_refused():
    with pytest.raises(SourceUnreadable, match="longer than"):
        OpenRouter().read(lambda _: b" " * (base.MAX_BYTES + 1))


def test_a_list_without_end_is_cut():
    raws = (number for number in range(base.MAX_ENTRIES + 3))
    entry = base.SourceEntry(source="s", host="h", upstream_id="m")
    reading = base.collect(raws, lambda _: entry)
    assert len(reading.entries) == base.MAX_ENTRIES
    assert reading.skipped == {f"the list goes on after {base.MAX_ENTRIES} entries": 3}


@pytest.mark.parametrize("price", ["1e999999999", "-1", "NaN", "Infinity", "1000001", "-0.1"])
def test_what_is_no_price_is_refused(price):
    with pytest.raises(BadEntry):
        nanos_of(Decimal(price))


def test_prices_are_exact_and_a_trace_of_a_float_is_mended():
    assert nanos_of(None) is None
    assert nanos_of(Decimal("0.0375")) == 37_500_000
    assert nanos_of(Decimal("0.19999999999999998")) == 200_000_000
    assert nanos_of(Decimal("1e-999999999")) == 0
    assert nanos_of(Decimal("0.000008"), scale=15) == 8_000_000_000
    assert nanos_of(Decimal(1_000_000)) == 10**15


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_any_number_is_a_price_or_is_refused(price):
    try:
        nanos = nanos_of(price)
    except BadEntry:
        return
    assert nanos is not None
    assert 0 <= nanos <= 10**15


@given(st.text(max_size=2000))
def test_any_text_is_one_printable_line(text):
    cleaned = clean_text(text, 50)
    assert len(cleaned) <= 50
    assert cleaned.isprintable()
    assert clean_text(cleaned, 50) == cleaned


def test_what_is_not_a_fact_is_unknown():
    assert clean_tokens(0) is None
    assert clean_day("soon") is None
    assert clean_day("2025-02-30") is None
    assert clean_day("2025-02") == date(2025, 2, 1)
    assert clean_knowledge("next year") == ""
    assert clean_knowledge("2024-10") == "2024-10"
    assert clean_modalities(["smell"]) is None
    assert clean_modalities(["text", "text", "file"]) == ("text", "pdf")
    assert day_of_seconds(-1) is None
    assert day_of_seconds(1e300) is None
    assert day_of_seconds(1749137257) == date(2025, 6, 5)


@pytest.mark.parametrize("text", ["", " a", "a\n", "a\x00b", "x" * 201, "\u202eabc"])
def test_an_id_that_nobody_could_send_is_refused(text):
    with pytest.raises(BadEntry):
        clean_id(text)
