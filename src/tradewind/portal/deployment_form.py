"""The form of a deployment: what was typed, and what it means."""

from dataclasses import dataclass

from tradewind.core.errors import InvalidInput
from tradewind.features.deployments.schemas import DeploymentChanges, NewDeployment, Strategy
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

_LONGEST_NUMBER = 12


@dataclass(frozen=True, slots=True)
class DeploymentForm:
    """As typed. Empty is "the platform chooses"."""

    model: str = ""
    version: str = ""
    slots: str = "4"
    context: str = ""
    threads: str = "1"
    replicas: str = "1"
    override: str = ""
    strategy: str = ""


def read_deployment_form(fields: FormFields) -> DeploymentForm:
    return DeploymentForm(
        model=fields.text("model"),
        version=fields.text("version"),
        slots=fields.text("slots"),
        context=fields.text("context"),
        threads=fields.text("threads"),
        replicas=fields.text("replicas"),
        override=fields.text("override"),
        strategy=fields.text("strategy"),
    )


def new_of(form: DeploymentForm, errors: FieldErrors) -> NewDeployment | None:
    """Return what is asked for, None when something was not filled in right."""
    numbers = {
        name: whole_number(errors, name, text)
        for name, text in (
            ("slots", form.slots),
            ("threads", form.threads),
            ("replicas", form.replicas),
        )
    }
    context = whole_number(errors, "context", form.context) if form.context.strip() else None
    if errors:
        return None
    return NewDeployment(
        model=form.model.strip(),
        version=form.version or None,
        slots=numbers["slots"],
        context_tokens=context,
        threads=numbers["threads"],
        replicas=numbers["replicas"],
        is_override=bool(form.override),
    )


def changes_of(form: DeploymentForm, errors: FieldErrors) -> DeploymentChanges | None:
    """Return what a form of settings changes, None when something was not filled in right."""
    slots = whole_number(errors, "slots", form.slots)
    threads = whole_number(errors, "threads", form.threads)
    context = whole_number(errors, "context", form.context)
    strategy = strategy_of(errors, form.strategy)
    if errors:
        return None
    return DeploymentChanges(
        slots=slots,
        threads=threads,
        context_tokens=context,
        is_override=bool(form.override),
        strategy=strategy,
    )


def strategy_of(errors: FieldErrors, text: str) -> Strategy | None:
    """Return what was chosen; None is as it fits."""
    with errors.at("strategy"):
        if text and text not in set(Strategy):
            raise InvalidInput("there is no such way", hint="choose one from the list")
        return Strategy(text) if text else None
    return None


def whole_number(errors: FieldErrors, name: str, text: str) -> int:
    """Return the number of a field; thousands may be separated. 0 beside an error."""
    plain = text.strip().replace(",", "").replace(" ", "")
    with errors.at(name):
        if not plain.isascii() or not plain.isdigit() or len(plain) > _LONGEST_NUMBER:
            raise InvalidInput("it is not a whole number", hint="for example 4")
        return int(plain)
    return 0
