"""What the catalog's pages say, without a page: prices with units, licences, timelines, states."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.ids import ModelId
from tradewind.features.catalog.schemas import CatalogModel, FactRow
from tradewind.portal.catalog_state import View, compare_url, read_names, read_state
from tradewind.portal.comparison import (
    ChatSize,
    Compared,
    average_size,
    chosen_size,
    rows_of,
)
from tradewind.portal.formats import size
from tradewind.portal.licence_words import licence_words
from tradewind.portal.model_facts import known_facts, timeline
from tradewind.portal.price_units import meter_prices
from tradewind.readmodels.catalog_search.query import Sort
from tradewind.readmodels.catalog_search.rows import Card, CatalogRow, LowestPrice
from tradewind.readmodels.offer_stats.reading import AverageChat, Measured
from tradewind.snapshot.contents import Operation

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MODEL = CatalogModel(
    model_id=ModelId("model_01890000000000000000000000"),
    name="kestrel/sirocco",
    publisher="kestrel",
    publisher_name="Kestrel",
    slug="sirocco",
    display_name="Sirocco",
    description="",
    card="",
    family="sirocco",
    licence="MIT",
    licence_url="",
    is_gated=False,
    operation=Operation.CHAT,
    context_tokens=128_000,
    max_output_tokens=None,
    dimensions=None,
    parameters=7_000_000_000,
    released_on=date(2026, 7, 14),
    knowledge="2026-03",
    input_modalities=("text", "image"),
    output_modalities=("text",),
    capabilities=("tools",),
    open_weights=True,
    lifecycle="ga",
    lifecycle_since=datetime(2026, 7, 14, tzinfo=UTC),
    retires_on=None,
    replacement="",
    visibility="listed",
    origin="operator",
    offers=0,
)


def a_row(slug: str, **changes) -> CatalogRow:
    values: dict[str, Any] = {
        "model_id": slug,
        "publisher": "kestrel",
        "publisher_name": "Kestrel",
        "slug": slug,
        "display_name": slug,
        "operation": "chat",
    }
    return CatalogRow(**values | changes)


def compared(slug: str, measured=None, average=None, **changes) -> Compared:
    card = Card(a_row(slug, **changes), "USD", is_callable=False, sort_value=None)
    return Compared(card, measured, average_size(average))


@pytest.mark.parametrize(
    ("meter", "nanos", "shown"),
    [
        ("images", 40_000_000_000_000, ("Image", 40_000_000, "image")),
        ("audio_seconds", 100_000_000_000, ("Audio", 6_000_000, "minute")),
        ("characters", 15_000_000_000, ("Text", 15_000_000_000, "1M characters")),
        ("requests", 5_000_000_000_000, ("Request", 5_000_000_000, "1K requests")),
        ("audio_input_tokens", 7_000_000_000, ("Audio input", 7_000_000_000, "1M tokens")),
        ("moons", 3, ("Moons", 3, "1M moons")),
    ],
)
def test_each_meter_has_the_unit_that_people_compare_by(meter, nanos, shown):
    assert meter_prices({meter: nanos}) == [shown]


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("Apache-2.0", "Permissive"),
        ("CC-BY-NC-4.0", "non-commercial"),
        ("CC-BY-SA-4.0", "Share alike"),
        ("CC-BY-4.0", "Use, change and share"),
        ("AGPL-3.0-only", "Copyleft"),
        ("LicenseRef-Llama-3.3", "Meta's community licence"),
        ("LicenseRef-Kestrel", "own terms"),
        ("", "No source tells"),
    ],
)
def test_a_licence_is_said_in_plain_words(licence, said):
    assert said in licence_words(licence).summary


def test_only_what_spdx_lists_is_linked_there():
    assert licence_words("MIT").url == "https://spdx.org/licenses/MIT.html"
    assert licence_words("LicenseRef-Llama-3.3").url is None
    assert licence_words('"><script>').url is None
    assert licence_words("MIT OR Apache-2.0").url is None


def test_facts_say_who_says_so_and_who_says_otherwise():
    told = [
        FactRow("context_tokens", 128_000, "operator", date(2026, 11, 1), is_winner=True),
        FactRow("context_tokens", 131_072, "models_dev", date(2026, 10, 1), is_winner=False),
        FactRow("released_on", "2026-07-14", "models_dev", date(2026, 10, 1), is_winner=True),
        FactRow("released_on", "2026-07-14", "openrouter", date(2026, 10, 1), is_winner=False),
    ]

    facts = {fact.label: fact for fact in known_facts(MODEL, told)}

    assert facts["Context"].source == "your administrator"
    assert facts["Context"].others == (("models.dev", "131,072 tokens"),)
    assert facts["Released"].value == "14 Jul 2026"
    assert facts["Released"].others == ()
    assert "Longest answer" not in facts, "nobody told it"


def test_a_model_of_ours_tells_the_earliest_days():
    stages = [
        (stage.label, stage.when, stage.state) for stage in timeline(MODEL, NOW, is_kept_here=True)
    ]

    assert stages == [
        ("Generally available", "since 14 Jul 2026", "now"),
        ("Legacy", "not before 22 Nov 2026", "ahead"),
        ("Deprecated", "not before 22 Dec 2026", "ahead"),
        ("Retired", "not before 14 Jul 2027", "ahead"),
    ]


def test_nothing_is_promised_of_a_model_whose_weights_are_elsewhere():
    stages = timeline(MODEL, NOW, is_kept_here=False)

    assert [(stage.label, stage.when) for stage in stages] == [
        ("Generally available", "14 Jul 2026")
    ]


def test_an_announced_last_day_is_said_as_it_is():
    ending = replace(MODEL, lifecycle="deprecated", retires_on=date(2027, 8, 1))

    stages = timeline(ending, NOW, is_kept_here=True)

    assert [(stage.label, stage.state) for stage in stages] == [
        ("Generally available", "past"),
        ("Deprecated", "now"),
        ("Retired", "ahead"),
    ]
    assert stages[-1].when == "on 1 Aug 2027"


def test_a_state_is_its_address():
    address = [("q", "llama"), ("task", "chat"), ("view", "table"), ("m", "a/b"), ("m", "c/d")]

    state = read_state([*address, ("sort", "price")], None)

    assert state.url() == "/models?q=llama&task=chat&sort=price&view=table&m=a%2Fb&m=c%2Fd"
    assert state.without("task", "chat").query.facets == ()
    assert state.without_compared("a/b").basket == ("c/d",)
    assert state.cleared().url() == "/models?sort=price&view=table&m=a%2Fb&m=c%2Fd"
    assert state.query.sort is Sort.PRICE


def test_the_view_is_remembered_unless_the_address_says_otherwise():
    assert read_state([], "table").view is View.TABLE
    assert read_state([("view", "cards")], "table").view is View.CARDS
    assert read_state([("view", "cards")], "table").is_view_told
    assert read_state([("view", "mosaic")], "nonsense").view is View.CARDS


def test_at_most_four_models_are_put_aside():
    names, notes = read_names([("m", f"a/{number}") for number in range(6)])

    assert names == ("a/0", "a/1", "a/2", "a/3")
    assert notes == ("at most 4 models can be compared",)
    assert read_names([("m", "a/b"), ("m", "a/b"), ("m", "nonsense"), ("m", "a/\0")]) == (
        ("a/b",),
        (),
    )


@given(st.lists(st.tuples(st.sampled_from(["q", "m", "view", "task", "page", "x"]), st.text())))
def test_any_address_is_read_and_its_own_address_means_the_same(parameters):
    state = read_state(parameters, None)
    again = read_state(parse_qsl(urlsplit(state.url()).query, keep_blank_values=True), None)

    assert (again.query, again.view, again.basket) == (state.query, state.view, state.basket)
    assert len(compare_url(state.basket)) < 4_000


def test_what_differs_comes_first_and_the_best_is_named():
    differing, same = rows_of(
        [
            compared("a", context_tokens=8_192, price=LowestPrice(2_000, 4_000)),
            compared("b", context_tokens=128_000, price=LowestPrice(1_000, 4_000)),
            compared("c", context_tokens=None, price=None),
        ]
    )

    rows = {row.label: row for row in differing}
    assert [cell.is_best for cell in rows["Context"].cells] == [False, True, False]
    assert rows["Context"].best_word == "longest"
    assert [cell.is_best for cell in rows["Input price"].cells] == [False, True, False]
    assert rows["Context"].cells[2].text == "Not told"
    assert not any(cell.is_best for cell in rows["Output price"].cells), "they are the same"
    assert "Publisher" in {row.label for row in same}


def test_one_that_alone_is_known_is_not_the_best():
    quick = Measured(10, 0, 10, 0, 10, 200_000, 300_000, 90_000)

    differing, _ = rows_of([compared("a", measured=quick), compared("b")])

    row = next(row for row in differing if row.label == "First token, median")
    assert [cell.text for cell in row.cells] == ["200\u00a0ms", "Not measured"]
    assert not any(cell.is_best for cell in row.cells)


def test_the_cost_of_own_chats_is_compared():
    average = AverageChat(calls=10, input_tokens=4_000, cached_input_tokens=0, output_tokens=1_000)
    models = [
        compared("a", average=average, price=LowestPrice(1_000_000_000, 2_000_000_000)),
        compared("b", average=average, price=LowestPrice(500_000_000, 2_000_000_000)),
    ]

    differing, _ = rows_of(models)

    row = next(row for row in differing if row.label == "1,000 chats cost")
    assert row.note.startswith("400 tokens in, 100 out, your average of 30 days")
    assert [cell.text for cell in row.cells] == ["$0.6000", "$0.4000"]
    assert [cell.is_best for cell in row.cells] == [False, True]


@pytest.mark.parametrize(
    ("given", "size", "note"),
    [
        (("", ""), ChatSize(), ""),
        (("2,000", " 0 "), ChatSize(2000, 0, "as you said"), ""),
        (("1000", "300"), ChatSize(), ""),
        (("-1", "300"), ChatSize(), "two whole numbers"),
        (("1000", ""), ChatSize(), "two whole numbers"),
        (("٣", "1"), ChatSize(), "two whole numbers"),
        (("0", "0"), ChatSize(), "1 to 10,000,000"),
        (("10000000", "1"), ChatSize(), "1 to 10,000,000"),
        (("9" * 5000, "1"), ChatSize(), "two whole numbers"),
    ],
)
def test_the_chat_that_costs_are_compared_by_may_be_typed(given, size, note):
    chosen, said = chosen_size(average_size(None), *given)

    assert chosen == size
    assert note in said
    assert bool(note) == bool(said)


@pytest.mark.parametrize(
    ("octets", "said"),
    [(0, "0 B"), (812, "812 B"), (1_000, "1 KB"), (4_940_000_000, "4.9 GB"), (10**13, "10 TB")],
)
def test_sizes_are_said_in_thousands(octets, said):
    assert size(octets).replace("\u00a0", " ") == said


def test_values_that_look_alike_when_rounded_differ_when_one_is_better():
    differing, _ = rows_of(
        [compared("a", context_tokens=128_000), compared("b", context_tokens=131_072)]
    )

    row = next(row for row in differing if row.label == "Context")
    assert [cell.text for cell in row.cells] == ["128,000 tokens", "131,072 tokens"]
    assert [cell.is_best for cell in row.cells] == [False, True]
