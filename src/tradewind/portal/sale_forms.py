"""The forms of an offer and of a private offer: what was typed, and what it says. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from tradewind.core.errors import InvalidInput
from tradewind.core.ids import OrganizationId, PlanId
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.sales.schemas import (
    Licensing,
    NewOffer,
    NewPrivateOffer,
    OfferKind,
    PlanRow,
)
from tradewind.portal.amounts import amount, percent
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

KINDS = ((OfferKind.MODEL.value, "A model"), (OfferKind.APP.value, "An app"))
LICENSINGS = (
    (Licensing.PLATFORM.value, "Through the platform, which keeps its fee"),
    (Licensing.OWN_LICENCE.value, "The buyer brings a licence; no fee"),
    (Licensing.DIRECT.value, "The buyer pays you directly; no fee"),
)
_BUYERS_MAX = 100
_SCOPES_MAX = 32


@dataclass(frozen=True, slots=True)
class OfferForm:
    publisher: str = ""
    kind: str = OfferKind.MODEL.value
    name: str = ""
    model: str = ""
    description: str = ""
    scopes: str = ""
    """One a line."""
    licensing: str = Licensing.PLATFORM.value
    is_subscription_only: bool = True


def read_offer(fields: FormFields) -> OfferForm:
    return OfferForm(
        fields.text("publisher").strip()[:100],
        fields.text("kind")[:20],
        fields.text("name").strip()[:100],
        fields.text("model").strip()[:200],
        fields.text("description").strip()[:4_000],
        fields.text("scopes")[:4_000],
        fields.text("licensing")[:20],
        fields.is_checked("is_subscription_only"),
    )


def offer_of(form: OfferForm, errors: FieldErrors) -> NewOffer | None:
    if form.kind not in {kind.value for kind in OfferKind}:
        errors.say("kind", "this is nothing that is sold here")
    if form.licensing not in {licensing.value for licensing in Licensing}:
        errors.say("licensing", "nobody is paid like that")
    if not form.name:
        errors.say("name", "the offer has no name", "buyers read it")
    if errors:
        return None
    kind = OfferKind(form.kind)
    return NewOffer(
        form.publisher,
        kind,
        form.name,
        form.description,
        form.model if kind is OfferKind.MODEL else "",
        tuple(line.strip() for line in form.scopes.splitlines() if line.strip())[:_SCOPES_MAX],
        Licensing(form.licensing),
        form.is_subscription_only,
    )


@dataclass(frozen=True, slots=True)
class PrivateOfferForm:
    name: str = ""
    text: str = ""
    buyers: str = ""
    """Ids of organizations, one a line."""
    starts_on: str = ""
    ends_on: str = ""
    accept_by: str = ""
    percent: str = ""
    fees: dict[str, str] = field(default_factory=dict[str, str])
    """Fee of each plan by its id; empty keeps the list price of that plan out of the offer."""


def opening(today: date) -> PrivateOfferForm:
    """Return the form as it opens: from today for a year, to be accepted within a month."""
    return PrivateOfferForm(
        starts_on=today.isoformat(),
        ends_on=(today + timedelta(days=365)).isoformat(),
        accept_by=(today + timedelta(days=30)).isoformat(),
    )


def read_private(fields: FormFields) -> PrivateOfferForm:
    return PrivateOfferForm(
        fields.text("name").strip()[:100],
        fields.text("text").strip()[:4_000],
        fields.text("buyers")[:8_000],
        fields.text("starts_on").strip()[:10],
        fields.text("ends_on").strip()[:10],
        fields.text("accept_by").strip()[:10],
        fields.text("percent").strip()[:8],
        {name[:64]: value.strip()[:24] for name, value in fields.with_prefix("fee-").items()},
    )


def private_offer_of(
    form: PrivateOfferForm, plans: list[PlanRow], errors: FieldErrors
) -> NewPrivateOffer | None:
    """`plans` are those on sale."""
    if not form.name:
        errors.say("name", "the private offer has no name")
    buyers = _buyers(form.buyers, errors)
    starts, ends, accept = (
        _day(getattr(form, name), name, errors) for name in ("starts_on", "ends_on", "accept_by")
    )
    hundredths = 0
    with errors.at("percent"):
        hundredths = int(percent(form.percent, "the percentage") * 100)
    prices: list[tuple[PlanId, PlanTerms]] = []
    for plan in plans:
        with errors.at(f"fee-{plan.plan_id}"):
            fee = amount(form.fees.get(plan.plan_id, ""), "the fee")
            if fee is not None:
                prices.append((plan.plan_id, _with_fee(plan.terms, fee)))
    if bool(hundredths) == bool(prices) and not errors:
        errors.say("percent", "say a percentage, or a fee for plans, and not both")
    if errors or starts is None or ends is None or accept is None:
        return None
    return NewPrivateOffer(
        form.name,
        form.text,
        buyers,
        starts,
        ends + timedelta(days=1),
        accept + timedelta(days=1) - timedelta(seconds=1),
        hundredths or None,
        tuple(prices),
    )


def _with_fee(terms: PlanTerms, fee_nanos: int) -> PlanTerms:
    return PlanTerms(
        terms.currency,
        terms.charges,
        terms.term,
        fee_nanos,
        terms.minimum_nanos,
        terms.trial_days,
        terms.notice_days,
    )


def _buyers(text: str, errors: FieldErrors) -> tuple[OrganizationId, ...]:
    found: list[OrganizationId] = []
    with errors.at("buyers"):
        found = [OrganizationId.parse(line) for line in text.split()[: _BUYERS_MAX + 1]]
        if not 1 <= len(found) <= _BUYERS_MAX:
            raise InvalidInput(
                f"a private offer names 1 to {_BUYERS_MAX} organizations",
                hint="write their ids, one a line",
            )
    return tuple(found)


def _day(text: str, name: str, errors: FieldErrors) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        errors.say(name, "this is no day", "write it like 2030-01-31")
        return None
