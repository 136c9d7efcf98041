"""The forms of publishers and of their listings. Pure."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from tradewind.core.errors import InvalidInput
from tradewind.features.publishing import rules
from tradewind.features.publishing.schemas import Content, NewApplication
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

_LONGEST = 2_100
_NUMBERS = ("context_tokens", "max_output_tokens")
_SWITCHES = ("is_gated",)
_LISTS = ("capabilities",)

FIELD_LABELS = {
    "display_name": "Display name",
    "operation": "Task",
    "version": "Version",
    "family": "Family",
    "context_tokens": "Context, in tokens",
    "max_output_tokens": "Longest answer, in tokens",
    "capabilities": "Capabilities",
    "description": "Description",
    "card": "Card",
    "artifact": "Files",
    "connection_id": "Provider",
    "upstream_model": "Model at the provider",
    "input_price": "Price of input",
    "output_price": "Price of output",
    "licence": "Licence",
    "licence_url": "Address of the licence",
    "is_gated": "Licence must be accepted",
    "intended_use": "Intended use",
    "limits": "Limits",
    "evaluated_harms": "Evaluated harms",
    "visibility": "Who sees it",
}
MOVE_LABELS = {
    "submit": "Submitted",
    "withdraw": "Withdrawn",
    "pass": "Validation passed",
    "fail": "Validation failed",
    "send_back": "Sent back",
    "approve": "Approved",
    "list": "Listed",
    "delist": "Delisted",
    "replace": "Replaced",
}
CHECK_LABELS = {
    "artifact": "Files or binding",
    "digests": "Digests",
    "scan": "Scan",
    "licence": "Licence",
    "card": "Card",
    "load": "Load",
    "smoke": "A first call",
    "tools": "Tools",
    "json": "Answers in JSON",
}
TASKS = (
    ("chat", "Chat"),
    ("completions", "Completions"),
    ("embeddings", "Embeddings"),
    ("rerank", "Rerank"),
    ("images", "Image generation, at a provider"),
    ("speech", "Text to speech, at a provider"),
)
CAPABILITIES = {
    "tools": "Calls tools",
    "structured_output": "Answers in JSON when asked to",
    "reasoning": "Reasons before it answers",
    "attachments": "Takes images or files",
    "temperature": "Obeys the temperature",
}
VISIBILITIES = (
    ("listed", "Everybody, in the catalog"),
    ("unlisted", "Everybody who knows its name"),
    ("private", "Your organization alone"),
)


@dataclass(frozen=True, slots=True)
class ApplicationForm:
    """What was typed, as typed."""

    slug: str = ""
    name: str = ""
    website: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class ListingForm:
    """The fields of one step, as typed."""

    values: dict[str, str] = field(default_factory=dict[str, str])
    chosen: tuple[str, ...] = ()
    """Capabilities."""
    revision: str = ""

    def of(self, name: str) -> str:
        return self.values.get(name, "")


def fields_of(step: str) -> tuple[str, ...]:
    """Return the fields of a step of the wizard; none of one that there is not."""
    return next((fields for name, _, fields in rules.STEPS if name == step), ())


def read_application_form(fields: FormFields) -> ApplicationForm:
    return ApplicationForm(
        *(fields.text(name)[:_LONGEST] for name in ("slug", "name", "website", "contact"))
    )


def new_application_of(form: ApplicationForm, errors: FieldErrors) -> NewApplication | None:
    """Return the application, or None when something is wrong, which is then in `errors`."""
    for name in ("slug", "name", "website", "contact"):
        with errors.at(name):
            rules.check_application_field(name, getattr(form, name).strip())
    if errors:
        return None
    return NewApplication(form.slug, form.name, form.website, form.contact)


def listing_form_of(content: Content, revision: int) -> ListingForm:
    """Return the form with what is saved."""
    values = {
        name: ("yes" if value else "") if isinstance(value, bool) else rules.written(value)
        for name in Content.__struct_fields__
        if name not in _LISTS
        for value in (getattr(content, name),)
    }
    return ListingForm(values, content.capabilities, str(revision))


def read_step(fields: FormFields, step: str) -> ListingForm:
    most = {"card": rules.CARD_MAX}
    values = {
        name: _clean(name, fields.text(name))[: most.get(name, _LONGEST)]
        for name in fields_of(step)
        if name not in _LISTS
    }
    chosen = tuple(
        name[:_LONGEST] for name in fields.texts("capabilities")[: len(rules.CAPABILITIES)]
    )
    return ListingForm(values, chosen, fields.text("revision")[:_LONGEST])


def content_with(former: Content, form: ListingForm, step: str, errors: FieldErrors) -> Content:
    """Return the content with what was typed in one step. What cannot be kept at all stays as it
    was, with its error; what is kept and not right yet has its error too.
    """
    changes: dict[str, Any] = {}
    for name in fields_of(step):
        if name in _LISTS:
            changes[name] = form.chosen
        elif name in _SWITCHES:
            changes[name] = bool(form.of(name))
        elif name in _NUMBERS:
            with errors.at(name):
                changes[name] = _number(form.of(name))
        else:
            changes[name] = form.of(name)
    changed = former
    for name, value in changes.items():
        with errors.at(name):
            one = msgspec.structs.replace(changed, **{name: value})
            rules.check_bounds(one)
            changed = one
    for name, error in rules.problems_of(changed, fields_of(step)).items():
        errors.add(name, error)
    return changed


def problems_by_step(content: Content) -> dict[str, int]:
    """Return how many fields of each step are not right yet."""
    wrong = rules.problems(content)
    return {step: sum(name in wrong for name in fields) for step, _, fields in rules.STEPS}


def _clean(name: str, text: str) -> str:
    # Browsers send line ends as CRLF; a card is compared and kept with LF.
    text = text.replace("\r\n", "\n")
    return text if name == "card" else text.strip()


def _number(text: str) -> int | None:
    digits = text.strip().replace(",", "").replace(" ", "")
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise InvalidInput("this is no number of tokens", hint="write it in digits, like 8192")
    return int(digits)
