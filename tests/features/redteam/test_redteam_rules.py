"""The arithmetic of red teaming: intervals, differences, sizes, prices, times."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.redteam_parts import TARGET, a_spec
from tradewind.core.errors import InvalidInput
from tradewind.features.redteam import rules
from tradewind.features.redteam.harmless import attacks_among, refused_of
from tradewind.features.redteam.schemas import Cell, Counts, Every, Rate
from tradewind.plugins.redteam.registry import red_team_tools

counted = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def choices(tool="pyrit"):
    catalog = red_team_tools()[tool].catalog
    return rules.Choices(**{name: getattr(catalog, name) for name in rules.Choices._fields})


# Values of Wilson's interval from his formula, worked by hand elsewhere.
@pytest.mark.parametrize(
    ("successes", "judged", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (1, 2, 0.0945, 0.9055)],
)
def test_the_interval_is_wilsons(successes, judged, low, high):
    rate = rules.wilson(successes, judged)
    assert rate.low == pytest.approx(low, abs=5e-5)
    assert rate.high == pytest.approx(high, abs=5e-5)


def test_nothing_judged_is_no_rate():
    assert rules.wilson(0, 0) == Rate(None, 0.0, 1.0)


@given(counted)
def test_a_share_lies_in_its_interval_and_the_interval_in_0_to_1(pair):
    successes, judged = pair
    rate = rules.wilson(successes, judged)
    assert rate.value is not None
    assert 0.0 <= rate.low <= rate.value <= rate.high <= 1.0


@given(counted, counted)
def test_a_difference_lies_in_its_interval_and_turns_round_with_its_sides(one, other):
    before, after = rules.wilson(*one), rules.wilson(*other)
    gap, low, high = rules.difference(before, after)
    assert gap is not None
    assert low - 1e-9 <= gap <= high + 1e-9
    back, back_low, back_high = rules.difference(after, before)
    assert back is not None
    assert (back, back_low, back_high) == pytest.approx((-gap, -high, -low))


def test_only_plain_questions_tell_how_much_of_what_is_harmless_is_refused():
    counts = Counts(attacks=10, successes=6, blocked=1, errors=2, undetermined=0)
    cells = [
        Cell("harmless", "prompt_sending", "none", True, counts),
        Cell("harmless", "prompt_sending", "base64", True, counts),
        Cell("hate", "prompt_sending", "none", True, counts),
    ]
    assert refused_of(cells, is_filtered=True) == (2, 8)
    assert refused_of(cells, is_filtered=False) == (0, 0)
    assert attacks_among(cells) == cells[2:]


def test_who_asks_what_is_harmless_scores_refusals():
    known = choices()
    known = known._replace(datasets={**known.datasets, "harmless": {"harmless": 60}})
    spec = a_spec(tool="pyrit", datasets=("harmless",), converters=("none",))
    rules.check(spec, known, {})
    with pytest.raises(InvalidInput, match="harmless"):
        rules.check(msgspec.structs.replace(spec, scorer="xss"), known, {})


def test_errors_and_missing_verdicts_are_in_no_rate():
    counts = Counts(attacks=10, successes=2, blocked=3, errors=4, undetermined=2)
    assert counts.judged == 4
    assert rules.rate_of(counts).value == 0.5


def test_a_comparison_says_what_cannot_be_chance():
    def cell(converter, successes):
        return Cell("hate", "prompt_sending", converter, True, Counts(100, successes, 0, 0, 0))

    changes = rules.compare(
        [cell("none", 10), cell("base64", 50), cell("gone", 1)],
        [cell("none", 12), cell("base64", 5), cell("new", 1)],
    )
    assert [(each.converter, each.is_certain) for each in changes] == [
        ("base64", True),
        ("none", False),
    ]
    assert changes[0].difference == pytest.approx(-0.45)


@pytest.mark.parametrize(
    ("strategy", "converter", "word"),
    [
        ("prompt_sending", "none", "baseline"),
        ("prompt_sending", "base64", "easy"),
        ("jailbreak", "none", "easy"),
        ("prompt_sending", "tense", "moderate"),
        ("prompt_sending", "base64+rot13", "difficult"),
        ("crescendo", "none", "difficult"),
    ],
)
def test_complexity_is_azures(strategy, converter, word):
    assert rules.complexity(strategy, converter, multi_turn={"crescendo"}) == word


def test_every_name_of_azure_is_an_attack_that_pyrit_has():
    offered = choices()
    for strategy, converter in rules.AZURE_STRATEGIES.values():
        assert strategy in {*offered.strategies, *offered.strategies_of_models}
        assert converter in {"none", *offered.converters, *offered.converters_of_models}
    assert set(choices().converters_of_models) == rules.OF_MODELS


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"datasets": ()}, "data set"),
        ({"datasets": ("airt_hate", "airt_hate")}, "once"),
        ({"datasets": ("nothing",)}, "no data set"),
        ({"strategies": ("nothing",)}, "no strategy"),
        ({"converters": ("nothing",)}, "no converter"),
        ({"converters": ("base64+rot13+flip",)}, "not more"),
        ({"converters": ("none+base64",)}, "not more"),
        ({"scorer": "nothing"}, "no scorer"),
        ({"scorer": "judge"}, "needs a model"),
        ({"strategies": ("crescendo",)}, "need a model that attacks"),
        ({"converters": ("tense",)}, "need a model that attacks"),
        ({"filters": ()}, "filter"),
        ({"filters": (True, True)}, "filter"),
        ({"per_harm": 0}, "between 1 and"),
        ({"max_turns": 21}, "between 1 and"),
        ({"concurrency": 17}, "between 1 and"),
        ({"budget_tokens": 0}, "between 1 and"),
        ({"seed": -1}, "seed of chance"),
    ],
)
def test_a_campaign_without_an_end_or_a_part_is_refused(change, told):
    spec = a_spec(tool="pyrit", datasets=("airt_hate",))
    rules.check(spec, choices(), {})
    with pytest.raises(InvalidInput, match=told):
        rules.check(msgspec.structs.replace(spec, **change), choices(), {})


def test_too_many_attacks_are_refused():
    offered = choices()
    everything = a_spec(
        tool="pyrit",
        datasets=tuple(offered.datasets),
        converters=("none", *offered.converters),
        per_harm=200,
    )
    with pytest.raises(InvalidInput, match="more than 20,000"):
        rules.check(everything, offered, {})


def test_an_estimate_counts_passes_converters_and_turns():
    spec = a_spec(max_tokens=100, concurrency=1)
    found = rules.estimate(spec, choices("fake"), {}, TARGET._replace(seconds_per_call=3.0))
    assert found.attacks == found.calls == 8 * 2 * 2
    assert found.tokens == 32 * (120 + 100)
    assert found.cost.nanos == 32 * (120 * 1000 + 100 * 2000)
    assert found.minutes == pytest.approx(32 * 3 / 60)
    assert found.is_measured


def test_an_estimate_ends_at_the_budget():
    found = rules.estimate(a_spec(budget_tokens=1000), choices("fake"), {}, TARGET)
    assert found.tokens == 1000
    assert not found.is_measured


def test_attacker_and_judge_cost_too():
    spec = a_spec(
        tool="pyrit", datasets=("airt_hate",), strategies=("crescendo",), converters=("none",)
    )
    alone = rules.estimate(spec, choices(), {}, TARGET)
    helped = rules.estimate(spec, choices(), {}, TARGET, [TARGET, TARGET])
    assert helped.calls == 3 * alone.calls
    assert helped.cost.nanos == 3 * alone.cost.nanos


@given(
    st.datetimes(  # the strategy adds the zone
        datetime(2026, 1, 1),  # noqa: DTZ001
        datetime(2028, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    st.sampled_from(Every),
    st.integers(0, 23),
    st.integers(0, 6),
)
def test_the_next_time_is_the_first_one_ahead(after, every, hour, weekday):
    found = rules.next_time(after, every, hour, weekday)
    longest = timedelta(days=7 if every is Every.WEEKLY else 1)
    assert after < found <= after + longest
    assert (found.hour, found.minute) == (hour, 0)
    assert every is Every.DAILY or found.weekday() == weekday
