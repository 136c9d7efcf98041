"""The form of a webhook. Pure."""

from dataclasses import dataclass

from tradewind.features.webhooks import rules
from tradewind.features.webhooks.schemas import (
    DestinationChanges,
    DestinationRow,
    EventKind,
    NewDestination,
)
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

KIND_LABELS = {
    EventKind.BUDGET_ALERT.value: "A part of a budget is spent",
    EventKind.BUDGET_EXHAUSTED.value: "A hard budget refuses calls",
    EventKind.MODEL_DEPRECATION_ANNOUNCED.value: "A model you use will be deprecated",
    EventKind.MODEL_DEPRECATES_SOON.value: "A model you use is deprecated soon",
    EventKind.MODEL_DEPRECATED.value: "A model you use will end",
    EventKind.MODEL_RETIRES_SOON.value: "A model you use ends soon",
    EventKind.MODEL_RETIRED.value: "A model you use has ended",
    EventKind.CONNECTION_FAILING.value: "A provider account fails",
    EventKind.CONNECTION_RECOVERED.value: "A provider account works again",
    EventKind.WALLET_LOW.value: "The wallet is low",
    EventKind.SUBSCRIPTION_CREATED.value: "Somebody subscribed, and it is to be set up",
    EventKind.SUBSCRIPTION_ACTIVATED.value: "A subscription begins",
    EventKind.SUBSCRIPTION_TRIAL_ENDING.value: "A trial ends soon",
    EventKind.SUBSCRIPTION_RENEWED.value: "A subscription's next term begins",
    EventKind.SUBSCRIPTION_CHANGED.value: "A subscription is changed",
    EventKind.SUBSCRIPTION_PAUSED.value: "A subscription is paused",
    EventKind.SUBSCRIPTION_RESUMED.value: "A paused subscription goes on",
    EventKind.SUBSCRIPTION_PAST_DUE.value: "A subscription is not paid",
    EventKind.SUBSCRIPTION_PAID.value: "What was not paid is paid",
    EventKind.SUBSCRIPTION_SUSPENDED.value: "A subscription is suspended",
    EventKind.SUBSCRIPTION_REINSTATED.value: "A suspended subscription goes on",
    EventKind.SUBSCRIPTION_CANCELLED.value: "A subscription has ended",
    EventKind.PAYMENT_FAILED.value: "An automatic top-up is refused",
    EventKind.PAYMENT_CONFIRMATION_NEEDED.value: "A payment needs somebody's confirmation",
    EventKind.PAYMENT_DISPUTED.value: "A payment is denied at a bank",
    EventKind.PAYOUT_ACCOUNT_CHANGED.value: "A publisher's payout account was changed",
    EventKind.PAYOUT_PAID.value: "A payout arrived",
    EventKind.PAYOUT_FAILED.value: "A payout failed",
    EventKind.PRICE_MISSING.value: "A model that is called has no price",
    EventKind.RECONCILIATION_FAILED.value: "The books do not agree",
    EventKind.ABUSE_CASE_OPENED.value: "Your calls are put before a person",
    EventKind.ABUSE_NOTICED.value: "The platform asks for a change in your use",
    EventKind.ABUSE_SUSPENDED.value: "A key or your organization is suspended",
    EventKind.ABUSE_APPEAL_DECIDED.value: "An appeal is decided",
}
"""What each event tells, for whoever chooses among them."""
_LONGEST = 2_100


@dataclass(frozen=True, slots=True)
class WebhookForm:
    """What was typed, as typed."""

    url: str = ""
    description: str = ""
    kinds: tuple[str, ...] = tuple(KIND_LABELS)
    is_private_network: bool = False
    revision: str = ""


def webhook_form_of(row: DestinationRow) -> WebhookForm:
    """Return the form with what is so now."""
    return WebhookForm(
        url=row.url,
        description=row.description,
        kinds=tuple(kind.value for kind in row.kinds),
        is_private_network=row.is_private_network,
        revision=str(row.revision),
    )


def read_webhook_form(fields: FormFields) -> WebhookForm:
    return WebhookForm(
        url=fields.text("url")[:_LONGEST],
        description=fields.text("description")[:_LONGEST],
        kinds=tuple(kind[:_LONGEST] for kind in fields.texts("kinds")[: len(KIND_LABELS) + 1]),
        is_private_network=fields.is_checked("is_private_network"),
        revision=fields.text("revision")[:_LONGEST],
    )


def new_destination_of(
    form: WebhookForm, errors: FieldErrors, *, may_be_private: bool
) -> NewDestination | None:
    """Return the destination to add, or None when something is wrong, which is then in `errors`."""
    _check(form, errors, may_be_private=may_be_private)
    if errors:
        return None
    return NewDestination(
        url=form.url.strip(),
        kinds=form.kinds,
        description=form.description,
        is_private_network=form.is_private_network,
    )


def destination_changes_of(
    form: WebhookForm, errors: FieldErrors, *, may_be_private: bool
) -> DestinationChanges | None:
    """Return what is to be changed, or None when something is wrong."""
    _check(form, errors, may_be_private=may_be_private)
    if errors:
        return None
    return DestinationChanges(
        url=form.url.strip(),
        kinds=form.kinds,
        description=form.description,
        is_private_network=form.is_private_network,
    )


def _check(form: WebhookForm, errors: FieldErrors, *, may_be_private: bool) -> None:
    with errors.at("url"):
        rules.parse_url(form.url.strip(), is_private_network=form.is_private_network)
    with errors.at("description"):
        rules.clean_description(form.description)
    with errors.at("kinds"):
        rules.clean_kinds(form.kinds)
    if form.is_private_network and not may_be_private:
        errors.say(
            "is_private_network",
            "only an administrator of the platform may have a private network called",
            "name a public host",
        )
