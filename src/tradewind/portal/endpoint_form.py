"""The form of an endpoint's routing, conditions and limits. Pure."""

import re
from dataclasses import dataclass

from tradewind.features.endpoints import rules
from tradewind.features.endpoints.schemas import EndpointChanges
from tradewind.portal import amounts
from tradewind.portal.field_errors import FieldErrors
from tradewind.portal.form_fields import FormFields
from tradewind.readmodels.endpoints import EndpointView
from tradewind.snapshot.contents import Conditions, Limits, Routing

SORTS = (
    ("load", "Fewest calls for its weight"),
    ("price", "Cheapest"),
    ("latency", "Fastest first token"),
    ("throughput", "Most tokens a second"),
)
_LONGEST_LIST = 4_000
_BETWEEN = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class EndpointForm:
    """What was typed, as typed."""

    aliases: str = ""
    sort: str = "load"
    queue_bound: str = ""
    first_token_bound_ms: str = ""
    max_attempts: str = ""
    retry_timeouts: bool = False
    regions: str = ""
    zones: str = ""
    no_retention: bool = False
    no_training: bool = False
    requests_per_minute: str = ""
    tokens_per_minute: str = ""
    concurrent_requests: str = ""
    revision: str = ""


def form_of(endpoint: EndpointView) -> EndpointForm:
    """Return the form with what the endpoint is now."""
    routing, conditions, limits = endpoint.routing, endpoint.conditions, endpoint.limits
    return EndpointForm(
        aliases="\n".join(endpoint.aliases),
        sort=routing.sort,
        queue_bound=_text(routing.queue_bound),
        first_token_bound_ms=_text(routing.first_token_bound_ms),
        max_attempts=str(routing.max_attempts),
        retry_timeouts=routing.retry_timeouts,
        regions=", ".join(sorted(conditions.regions)),
        zones=", ".join(sorted(conditions.zones)),
        no_retention=conditions.no_retention,
        no_training=conditions.no_training,
        requests_per_minute=_text(limits.requests_per_minute),
        tokens_per_minute=_text(limits.tokens_per_minute),
        concurrent_requests=_text(limits.concurrent_requests),
        revision=str(endpoint.revision),
    )


def read_form(fields: FormFields) -> EndpointForm:
    return EndpointForm(
        aliases=fields.text("aliases").replace("\r\n", "\n")[:_LONGEST_LIST],
        sort=fields.text("sort"),
        queue_bound=fields.text("queue_bound"),
        first_token_bound_ms=fields.text("first_token_bound_ms"),
        max_attempts=fields.text("max_attempts"),
        retry_timeouts=fields.is_checked("retry_timeouts"),
        regions=fields.text("regions")[:_LONGEST_LIST],
        zones=fields.text("zones")[:_LONGEST_LIST],
        no_retention=fields.is_checked("no_retention"),
        no_training=fields.is_checked("no_training"),
        requests_per_minute=fields.text("requests_per_minute"),
        tokens_per_minute=fields.text("tokens_per_minute"),
        concurrent_requests=fields.text("concurrent_requests"),
        revision=fields.text("revision"),
    )


def changes_of(form: EndpointForm, name: str, errors: FieldErrors) -> EndpointChanges | None:
    """Return what is to be changed, or None when something is wrong, which is then in `errors`.

    `name` is the endpoint's.
    """
    aliases: list[str] = []
    with errors.at("aliases"):
        aliases = rules.clean_aliases(name, _words(form.aliases))
    routing = _routing(form, errors)
    conditions = Conditions(no_retention=form.no_retention, no_training=form.no_training)
    with errors.at("regions"):
        conditions = Conditions(
            frozenset(_words(form.regions)), frozenset(), form.no_retention, form.no_training
        )
        rules.check_conditions(conditions)
    with errors.at("zones"):
        zones = frozenset(_words(form.zones))
        rules.check_conditions(Conditions(zones=zones))
        conditions = Conditions(conditions.regions, zones, form.no_retention, form.no_training)
    limits = Limits(
        _number(form, "requests_per_minute", "the limit of requests per minute", errors),
        _number(form, "tokens_per_minute", "the limit of tokens per minute", errors),
        _number(form, "concurrent_requests", "the limit of requests at once", errors),
    )
    for field in ("requests_per_minute", "tokens_per_minute", "concurrent_requests"):
        with errors.at(field):
            rules.check_limits(Limits(**{field: getattr(limits, field)}))
    if errors:
        return None
    return EndpointChanges(aliases=aliases, routing=routing, conditions=conditions, limits=limits)


def _routing(form: EndpointForm, errors: FieldErrors) -> Routing:
    attempts = _number(form, "max_attempts", "the number of attempts", errors)
    routing = Routing(
        sort=form.sort,
        queue_bound=_number(form, "queue_bound", "the bound of the queue", errors),
        first_token_bound_ms=_number(
            form, "first_token_bound_ms", "the bound of the first token", errors
        ),
        max_attempts=Routing().max_attempts if attempts is None else attempts,
        retry_timeouts=form.retry_timeouts,
    )
    for field in ("sort", "queue_bound", "first_token_bound_ms", "max_attempts"):
        with errors.at(field):
            rules.check_routing(Routing(**{field: getattr(routing, field)}))
    return routing


def _number(form: EndpointForm, field: str, what: str, errors: FieldErrors) -> int | None:
    with errors.at(field):
        return amounts.count(getattr(form, field), what)
    return None


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN.split(text) if word]


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
