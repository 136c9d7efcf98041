"""The form of an impact assessment: its fields as people read them, and a posted one read back."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tradewind.features.trust.rules.assessments import PARTS, USES_MAX
from tradewind.features.trust.schemas import Assessment, Complexity, IntendedUse
from tradewind.portal.form_fields import FormFields

_LONGEST = 5_000
"""More than is kept, so that the refusal says so."""


class FormField(NamedTuple):
    name: str
    label: str
    help: str = ""
    rows: int = 3
    """1 is one line."""


TEXTS: Mapping[str, FormField] = {
    each.name: each
    for each in (
        FormField("system_name", "Name of the system", rows=1),
        FormField("team", "Team that answers for it", rows=1),
        FormField("contact", "Where the team is reached", rows=1),
        FormField(
            "stage", "Stage of its life", "Planning, development, testing, live; with dates.", 2
        ),
        FormField("description", "What it is", "Two or three sentences for somebody new to it."),
        FormField("purpose", "What it is for", "The problem it solves, and whose."),
        FormField("features", "Features", "What it has now, and what is planned."),
        FormField("geographies", "Where it is used", "Countries and regions, now and planned.", 2),
        FormField("languages", "Languages", "Those it is made for.", 2),
        FormField("deployment_mode", "How it is deployed", "As a service, on devices.", 2),
        FormField("unsupported_uses", "What it is not meant for"),
        FormField("limitations", "What it cannot do", "And where that is likely to show."),
        FormField("failure_impact", "When it fails", "Who is affected, and how badly."),
        FormField("misuse_impact", "When it is misused", "By whom, and what comes of it."),
        FormField(
            "sensitive_detail",
            "What is done about sensitive uses",
            "Needed where one of the three above is true.",
        ),
        FormField("data_requirements", "Data it needs", "For training and for its evaluation."),
        FormField("existing_data", "Data there is", "And whether it fits the people it is for."),
        FormField("mitigations", "What is done against harms"),
        FormField("disclosure", "How people know", "That they deal with a machine.", 2),
    )
}
USE_TEXTS: tuple[FormField, ...] = (
    FormField("name", "Name of the use", rows=1),
    FormField("description", "What happens", "From what goes in to what people do with it."),
    FormField("fitness", "Why it fits", "How it solves the problem, and how that is known."),
    FormField("stakeholders", "Who is affected", "Directly, and without using it themselves.", 2),
    FormField("benefits", "Benefits", rows=2),
    FormField("harms", "Harms", rows=2),
    FormField("fairness", "For whom it may be worse", "Groups, by quality or by consequence.", 2),
    FormField("oversight", "Who watches over it", "And how they stop it.", 2),
    FormField("human_role", "What people decide", "And what is decided without them.", 2),
)
CHECKS: Mapping[str, str] = {
    "affects_life_chances": "It may decide about somebody's legal status or chances in life",
    "risks_injury": "It may hurt somebody, in body or mind",
    "threatens_rights": "It may threaten human rights",
}
COMPLEXITIES = tuple((each.value, each.value.capitalize()) for each in Complexity)
LABELS: Mapping[str, str] = {
    **{name: each.label for name, each in TEXTS.items()},
    **CHECKS,
    "intended_uses": "Intended uses",
    "restricted_uses": "Restricted uses",
}
FORM_PARTS = PARTS


def read(fields: FormFields) -> Assessment:
    """Return what was posted. An intended use of which nothing was filled in is none."""
    plain: dict[str, Any] = {name: _text(fields, name) for name in TEXTS}
    plain |= {name: fields.is_checked(name) for name in CHECKS}
    return Assessment(
        **plain,
        restricted_uses=tuple(fields.texts("restricted_uses")[:USES_MAX]),
        intended_uses=tuple(
            use for number in range(USES_MAX + 1) if (use := _use(fields, number)) is not None
        ),
    )


def label_of(absent: str) -> str:
    """Return how a field that is empty is called: also `intended_uses[1].harms`."""
    whole, _, part = absent.partition("].")
    if not part:
        return LABELS.get(absent, absent)
    label = next((each.label for each in USE_TEXTS if each.name == part), part)
    return f"use {whole.rpartition('[')[2]}: {label}"


def _use(fields: FormFields, number: int) -> IntendedUse | None:
    prefix = f"use-{number}-"
    texts = {each.name: _text(fields, prefix + each.name) for each in USE_TEXTS}
    if not any(text.strip() for text in texts.values()):
        return None
    return IntendedUse(
        **texts,
        task_complexity=_complexity(fields.text(f"{prefix}task_complexity")),
        environment_complexity=_complexity(fields.text(f"{prefix}environment_complexity")),
    )


def _complexity(text: str) -> Complexity:
    return Complexity(text) if text in set(Complexity) else Complexity.MODERATE


def _text(fields: FormFields, name: str) -> str:
    return fields.text(name).replace("\r\n", "\n").strip()[:_LONGEST]
