"""Policies as the gateway runs on them, from what a version says. Pure."""

from collections.abc import Iterator, Mapping

from tradewind.features.safety.schemas import CheckDraft, DataRow, PolicyContent
from tradewind.snapshot.safety import CheckUse, DataReference, Policy, Rule


def compile_policy(
    policy_id: str,
    version: int,
    name: str,
    content: PolicyContent,
    references: Mapping[str, DataRow],
) -> Policy:
    """Return a policy with its data by digest. `references` are by the ids that the checks name.

    Data that are not ready are left out: whoever names them was told so, and a list without terms
    finds nothing.
    """
    return Policy(
        id=policy_id,
        version=version,
        name=name,
        rules=tuple(
            Rule(rule.category, rule.direction, rule.threshold, rule.action)
            for rule in content.rules
        ),
        checks=tuple(
            found
            for check in content.checks
            if (found := _check_use(check, references)) is not None
        ),
        streaming=content.streaming,
    )


def names_of_data(content: PolicyContent) -> Iterator[str]:
    """Yield the ids of all data that the checks name."""
    for check in content.checks:
        yield from check.data


def _check_use(check: CheckDraft, references: Mapping[str, DataRow]) -> CheckUse | None:
    data = tuple(
        DataReference(found.name, found.digest, found.size)
        for each in check.data
        if (found := references.get(each)) is not None and found.digest
    )
    if check.data and not data:
        return None
    return CheckUse(
        name=check.name,
        directions=frozenset(check.directions),
        deadline_ms=check.deadline_ms,
        fails_open=check.fails_open,
        options=dict(check.options),
        data=data,
    )
