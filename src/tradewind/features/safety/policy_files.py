"""Policies as YAML files, which people keep beside their code."""

from typing import Any

import yaml

from tradewind.features.safety.errors import PolicyRefused
from tradewind.features.safety.rules.content import parse_content, plain_content
from tradewind.features.safety.rules.limits import FILE_BYTES_MAX
from tradewind.features.safety.rules.words import words_of_check, words_of_rule
from tradewind.features.safety.schemas import PolicyContent, PolicyFile


def read_policy_file(raw: bytes) -> PolicyFile:
    """Return what a file says: `name`, `why` and the members of a policy. Raises PolicyRefused."""
    if len(raw) > FILE_BYTES_MAX:
        raise PolicyRefused(
            f"the file has more than {FILE_BYTES_MAX // 1024} KiB", hint="split the policy"
        )
    try:
        text = raw.decode()
        _refuse_aliases(text)
        said = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise PolicyRefused("the file is no YAML", hint=_place(error)) from error
    if not isinstance(said, dict):
        raise PolicyRefused("the file is no policy", hint="it begins with `name:`")
    named: dict[str, Any] = {str(key): value for key, value in said.items()}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
    name, why = named.pop("name", None), named.pop("why", "")
    if not isinstance(name, str) or not isinstance(why, str):
        raise PolicyRefused("`name` and `why` are texts", hint="put them in quotes")
    return PolicyFile(name, why, parse_content(named))


def write_policy_file(name: str, content: PolicyContent) -> str:
    """Return a policy as YAML that `read_policy_file` takes, each rule with its sentence above."""
    plain = plain_content(content)
    lines = [_dumped({"name": name}).rstrip(), f"streaming: {content.streaming.value}", "rules:"]
    for rule, said in zip(content.rules, plain["rules"], strict=True):
        lines += [f"  # {words_of_rule(rule)}", _entry(said)]
    if not content.rules:
        lines[-1] += " []"
    lines.append("checks:")
    for check, said in zip(content.checks, plain["checks"], strict=True):
        lines += [f"  # {words_of_check(check)}", _entry(said)]
    if not content.checks:
        lines[-1] += " []"
    return "\n".join(lines) + "\n"


def _refuse_aliases(text: str) -> None:
    """An alias may stand for an alias: a few lines would become a thousand million rules."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise PolicyRefused("the file has an alias", hint="write out what `*` stands for")


def _entry(said: dict[str, Any]) -> str:
    lines = _dumped(said).rstrip().splitlines()
    return "\n".join([f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])])


def _dumped(said: dict[str, Any]) -> str:
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=1000)


def _place(error: Exception) -> str | None:
    mark = getattr(error, "problem_mark", None)
    return None if mark is None else f"see line {mark.line + 1}"
