"""The form of a policy: a table of rules and a table of checks. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from tradewind.features.safety.rules.limits import CHECKS_MAX, OPTION_MAX, RULES_MAX
from tradewind.features.safety.schemas import (
    CheckDraft,
    CheckFacts,
    CheckKind,
    PolicyContent,
    RuleDraft,
)
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields
from tradewind.snapshot.safety import Action, Direction, Streaming

_E = TypeVar("_E", bound=StrEnum)
BLANK_ROWS = 3
"""Empty rows at the end of the rules."""
_LONGEST = 600
DIRECTIONS = (
    (Direction.PROMPT.value, "what the caller writes"),
    (Direction.DOCUMENT.value, "documents and results of tools"),
    (Direction.COMPLETION.value, "what the model says"),
)
ACTIONS = (
    (Action.ANNOTATE.value, "note it"),
    (Action.REVIEW.value, "put it before a person"),
    (Action.REDACT.value, "take it out"),
    (Action.BLOCK.value, "block"),
)
THRESHOLDS = (
    ("1", "1, nearly nothing"),
    ("2", "2, low"),
    ("3", "3, low"),
    ("4", "4, medium"),
    ("5", "5, medium"),
    ("6", "6, high"),
    ("7", "7, the gravest"),
)
STREAMING = (
    (Streaming.BUFFERED.value, "Text goes out once it was looked at"),
    (Streaming.ASYNCHRONOUS.value, "Text goes out at once, and is taken back"),
)
FAILING = (("closed", "refuse the call"), ("open", "let it pass, and count it"))


@dataclass(frozen=True, slots=True)
class RuleRow:
    """As typed."""

    category: str = ""
    direction: str = Direction.PROMPT.value
    threshold: str = "4"
    action: str = Action.BLOCK.value


@dataclass(frozen=True, slots=True)
class CheckRow:
    name: str
    is_used: bool = False
    directions: frozenset[str] = frozenset()
    deadline_ms: str = "500"
    failing: str = "closed"
    options: str = ""
    data: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """What was typed, as typed."""

    name: str = ""
    why: str = ""
    streaming: str = Streaming.BUFFERED.value
    rules: tuple[RuleRow, ...] = ()
    checks: tuple[CheckRow, ...] = ()
    text: str = ""
    """What is to be tried."""
    direction: str = Direction.PROMPT.value
    """Of that text."""
    version: str = ""
    """The version that the form was opened with."""

    def rows(self) -> Sequence[tuple[int, RuleRow]]:
        """Return the rows to show: those that say something, and some to fill in."""
        said = [rule for rule in self.rules if rule.category]
        blank = [RuleRow()] * min(BLANK_ROWS, RULES_MAX - len(said))
        return list(enumerate([*said, *blank]))


@dataclass(frozen=True, slots=True)
class DataChoice:
    """A list, category or corpus that a check may be given."""

    data_id: str
    name: str


@dataclass(frozen=True, slots=True)
class CheckChoice:
    """A check that may be ticked on."""

    facts: CheckFacts
    row: CheckRow
    data: Sequence[DataChoice] = field(default_factory=tuple[DataChoice, ...])

    @property
    def asks(self) -> str:
        """Return the option it cannot do without; empty where there is none."""
        return {CheckKind.REMOTE: "connection", CheckKind.SAFETY_MODEL: "endpoint"}.get(
            self.facts.kind, ""
        )


def form_of(
    name: str, content: PolicyContent, facts: Iterable[CheckFacts], version: int
) -> PolicyForm:
    """Return the form of a policy as it is."""
    used = {check.name: check for check in content.checks}
    return PolicyForm(
        name=name,
        streaming=content.streaming.value,
        rules=tuple(
            RuleRow(rule.category, rule.direction.value, str(rule.threshold), rule.action.value)
            for rule in content.rules
        ),
        checks=tuple(_row_of(each, used.get(each.name)) for each in facts),
        version=str(version),
    )


def read_policy_form(fields: FormFields, facts: Iterable[CheckFacts]) -> PolicyForm:
    rules = [
        RuleRow(
            _short(fields, f"rule-{at}-category").strip(),
            _short(fields, f"rule-{at}-direction"),
            _short(fields, f"rule-{at}-threshold"),
            _short(fields, f"rule-{at}-action"),
        )
        for at in range(RULES_MAX)
    ]
    return PolicyForm(
        name=_short(fields, "name"),
        why=_short(fields, "why"),
        streaming=_short(fields, "streaming"),
        rules=tuple(rule for rule in rules if rule.category),
        checks=tuple(_read_check(fields, each.name) for each in facts),
        text=fields.text("text"),
        direction=_short(fields, "direction"),
        version=_short(fields, "version"),
    )


def content_of(form: PolicyForm, errors: FieldErrors) -> PolicyContent | None:
    """Return what the form says, or None when something cannot be read, which is then in `errors`.
    Whether it makes a policy is the service's to say.
    """
    rules: list[RuleDraft] = []
    for at, row in enumerate(form.rules):
        direction, action = _one(Direction, row.direction), _one(Action, row.action)
        if direction is None or action is None or not row.threshold.isdecimal():
            errors.say(f"rule-{at}", f"the rule for {row.category[:60]!r} cannot be read")
            continue
        rules.append(RuleDraft(row.category, direction, int(row.threshold[:3]), action))
    checks: list[CheckDraft] = []
    for row in form.checks[:CHECKS_MAX]:
        if not row.is_used:
            continue
        options = _options(row.options)
        if options is None or not (row.deadline_ms.isdecimal() and len(row.deadline_ms) < 7):
            what = (
                "its deadline is a number of milliseconds"
                if options is not None
                else ("each option is a name, = and a value")
            )
            errors.say(f"check-{row.name}", f"{row.name}: {what}")
            continue
        checks.append(
            CheckDraft(
                row.name,
                tuple(each for each in Direction if each.value in row.directions),
                int(row.deadline_ms),
                row.failing == "open",
                options,
                tuple(sorted(row.data)),
            )
        )
    streaming = _one(Streaming, form.streaming)
    if streaming is None:
        errors.say("streaming", "choose one of the two")
    if errors or streaming is None:
        return None
    return PolicyContent(tuple(rules), tuple(checks), streaming)


def check_choices(
    form: PolicyForm, facts: Mapping[str, CheckFacts], data: Mapping[str, Sequence[DataChoice]]
) -> list[CheckChoice]:
    """Return a row for each check with what it may be given; `data` are by names of checks."""
    rows = {row.name: row for row in form.checks}
    return [
        CheckChoice(each, rows.get(name, CheckRow(name)), data.get(name, ()))
        for name, each in facts.items()
    ]


def _row_of(facts: CheckFacts, check: CheckDraft | None) -> CheckRow:
    if check is None:
        return CheckRow(
            facts.name,
            directions=frozenset(each.value for each in facts.directions),
            deadline_ms="500" if facts.kind is CheckKind.LOCAL else "2000",
        )
    return CheckRow(
        check.name,
        is_used=True,
        directions=frozenset(each.value for each in check.directions),
        deadline_ms=str(check.deadline_ms),
        failing="open" if check.fails_open else "closed",
        options="\n".join(f"{name}={value}" for name, value in check.options.items()),
        data=frozenset(check.data),
    )


def _read_check(fields: FormFields, name: str) -> CheckRow:
    return CheckRow(
        name,
        fields.is_checked(f"check-{name}-used"),
        frozenset(fields.texts(f"check-{name}-directions")),
        _short(fields, f"check-{name}-deadline").strip(),
        _short(fields, f"check-{name}-failing"),
        fields.text(f"check-{name}-options")[: 4 * OPTION_MAX],
        frozenset(fields.texts(f"check-{name}-data")),
    )


def _options(typed: str) -> dict[str, str] | None:
    options: dict[str, str] = {}
    for line in typed.splitlines():
        name, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not (equals and name.strip() and value.strip()):
            return None
        options[name.strip()] = value.strip()
    return options


def _short(fields: FormFields, name: str) -> str:
    return fields.text(name)[:_LONGEST]


def _one(kind: type[_E], value: str) -> _E | None:
    return next((each for each in kind if each.value == value), None)
