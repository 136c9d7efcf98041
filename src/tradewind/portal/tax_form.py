"""The form of a tax rule: what was typed, and the rule that it is."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from tradewind.core.errors import InvalidInput
from tradewind.features.billing.rules.taxes import ANY, PPM, TaxRule
from tradewind.features.billing.schemas import BuyerKind, TaxTreatment
from tradewind.portal.amounts import percent
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields

FIELDS = (
    "seller_country",
    "buyer_country",
    "buyer_kind",
    "treatment",
    "rate",
    "jurisdiction",
    "reason",
    "valid_from",
    "valid_until",
)
TREATMENTS = (
    (TaxTreatment.STANDARD.value, "S: with a rate"),
    (TaxTreatment.REVERSE_CHARGE.value, "AE: reverse charge"),
    (TaxTreatment.EXPORT.value, "G: export"),
    (TaxTreatment.EXEMPT.value, "E: exempt"),
    (TaxTreatment.ZERO.value, "Z: a rate of zero"),
    (TaxTreatment.OUTSIDE.value, "O: outside the scope of the tax"),
)
KINDS = (
    ("", "Every kind"),
    (BuyerKind.BUSINESS.value, "Businesses"),
    (BuyerKind.CONSUMER.value, "Consumers"),
    (BuyerKind.EXEMPT.value, "Exempt by a certificate"),
)
_LONGEST = 200
_COUNTRY_LETTERS = 2


def typed(fields: FormFields) -> dict[str, str]:
    return {name: fields.text(name).strip()[:_LONGEST] for name in FIELDS}


def empty_form(today: date) -> dict[str, str]:
    return {**dict.fromkeys(FIELDS, ""), "treatment": "S", "valid_from": today.isoformat()}


def rule_of(form: Mapping[str, str], errors: FieldErrors) -> TaxRule | None:
    """Return the rule, or None where something is said in `errors`."""
    seller = _country(form, "seller_country", errors)
    buyer = _country(form, "buyer_country", errors)
    since = day(form["valid_from"], "valid_from", errors)
    until = day(form["valid_until"], "valid_until", errors) if form["valid_until"] else date.max
    rate_ppm = 0
    with errors.at("rate"):
        rate_ppm = int(percent(form["rate"], "the rate") * Decimal(PPM) / 100)
        if rate_ppm > PPM:
            raise InvalidInput("the rate is above 100 %")
    if form["treatment"] not in dict(TREATMENTS) or form["buyer_kind"] not in dict(KINDS):
        errors.say("treatment", "this is none of the choices")
        return None
    treatment = TaxTreatment(form["treatment"])
    if (rate_ppm > 0) != (treatment is TaxTreatment.STANDARD):
        errors.say("rate", "a rate above zero goes with treatment S, and with no other")
    if not form["jurisdiction"] or len(form["jurisdiction"]) > 100:
        errors.say("jurisdiction", "say to whom the tax is owed", "a country, or a region of it")
    if not form["reason"] and treatment not in {TaxTreatment.STANDARD, TaxTreatment.ZERO}:
        errors.say("reason", "the invoice has to say why no tax is taken")
    if since is not None and until is not None and until <= since:
        errors.say("valid_until", "it ends before it begins")
    if errors or since is None or until is None:
        return None
    return TaxRule(
        seller_country=seller,
        buyer_country=buyer,
        buyer_kind=BuyerKind(form["buyer_kind"]) if form["buyer_kind"] else None,
        treatment=treatment,
        rate_ppm=rate_ppm,
        jurisdiction=form["jurisdiction"],
        reason=form["reason"],
        valid_from=since,
        valid_until=until,
    )


def day(text: str, field: str, errors: FieldErrors) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        errors.say(field, "this is no day", "write it like 2030-01-31")
        return None


def _country(form: Mapping[str, str], field: str, errors: FieldErrors) -> str:
    country = form[field].upper()
    is_code = len(country) == _COUNTRY_LETTERS and country.isascii() and country.isalpha()
    if country != ANY and not is_code:
        errors.say(field, "this is no country", "two letters, like DE, or * for all")
    return country
