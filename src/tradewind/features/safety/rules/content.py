"""Whether a policy can be. Each refusal names the field and the way out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tradewind.features.safety.errors import PolicyRefused
from tradewind.features.safety.rules.limits import (
    CHECKS_MAX,
    DATA_MAX,
    DEADLINE_MS_MAX,
    DEADLINE_MS_MIN,
    NAME_MAX,
    OPTION_MAX,
    OPTION_NAME_MAX,
    OPTIONS_MAX,
    RULES_MAX,
    WHY_MAX,
)
from tradewind.features.safety.schemas import (
    CheckDraft,
    CheckFacts,
    CheckKind,
    DataKind,
    DataRow,
    PolicyContent,
    RuleDraft,
)
from tradewind.snapshot.safety import Action

HARMS = ("hate", "self_harm", "sexual", "violence")
CATEGORIES = (
    *HARMS,
    "jailbreak",
    "indirect_attack",
    "pii",
    "secret",
    "profanity",
    "protected_material_text",
    "protected_material_code",
    "ungrounded_material",
    "blocklist",
)
BANDS = {"low": 2, "medium": 4, "high": 6}
"""Words that may stand for a threshold."""
_PART_OF_PII = re.compile(r"pii\.[a-z0-9_]{1,40}")
_CUSTOM = re.compile(r"custom:[0-9A-Za-z._~-]{1,64}")
_REDACTED = frozenset({"pii", "secret", "blocklist", "profanity"})
"""What has a span that stands for itself; of a harm there is nothing to take out."""
_DATA_OF = {
    "blocklist": DataKind.BLOCKLIST,
    "custom_category": DataKind.CATEGORY,
    "protected_material": DataKind.CORPUS,
}


def parse_content(said: Any) -> PolicyContent:
    """Return what plain data say, as JSON and YAML have them. Raises PolicyRefused.

    A threshold may be a word: low (2), medium (4) or high (6).
    """
    if isinstance(said, dict):
        named: dict[str, Any] = dict(said)  # pyright: ignore[reportUnknownArgumentType]
        rules = named.get("rules")
        if isinstance(rules, list):
            listed: list[Any] = list(rules)  # pyright: ignore[reportUnknownArgumentType]
            named["rules"] = [_with_number(rule) for rule in listed]
        said = named
    try:
        return msgspec.convert(said, PolicyContent)
    except msgspec.ValidationError as error:
        raise PolicyRefused(f"this is no policy: {error}", hint=_HINT) from error


def plain_content(content: PolicyContent) -> dict[str, Any]:
    """Return the same as plain data, as `parse_content` takes it."""
    return msgspec.to_builtins(content)


def check_content(
    content: PolicyContent, facts: Mapping[str, CheckFacts], data: Mapping[str, DataRow]
) -> None:
    """Raise PolicyRefused unless the policy can be held. `data` are those the organization has, by
    id.
    """
    _at_most("rules", len(content.rules), RULES_MAX)
    _at_most("checks", len(content.checks), CHECKS_MAX)
    _only_once("checks", [check.name for check in content.checks])
    for at, check in enumerate(content.checks):
        _check_check(f"checks[{at}]", check, facts, data)
    _only_once("rules", [f"{rule.category} in {rule.direction}" for rule in content.rules])
    for at, rule in enumerate(content.rules):
        _check_rule(f"rules[{at}]", rule)
        _check_found(f"rules[{at}]", rule, content.checks, facts, data)


def clean_name(name: str) -> str:
    found = " ".join(name.split())
    if not 1 <= len(found) <= NAME_MAX or not found.isprintable():
        raise PolicyRefused(f"a policy has a name of 1 to {NAME_MAX} characters", hint=None)
    return found


def clean_why(why: str) -> str:
    found = " ".join(why.split())
    if len(found) > WHY_MAX:
        raise PolicyRefused(f"`why` has more than {WHY_MAX} characters", hint="shorten it")
    return found


def looks_for(facts: CheckFacts, category: str, data: Sequence[DataRow] = ()) -> bool:
    """Say whether a check can find this category, with these data."""
    if category.startswith("custom:"):
        return "custom" in facts.categories and category[7:] in {each.name for each in data}
    return category in facts.categories or category.partition(".")[0] in facts.categories


def _with_number(rule: Any) -> Any:
    if not isinstance(rule, dict):
        return rule
    said: dict[str, Any] = dict(rule)  # pyright: ignore[reportUnknownArgumentType]
    word = said.get("threshold")
    if isinstance(word, str) and word in BANDS:
        said["threshold"] = BANDS[word]
    return said


def _check_rule(where: str, rule: RuleDraft) -> None:
    if not (
        rule.category in CATEGORIES
        or _PART_OF_PII.fullmatch(rule.category)
        or _CUSTOM.fullmatch(rule.category)
    ):
        raise PolicyRefused(
            f"{where}.category: there is no category {rule.category[:60]!r}",
            hint=f"it is one of {', '.join(CATEGORIES)}, pii.<part> or custom:<name>",
        )
    if not 1 <= rule.threshold <= 7:
        raise PolicyRefused(
            f"{where}.threshold: {rule.threshold} is not a severity from 1 to 7",
            hint="2 is low, 4 medium and 6 high",
        )
    if rule.action is Action.REDACT and rule.category.partition(".")[0] not in _REDACTED:
        raise PolicyRefused(
            f"{where}.action: of {rule.category} there is no single piece to take out",
            hint="block, review or annotate it",
        )


def _check_found(
    where: str,
    rule: RuleDraft,
    checks: Sequence[CheckDraft],
    facts: Mapping[str, CheckFacts],
    data: Mapping[str, DataRow],
) -> None:
    """A rule for what nothing looks for would be a promise that nobody keeps."""
    finders = [
        check
        for check in checks
        if looks_for(
            facts[check.name],
            rule.category,
            [data[each] for each in check.data if each in data],
        )
    ]
    if not finders:
        able = sorted(each.name for each in facts.values() if looks_for(each, rule.category))
        if rule.category.startswith("custom:"):
            able = ["custom_category with that category as its data"]
        raise PolicyRefused(
            f"{where}.category: no check of this policy looks for {rule.category}",
            hint=f"add a check to it: {' or '.join(able)}" if able else "leave the rule out",
        )
    if not any(rule.direction in check.directions for check in finders):
        names = " and ".join(check.name for check in finders)
        raise PolicyRefused(
            f"{where}.direction: {names} does not look at {rule.direction} here",
            hint=f"add {rule.direction} to its directions",
        )


def _check_check(
    where: str, check: CheckDraft, facts: Mapping[str, CheckFacts], data: Mapping[str, DataRow]
) -> None:
    known = facts.get(check.name)
    if known is None:
        raise PolicyRefused(
            f"{where}.name: there is no check {check.name[:60]!r}",
            hint=f"there are {', '.join(sorted(facts))}",
        )
    if not check.directions:
        raise PolicyRefused(
            f"{where}.directions: it looks at nothing",
            hint=f"name some of {', '.join(sorted(known.directions))}",
        )
    unknown = set(check.directions) - known.directions
    if unknown:
        raise PolicyRefused(
            f"{where}.directions: {check.name} does not look at {', '.join(sorted(unknown))}",
            hint=f"it looks at {', '.join(sorted(known.directions))}",
        )
    if not DEADLINE_MS_MIN <= check.deadline_ms <= DEADLINE_MS_MAX:
        raise PolicyRefused(
            f"{where}.deadline_ms: {check.deadline_ms} is not between {DEADLINE_MS_MIN} and"
            f" {DEADLINE_MS_MAX} ms",
            hint="500 suits what works here, 2000 what asks a model",
        )
    _check_options(where, check, known)
    _check_data(where, check, data)


def _check_options(where: str, check: CheckDraft, known: CheckFacts) -> None:
    _at_most(f"{where}.options", len(check.options), OPTIONS_MAX)
    for name, value in check.options.items():
        if not 1 <= len(name) <= OPTION_NAME_MAX or len(value) > OPTION_MAX:
            raise PolicyRefused(
                f"{where}.options: {name[:OPTION_NAME_MAX]!r} is too long",
                hint=f"names have at most {OPTION_NAME_MAX} and values {OPTION_MAX} characters",
            )
    if known.kind is CheckKind.SAFETY_MODEL and not check.options.get("endpoint"):
        raise PolicyRefused(
            f"{where}.options.endpoint: {check.name} asks a deployment, and none is named",
            hint="name the endpoint of a safety model",
        )
    if known.kind is CheckKind.REMOTE and not check.options.get("connection"):
        raise PolicyRefused(
            f"{where}.options.connection: {check.name} asks a service, and none is named",
            hint="name a connection of the organization",
        )


def _check_data(where: str, check: CheckDraft, data: Mapping[str, DataRow]) -> None:
    _at_most(f"{where}.data", len(check.data), DATA_MAX)
    _only_once(f"{where}.data", check.data)
    kind = _DATA_OF.get(check.name)
    if kind is None:
        if check.data:
            raise PolicyRefused(f"{where}.data: {check.name} takes no data", hint="leave them out")
        return
    if not check.data:
        raise PolicyRefused(
            f"{where}.data: {check.name} needs the id of a {kind.value}",
            hint=f"name at least one {kind.value}_…",
        )
    for each in check.data:
        found = data.get(each)
        if found is None or found.kind is not kind:
            raise PolicyRefused(
                f"{where}.data: there is no {kind.value} {each[:60]!r}",
                hint="list those of the organization to see which there are",
            )
        if not found.digest and kind is not DataKind.BLOCKLIST:
            raise PolicyRefused(
                f"{where}.data: {found.name!r} is not ready yet",
                hint="wait until it is, then save the policy",
            )


def _at_most(where: str, count: int, most: int) -> None:
    if count > most:
        raise PolicyRefused(f"{where}: {count} are more than {most}", hint=f"keep {most} of them")


def _only_once(where: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise PolicyRefused(
                f"{where}: {name[:80]} is there twice", hint="say it once, at its strictest"
            )
        seen.add(name)


_HINT = "see docs/how-to/set-safety-policies.md for the form"
