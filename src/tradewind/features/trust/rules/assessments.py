"""The form of an impact assessment: what it needs, who decides, when it ends. Pure."""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from tradewind.core.errors import InvalidInput
from tradewind.features.trust.errors import AssessmentMove, SecondPerson
from tradewind.features.trust.schemas import (
    Assessment,
    AssessmentState,
    Decision,
    IntendedUse,
)

TEXT_MAX = 4_000
NAME_MAX = 200
USES_MAX = 20

RESTRICTED_USES: dict[str, str] = {
    "social_scoring": "Rating people by how they live, to their disadvantage",
    "covert_manipulation": "Steering people without their knowledge against their interest",
    "exploiting_vulnerability": "Making use of age, disability or need to do harm",
    "mass_identification": "Recognizing people in public places, at a distance and on the spot",
    "emotion_inference": "Guessing the emotions of employees or pupils",
    "crime_prediction": "Predicting a person's crimes from a profile alone",
    "autonomous_weapons": "Choosing human targets without a person who decides",
    "child_abuse": "Making, finding or spreading sexual content with children",
}
"""What nothing here is released for. An operator's own list adds to it, never takes from it."""

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "System",
        (
            "system_name",
            "team",
            "contact",
            "stage",
            "description",
            "purpose",
            "features",
            "geographies",
            "languages",
            "deployment_mode",
        ),
    ),
    ("Intended uses", ("intended_uses",)),
    (
        "Adverse impact",
        (
            "restricted_uses",
            "unsupported_uses",
            "limitations",
            "failure_impact",
            "misuse_impact",
            "affects_life_chances",
            "risks_injury",
            "threatens_rights",
            "sensitive_detail",
        ),
    ),
    ("Data", ("data_requirements", "existing_data")),
    ("Summary", ("mitigations", "disclosure")),
)
"""The form's parts with the fields of each."""

_MAY_BE_EMPTY = frozenset(
    {
        "features",
        "restricted_uses",
        "affects_life_chances",
        "risks_injury",
        "threatens_rights",
        "sensitive_detail",
        "existing_data",
    }
)
_MOVES: dict[AssessmentState, frozenset[AssessmentState]] = {
    AssessmentState.DRAFT: frozenset({AssessmentState.SUBMITTED}),
    AssessmentState.SUBMITTED: frozenset(
        {AssessmentState.DRAFT, AssessmentState.APPROVED, AssessmentState.RETURNED}
    ),
    AssessmentState.RETURNED: frozenset({AssessmentState.DRAFT, AssessmentState.SUBMITTED}),
    AssessmentState.APPROVED: frozenset(),
}


def is_sensitive(content: Assessment) -> bool:
    """Say whether a use of it is sensitive, so that two people have to approve it."""
    return content.affects_life_chances or content.risks_injury or content.threatens_rights


def reviewers_needed(content: Assessment) -> int:
    return 2 if is_sensitive(content) else 1


def restricted_uses_of(content: Assessment) -> tuple[str, ...]:
    return tuple(RESTRICTED_USES.get(use, use) for use in content.restricted_uses)


def use_digest(intended_use: str) -> str:
    """Return what tells one intended use from another; space and case do not."""
    return hashlib.sha256(" ".join(intended_use.lower().split()).encode()).hexdigest()


def check_bounds(content: Assessment) -> None:
    """Raise InvalidInput for what may not even be kept in a draft."""
    if len(content.intended_uses) > USES_MAX:
        raise InvalidInput(f"an assessment has at most {USES_MAX} intended uses")
    unknown = [use for use in content.restricted_uses if use not in RESTRICTED_USES]
    if unknown:
        raise InvalidInput(
            f"there is no restricted use {unknown[0][:80]!r}",
            hint=f"one of: {', '.join(RESTRICTED_USES)}",
        )
    for name, value in _texts(content):
        most = NAME_MAX if name in {"system_name", "team", "contact"} else TEXT_MAX
        if len(value) > most or "\x00" in value:
            raise InvalidInput(f"{name} is longer than {most} characters, or has a zero in it")


def absent(content: Assessment) -> tuple[str, ...]:
    """Return the fields that have to be filled in and are not, by name."""
    found = [
        name
        for _, names in PARTS
        for name in names
        if name not in _MAY_BE_EMPTY and not _is_filled(getattr(content, name))
    ]
    if is_sensitive(content) and not content.sensitive_detail.strip():
        found.append("sensitive_detail")
    for number, use in enumerate(content.intended_uses, 1):
        found += [f"intended_uses[{number}].{name}" for name in _absent_of_use(use)]
    return tuple(found)


def check_move(
    former: AssessmentState,
    to: AssessmentState,
    *,
    by_id: str,
    submitted_by_id: str | None = None,
    decisions: Sequence[Decision] = (),
    allows_self_review: bool = False,
) -> None:
    """Raise AssessmentMove (409) or SecondPerson (403) unless the move is right.

    Whoever handed it in decides nothing about it, and nobody decides twice.
    """
    if to not in _MOVES[former]:
        raise AssessmentMove(
            f"an assessment that is {former.value} does not become {to.value}",
            hint="begin another version" if former is AssessmentState.APPROVED else None,
        )
    if to not in {AssessmentState.APPROVED, AssessmentState.RETURNED}:
        return
    if by_id == submitted_by_id and not allows_self_review:
        raise SecondPerson(
            "you handed this assessment in, so another person decides about it",
            hint="ask another reviewer; where there is none, whoever runs the platform can set"
            " TRADEWIND_SELF_REVIEW",
        )
    if any(decision.by_id == by_id for decision in decisions):
        raise SecondPerson(
            "you have decided about this version already",
            hint="a sensitive use takes two people",
        )


def is_approved(content: Assessment, decisions: Iterable[Decision]) -> bool:
    """Say whether enough people have approved it."""
    return sum(each.is_approval for each in decisions) >= reviewers_needed(content)


def _absent_of_use(use: IntendedUse) -> list[str]:
    return [name for name, value in msgspec.to_builtins(use).items() if not str(value).strip()]


def _is_filled(value: object) -> bool:
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def _texts(content: Assessment) -> Iterable[tuple[str, str]]:
    for name in content.__struct_fields__:
        value = getattr(content, name)
        if isinstance(value, str):
            yield name, value
    for use in content.intended_uses:
        for name in use.__struct_fields__:
            value = getattr(use, name)
            if isinstance(value, str):
                yield name, value
