"""The forms of limits and policy of an organization or project. Pure."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from tradewind.core.errors import InvalidInput
from tradewind.features.budgets import rules
from tradewind.features.budgets.schemas import ModelLimits, NewTerms, TermsRow
from tradewind.portal import amounts
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields
from tradewind.snapshot.contents import Conditions, Limits

UNITS = {
    "requests_per_minute": "the limit of requests per minute",
    "tokens_per_minute": "the limit of tokens per minute",
    "concurrent_requests": "the limit of calls at once",
}
_BETWEEN = re.compile(r"[\s,;]+")
_LONGEST_LIST = 4_000
_LONGEST_NAME = 300
_LONGEST_NUMBER = 20
_DEFAULT_CACHE_S = 300


@dataclass(frozen=True, slots=True)
class LimitTexts:
    """Limits of one place as typed. `prefix` is what its fields' names begin with."""

    prefix: str = ""
    model: str = ""
    """Of which model; empty for the place itself, and in the row that adds one."""
    requests_per_minute: str = ""
    tokens_per_minute: str = ""
    concurrent_requests: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.requests_per_minute or self.tokens_per_minute or self.concurrent_requests)


@dataclass(frozen=True, slots=True)
class LimitsForm:
    """Limits of an organization or project, and of single models within it."""

    own: LimitTexts
    models: tuple[LimitTexts, ...]
    """The last one is the empty row that adds a model."""
    revision: str


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """What an organization asks of hosts, and for how long its data is kept, as typed."""

    is_cached: bool = False
    cache_ttl_s: str = ""
    response_days: str = ""
    content_days: str = ""
    regions: str = ""
    zones: str = ""
    no_retention: bool = False
    no_training: bool = False
    revision: str = ""


def limits_form_of(row: TermsRow) -> LimitsForm:
    """Return the form with what holds now."""
    models = [
        _texts(each.limits, f"m{number}_", each.model)
        for number, each in enumerate(row.terms.models)
    ]
    return LimitsForm(
        own=_texts(row.terms.limits),
        models=(*models, LimitTexts(f"m{len(models)}_")),
        revision=str(row.revision),
    )


def read_limits_form(fields: FormFields) -> LimitsForm:
    models = list(_read_models(fields))
    if not models or models[-1].model or not models[-1].is_empty:
        models.append(LimitTexts(f"m{len(models)}_"))
    return LimitsForm(_read(fields, ""), tuple(models), fields.text("revision"))


def unknown_models(form: LimitsForm, row: TermsRow) -> set[str]:
    """Return the models that are named now and were not before: whether there are such is for the
    caller to find out.
    """
    known = {each.model for each in row.terms.models}
    return {texts.model for texts in form.models if texts.model} - known


def terms_with_limits(
    form: LimitsForm, row: TermsRow, missing: Collection[str], errors: FieldErrors
) -> NewTerms | None:
    """Return the terms with the form's limits, or None when something is wrong.

    A model without any number has no limit any more. `missing` are names that no model has.
    """
    limits = _limits(form.own, errors)
    models: list[ModelLimits] = []
    for texts in form.models:
        field = f"{texts.prefix}model"
        if not texts.model:
            if not texts.is_empty:
                errors.say(field, "the model is missing", "choose one, or empty the row")
            continue
        if texts.is_empty:
            continue
        if texts.model in missing:
            errors.say(field, "no model here has this name", "choose one from the list")
        if texts.model in {each.model for each in models}:
            errors.say(field, "this model has a row already", "change that one")
        models.append(ModelLimits(texts.model, _limits(texts, errors)))
    if len(models) > rules.MODELS_MAX:
        errors.say("", f"there are limits for more than {rules.MODELS_MAX} models")
    return None if errors else replace(row.terms, limits=limits, models=tuple(models))


def policy_form_of(row: TermsRow) -> PolicyForm:
    """Return the form with what holds now."""
    terms = row.terms
    return PolicyForm(
        is_cached=bool(terms.cache_ttl_s),
        cache_ttl_s=str(terms.cache_ttl_s or _DEFAULT_CACHE_S),
        response_days=str(terms.response_days),
        content_days=str(terms.content_days),
        regions=", ".join(sorted(terms.conditions.regions)),
        zones=", ".join(sorted(terms.conditions.zones)),
        no_retention=terms.conditions.no_retention,
        no_training=terms.conditions.no_training,
        revision=str(row.revision),
    )


