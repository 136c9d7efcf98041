"""The form of a margin: what was typed, and the margin that it says. Pure."""

import re
from dataclasses import dataclass
from decimal import Decimal

from tradewind.core.errors import InvalidInput
from tradewind.features.market.schemas import Margin, NewMargin, Scope
from tradewind.portal.amounts import amount
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

SCOPES = (
    (Scope.MODEL.value, "One model"),
    (Scope.PUBLISHER.value, "Models of a publisher"),
    (Scope.HOST.value, "Models called at a provider"),
    (Scope.ALL.value, "All models"),
)
_PERCENT = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class MarginForm:
    scope: str = Scope.HOST.value
    target: str = ""
    percent: str = ""
    least: str = ""
    step: str = ""


def read(fields: FormFields) -> MarginForm:
    """Return what was typed."""
    return MarginForm(
        fields.text("scope")[:20],
        fields.text("target").strip()[:200],
        fields.text("percent").strip()[:20],
        fields.text("least").strip()[:24],
        fields.text("step").strip()[:24],
    )


def margin_of(form: MarginForm, errors: FieldErrors) -> NewMargin | None:
    """Return the margin that a form says, or None with its errors told."""
    if form.scope not in {value for value, _ in SCOPES}:
        errors.say("scope", "this is nothing a margin can be for", "choose one of the list")
    elif form.scope == Scope.ALL.value and form.target:
        errors.say("target", "a margin for all models has no name", "leave it empty")
    elif form.scope != Scope.ALL.value and not form.target:
        errors.say("target", "the name is missing", "say which model, publisher or provider")
    percent, least, step = 0, 0, 1
    with errors.at("percent"):
        percent = _percent(form.percent)
    with errors.at("least"):
        least = amount(form.least, "The least price") or 0
    with errors.at("step"):
        step = amount(form.step, "The step") or 1
    if errors:
        return None
    return NewMargin(Scope(form.scope), form.target, Margin(percent, least, step))


def _percent(text: str) -> int:
    text = text.removesuffix("%").strip()
    if _PERCENT.fullmatch(text) is None:
        raise InvalidInput("the margin is not a percentage", hint="write it like 15 or -2.5")
    return int(Decimal(text) * 100)
