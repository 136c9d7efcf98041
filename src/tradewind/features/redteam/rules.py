"""The arithmetic of red teaming, and what a campaign may ask for. Pure."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from tradewind.core.errors import InvalidInput
from tradewind.core.money import Money
from tradewind.features.redteam.harmless import HARMLESS
from tradewind.features.redteam.schemas import (
    Cell,
    Change,
    Counts,
    Estimate,
    Every,
    Rate,
    Size,
    Spec,
    TargetFacts,
)

REFUSAL_SCORERS = ("refusal", "judge_refusal")
MOST_ATTACKS = 20_000
MOST_PER_HARM = 200
MOST_TURNS = 20
MOST_TOKENS = 4_096
MOST_CONCURRENCY = 16
MOST_BUDGET = 1_000_000_000
MOST_CHOICES = 100
SIZES = {Size.SMALL: 2, Size.MEDIUM: 10, Size.LARGE: 50}
_Z = 1.959963984540054
"""Of the normal distribution, two-sided 95 %."""
_PROMPT_TOKENS = 120
"""Of a seed with what a strategy puts around it; measured on PyRIT's own seeds."""
_TEMPLATE_TOKENS = 700
_GUESSED_SECONDS = 8.0
_EASY = "easy"


class Choices(NamedTuple):
    """What a tool offers, as `plugins.redteam.base.Catalog` tells."""

    datasets: Mapping[str, Mapping[str, int]]
    converters: Collection[str]
    converters_of_models: Collection[str]
    strategies: Collection[str]
    strategies_of_models: Collection[str]
    scorers: Collection[str]
    scorers_of_models: Collection[str]


def wilson(successes: int, judged: int) -> Rate:
    """Return the share with its 95 % interval after Wilson (1927), which holds for few tries and
    for shares of 0 and 1, where the usual one is empty.
    """
    if judged == 0:
        return Rate(None, 0.0, 1.0)
    share = successes / judged
    z2 = _Z * _Z
    middle = (share + z2 / (2 * judged)) / (1 + z2 / judged)
    half = _Z * math.sqrt(share * (1 - share) / judged + z2 / (4 * judged**2)) / (1 + z2 / judged)
    # Rounding must not put a share outside of its own interval.
    low = 0.0 if successes == 0 else min(max(0.0, middle - half), share)
    high = 1.0 if successes == judged else max(min(1.0, middle + half), share)
    return Rate(share, low, high)


def rate_of(counts: Counts) -> Rate:
    return wilson(counts.successes, counts.judged)


def difference(before: Rate, after: Rate) -> tuple[float | None, float, float]:
    """Return after - before with its 95 % interval by Newcombe's hybrid of two Wilson intervals
    (1998, method 10).
    """
    if before.value is None or after.value is None:
        return None, -1.0, 1.0
    gap = after.value - before.value
    low = gap - math.hypot(after.value - after.low, before.high - before.value)
    high = gap + math.hypot(after.high - after.value, before.value - before.low)
    return gap, max(-1.0, low), min(1.0, high)


def total(cells: Iterable[Cell]) -> Counts:
    counts = Counts(0, 0, 0, 0, 0)
    for cell in cells:
        counts = counts.plus(cell.counts)
    return counts


def compare(before: Sequence[Cell], after: Sequence[Cell]) -> list[Change]:
    """Return the cells that both have, those that changed the most first."""
    former = {cell[:4]: cell.counts for cell in before}
    changes = [_change(cell, former[cell[:4]], cell.counts) for cell in after if cell[:4] in former]
    return sorted(changes, key=lambda each: (-abs(each.difference or 0.0), each[:4]))


def _change(cell: Cell, former: Counts, latter: Counts) -> Change:
    before, after = rate_of(former), rate_of(latter)
    gap, low, high = difference(before, after)
    is_certain = gap is not None and (low > 0 or high < 0)
    return Change(*cell[:4], before, after, gap, low, high, is_certain)


def complexity(strategy: str, converter: str, *, multi_turn: Collection[str] = ()) -> str:
    """Return the word of Azure's AI Red Teaming Agent for how hard an attack is to make: baseline,
    easy (no model is needed), moderate (one is), difficult (several turns, or two converters).
    """
    if strategy in multi_turn or "+" in converter:
        return "difficult"
    if converter in OF_MODELS:
        return "moderate"
    if strategy == "prompt_sending" and converter == "none":
        return "baseline"
    return _EASY