def read_policy_form(fields: FormFields) -> PolicyForm:
    return PolicyForm(
        is_cached=fields.is_checked("is_cached"),
        cache_ttl_s=fields.text("cache_ttl_s")[:_LONGEST_NUMBER],
        response_days=fields.text("response_days")[:_LONGEST_NUMBER],
        content_days=fields.text("content_days")[:_LONGEST_NUMBER],
        regions=fields.text("regions")[:_LONGEST_LIST],
        zones=fields.text("zones")[:_LONGEST_LIST],
        no_retention=fields.is_checked("no_retention"),
        no_training=fields.is_checked("no_training"),
        revision=fields.text("revision"),
    )


def terms_with_policy(form: PolicyForm, row: TermsRow, errors: FieldErrors) -> NewTerms | None:
    """Return the terms with the form's policy, or None when something is wrong."""
    seconds = 0
    if form.is_cached:
        seconds = _number(
            form.cache_ttl_s, "cache_ttl_s", "the time in the cache", rules.CACHE_TTL_MAX_S, errors
        )
        if not seconds:
            errors.say("cache_ttl_s", "a cache of no time holds nothing", "or switch the cache off")
    days = _number(
        form.response_days,
        "response_days",
        "the number of days",
        rules.RESPONSE_DAYS_MAX,
        errors,
    )
    content_days = _number(
        form.content_days, "content_days", "the number of days", rules.CONTENT_DAYS_MAX, errors
    )
    regions, zones = _words(form.regions), _words(form.zones)
    with errors.at("regions"):
        rules.check_terms(NewTerms(conditions=Conditions(regions=regions)))
    with errors.at("zones"):
        rules.check_terms(NewTerms(conditions=Conditions(zones=zones)))
    if errors:
        return None
    conditions = Conditions(regions, zones, form.no_retention, form.no_training)
    return replace(
        row.terms,
        conditions=conditions,
        cache_ttl_s=seconds,
        response_days=days,
        content_days=content_days,
    )


def _read_models(fields: FormFields) -> Iterator[LimitTexts]:
    """Yield the rows in their order, up to one more than may be."""
    sent = fields.with_prefix("m")
    for number in range(rules.MODELS_MAX + 1):
        if f"{number}_model" not in sent:
            return
        texts = _read(fields, f"m{number}_")
        yield replace(texts, model=sent[f"{number}_model"].strip()[:_LONGEST_NAME])


def _read(fields: FormFields, prefix: str) -> LimitTexts:
    def text(name: str) -> str:
        return fields.text(prefix + name).strip()[:_LONGEST_NUMBER]

    return LimitTexts(
        prefix,
        requests_per_minute=text("requests_per_minute"),
        tokens_per_minute=text("tokens_per_minute"),
        concurrent_requests=text("concurrent_requests"),
    )


def _limits(texts: LimitTexts, errors: FieldErrors) -> Limits:
    found: dict[str, int | None] = {}
    for unit, what in UNITS.items():
        with errors.at(texts.prefix + unit):
            number = amounts.count(getattr(texts, unit), what)
            rules.check_limits(Limits(**{unit: number}))
            found[unit] = number
    return Limits(**found)


def _number(text: str, field: str, what: str, most: int, errors: FieldErrors) -> int:
    with errors.at(field):
        number = amounts.count(text, what)
        if number is None:
            raise InvalidInput(f"{what} is missing")
        if number > most:
            raise InvalidInput(f"{what} is more than {most:,}")
        return number
    return 0


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in _BETWEEN.split(text) if word)


def _texts(limits: Limits, prefix: str = "", model: str = "") -> LimitTexts:
    numbers = {unit: getattr(limits, unit) for unit in UNITS}
    return LimitTexts(
        prefix,
        model,
        **{unit: "" if number is None else str(number) for unit, number in numbers.items()},
    )