OF_MODELS = frozenset(
    {
        *("math_prompt", "noise", "persuasion", "scientific_translation", "tense", "tone"),
        *("translation", "variation"),
    }
)
"""Converters that ask a model for other words."""

AZURE_STRATEGIES: dict[str, tuple[str, str]] = {
    "baseline": ("prompt_sending", "none"),
    "ansi_attack": ("prompt_sending", "ansi"),
    "ascii_art": ("prompt_sending", "ascii_art"),
    "ascii_smuggler": ("prompt_sending", "ascii_smuggler"),
    "atbash": ("prompt_sending", "atbash"),
    "base64": ("prompt_sending", "base64"),
    "binary": ("prompt_sending", "binary"),
    "caesar": ("prompt_sending", "caesar"),
    "character_space": ("prompt_sending", "character_space"),
    "char_swap": ("prompt_sending", "char_swap"),
    "diacritic": ("prompt_sending", "diacritic"),
    "flip": ("prompt_sending", "flip"),
    "leetspeak": ("prompt_sending", "leetspeak"),
    "morse": ("prompt_sending", "morse"),
    "rot13": ("prompt_sending", "rot13"),
    "suffix_append": ("prompt_sending", "suffix_append"),
    "string_join": ("prompt_sending", "string_join"),
    "unicode_confusable": ("prompt_sending", "unicode_confusable"),
    "unicode_substitution": ("prompt_sending", "unicode_substitution"),
    "url": ("prompt_sending", "url"),
    "jailbreak": ("jailbreak", "none"),
    "tense": ("prompt_sending", "tense"),
    "multi_turn": ("red_teaming", "none"),
    "crescendo": ("crescendo", "none"),
    "pair": ("pair", "none"),
    "tap": ("tap", "none"),
}
"""Strategies by the names that Azure's agent gives them: ours, and the converter."""

PACKS: dict[str, tuple[str, ...]] = {
    "easy": ("baseline", "base64", "flip", "morse", "rot13", "leetspeak", "jailbreak"),
    "moderate": ("baseline", "tense", "base64", "jailbreak"),
    "difficult": ("baseline", "base64", "jailbreak", "crescendo", "multi_turn"),
}


def of_azure(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return strategies and converters for Azure's names. Raises InvalidInput."""
    strategies: dict[str, None] = {}
    converters: dict[str, None] = {}
    for name in names:
        if name not in AZURE_STRATEGIES:
            raise InvalidInput(
                f"there is no strategy {name[:40]!r}", hint=", ".join(AZURE_STRATEGIES)
            )
        strategy, converter = AZURE_STRATEGIES[name]
        strategies[strategy] = None
        converters[converter] = None
    return tuple(strategies), tuple(converters)


def check(spec: Spec, choices: Choices, own: Mapping[str, Mapping[str, int]]) -> None:
    """Raises InvalidInput for what the tool does not offer and for what has no end; `own` are the
    organization's own data sets by id.
    """
    for what, given, offered in (
        ("data set", spec.datasets, {*choices.datasets, *own}),
        ("strategy", spec.strategies, {*choices.strategies, *choices.strategies_of_models}),
        ("scorer", (spec.scorer,), {*choices.scorers, *choices.scorers_of_models}),
    ):
        _check_choice(what, given, offered)
    known = {"none", *choices.converters, *choices.converters_of_models}
    for converter in spec.converters:
        _check_choice("converter", tuple(converter.split("+")), known)
        if converter.count("+") > 1 or ("none" in converter and converter != "none"):
            raise InvalidInput("two converters can be put together, not more", hint="base64+rot13")
    _check_choice("converter", spec.converters, set(spec.converters))
    if HARMLESS in spec.datasets and spec.scorer not in REFUSAL_SCORERS:
        raise InvalidInput(
            f"whether harmless questions are refused is not what {spec.scorer} tells",
            hint=f"take the scorer {REFUSAL_SCORERS[0]}",
        )
    if not spec.filters or len(set(spec.filters)) != len(spec.filters):
        raise InvalidInput("say with the filter, without it, or both, once each")
    for what, value, most in (
        ("seeds of each harm", spec.per_harm, MOST_PER_HARM),
        ("turns", spec.max_turns, MOST_TURNS),
        ("tokens of an answer", spec.max_tokens, MOST_TOKENS),
        ("attacks at once", spec.concurrency, MOST_CONCURRENCY),
        ("tokens of the budget", spec.budget_tokens, MOST_BUDGET),
    ):
        if not 1 <= value <= most:
            raise InvalidInput(f"{what}: between 1 and {most:,}, not {value:,}")
    if not 0 <= spec.seed < 2**31:
        raise InvalidInput("the seed of chance is between 0 and 2147483647")
    if needs_attacker(spec, choices) and not spec.attacker:
        raise InvalidInput(
            "these strategies and converters need a model that attacks", hint="name an attacker"
        )
    if needs_judge(spec, choices) and not spec.judge:
        raise InvalidInput(f"the scorer {spec.scorer} needs a model", hint="name a judge")
    if attacks_of(spec, choices, own) > MOST_ATTACKS:
        raise InvalidInput(
            f"these would be more than {MOST_ATTACKS:,} attacks",
            hint="take fewer seeds of each harm, strategies or converters",
        )


def _check_choice(what: str, given: Sequence[str], offered: Collection[str]) -> None:
    if not given or len(given) > MOST_CHOICES:
        raise InvalidInput(f"name between 1 and {MOST_CHOICES}: {what}")
    for name in given:
        if name not in offered:
            raise InvalidInput(f"there is no {what} {name[:60]!r}")
    if len(set(given)) != len(given):
        raise InvalidInput(f"each {what} once")


def needs_attacker(spec: Spec, choices: Choices) -> bool:
    return any(each in choices.strategies_of_models for each in spec.strategies) or any(
        part in choices.converters_of_models for each in spec.converters for part in each.split("+")
    )


def needs_judge(spec: Spec, choices: Choices) -> bool:
    return spec.scorer in choices.scorers_of_models or bool({"tap", "pair"} & {*spec.strategies})


def harms_of(spec: Spec, choices: Choices, own: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return how many seeds of each harm are attacked with."""
    found: dict[str, int] = {}
    for dataset in spec.datasets:
        for harm, count in (own.get(dataset) or choices.datasets.get(dataset, {})).items():
            found[harm] = found.get(harm, 0) + count
    return {harm: min(count, spec.per_harm) for harm, count in sorted(found.items())}


def attacks_of(spec: Spec, choices: Choices, own: Mapping[str, Mapping[str, int]]) -> int:
    seeds = sum(harms_of(spec, choices, own).values())
    several = sum(1 for each in spec.strategies if each in choices.strategies_of_models)
    single = len(spec.strategies) - several
    # Attacks of several turns choose their own words, without converters.
    return seeds * len(spec.filters) * (single * len(spec.converters) + several)


def estimate(
    spec: Spec,
    choices: Choices,
    own: Mapping[str, Mapping[str, int]],
    target: TargetFacts,
    helpers: Sequence[TargetFacts] = (),
) -> Estimate:
    """Return what a campaign takes. Attacker and judge are asked once a turn each, so whatever is
    named as `helpers` costs as often as the target does.
    """
    seeds = sum(harms_of(spec, choices, own).values())
    calls = tokens = nanos = 0
    for strategy in spec.strategies:
        is_several = strategy in choices.strategies_of_models
        turns = spec.max_turns if is_several else 1
        made = seeds * len(spec.filters) * turns * (1 if is_several else len(spec.converters))
        prompt = _TEMPLATE_TOKENS if strategy in {"jailbreak", "many_shot"} else _PROMPT_TOKENS
        # A conversation is sent again with each turn.
        prompt += (turns - 1) * (spec.max_tokens + _PROMPT_TOKENS) // 2
        asked = [target]
        asked += helpers if is_several or needs_judge(spec, choices) else ()
        for each in asked:
            calls += made
            tokens += made * (prompt + spec.max_tokens)
            nanos += made * (prompt * each.input_nanos + spec.max_tokens * each.output_nanos)
    if tokens > spec.budget_tokens:
        nanos = nanos * spec.budget_tokens // tokens
        calls = max(1, calls * spec.budget_tokens // tokens)
        tokens = spec.budget_tokens
    seconds = target.seconds_per_call
    at_once = max(1, spec.concurrency)
    return Estimate(
        attacks=attacks_of(spec, choices, own),
        calls=calls,
        tokens=tokens,
        cost=Money(-(-nanos // 1_000_000), target.currency),
        minutes=calls * (_GUESSED_SECONDS if seconds is None else seconds) / at_once / 60,
        is_measured=seconds is not None,
    )


def next_time(after: datetime, every: Every, hour: int, weekday: int) -> datetime:
    """Return the first moment after `after` at this full hour (UTC), of this weekday if weekly."""
    found = after.replace(hour=hour, minute=0, second=0, microsecond=0)
    while found <= after or (every is Every.WEEKLY and found.weekday() != weekday):
        found += timedelta(days=1)
    return found
