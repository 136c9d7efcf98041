"""What a plan would have charged for usage that was, and what the present prices came to.

Every buyer of every model is rated as a subscription of its own, from the beginning of the span,
term by term (30 days a month, 365 a year); what is left of the last term is prorated.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, InvalidInput
from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.core.pricing.charges import PlanTerms, Term, check_terms
from tradewind.core.pricing.proration import prorated
from tradewind.core.pricing.rating import LineKind, Used, rate
from tradewind.features.accounts.schemas import Actor, is_platform_administrator

MOST_DAYS = 366
MOST_MODELS = 100
MOST_HOURS = 200_000
"""Hours of a model and an organization that are rated at once."""
_TERM_DAYS = {Term.MONTH: 30, Term.YEAR: 365}


class PastUse(NamedTuple):
    """What an organization used of a model in an hour."""

    organization_id: str
    model: str
    hour: datetime
    quantities: Mapping[str, int]
    """By meter; each unit is counted once."""
    currency: str
    cost_nanos: int
    """At the price it was rated with then."""


@dataclass(frozen=True, slots=True)
class Question:
    terms: PlanTerms
    models: tuple[str, ...] = ()
    """publisher/slug; none is all."""
    organization_id: OrganizationId | None = None
    """Whose usage; None is everybody's."""
    days: int = 30


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    model: str
    buyers: int
    quantities: Mapping[str, int]
    nanos: int
    """By the plan, in its currency."""
    by_kind: Mapping[LineKind, int]
    """Its parts: fees, usage, what minimums added."""
    present_nanos: Mapping[str, int]
    """By currency, what it came to."""


@dataclass(frozen=True, slots=True)
class Simulation:
    since: datetime
    until: datetime
    currency: str
    models: tuple[SimulatedModel, ...]
    """The one that would bring most first."""
    nanos: int
    present_nanos: Mapping[str, int]


Reader = Callable[
    [Connection, OrganizationId | None, Sequence[str], datetime, datetime, int],
    Sequence[PastUse],
]


class Simulator:
    def __init__(
        self,
        clock: Clock,
        past_use: Reader,
        publishers_of: Callable[[Connection, OrganizationId], Sequence[str]],
    ) -> None:
        self._clock = clock
        self._past_use = past_use
        self._publishers_of = publishers_of

    def simulate(self, tx: Connection, actor: Actor, question: Question) -> Simulation:
        """Rate past usage by a plan; changes nothing.

        Whoever runs the platform asks about everybody; a publisher about its own models; anybody
        else about their own organization. Sums only: no buyer is named. Raises TermsRefused,
        InvalidInput, Forbidden.
        """
        require(actor, Permission.SALES_WRITE)
        check_terms(question.terms)
        if not 1 <= question.days <= MOST_DAYS:
            raise InvalidInput(f"a simulation is of 1 to {MOST_DAYS} days")
        if len(question.models) > MOST_MODELS:
            raise InvalidInput(f"a simulation is of at most {MOST_MODELS} models")
        self._check_scope(tx, actor, question)
        until = self._clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        since = until - timedelta(days=question.days)
        used = self._past_use(
            tx, question.organization_id, question.models, since, until, MOST_HOURS + 1
        )
        if len(used) > MOST_HOURS:
            raise InvalidInput(
                "that is more usage than can be rated at once",
                hint="ask about fewer models or days",
            )
        return simulated(question.terms, used, since, until)

    def _check_scope(self, tx: Connection, actor: Actor, question: Question) -> None:
        if question.organization_id == actor.organization_id or is_platform_administrator(actor):
            return
        own = set(self._publishers_of(tx, actor.organization_id))
        if not question.models or not {name.partition("/")[0] for name in question.models} <= own:
            raise Forbidden(
                "this is usage of others",
                hint="ask about your own organization, or about models that you publish",
            )


def simulated(
    terms: PlanTerms, used: Iterable[PastUse], since: datetime, until: datetime
) -> Simulation:
    """Rate what was used. Pure."""
    by_buyer: dict[tuple[str, str], list[PastUse]] = defaultdict(list)
    for use in used:
        by_buyer[use.model, use.organization_id].append(use)
    models: dict[str, list[tuple[dict[LineKind, int], list[PastUse]]]] = defaultdict(list)
    for (model, _), uses in by_buyer.items():
        models[model].append((_rated(terms, uses, since, until), uses))
    rows = [_of_model(model, buyers) for model, buyers in models.items()]
    present: dict[str, int] = defaultdict(int)
    for row in rows:
        for currency, nanos in row.present_nanos.items():
            present[currency] += nanos
    return Simulation(
        since,
        until,
        terms.currency,
        tuple(sorted(rows, key=lambda row: (-row.nanos, row.model))),
        sum(row.nanos for row in rows),
        dict(sorted(present.items())),
    )


def _rated(
    terms: PlanTerms, uses: Iterable[PastUse], since: datetime, until: datetime
) -> dict[LineKind, int]:
    length = timedelta(days=_TERM_DAYS[terms.term])
    by_term: dict[int, list[Used]] = defaultdict(list)
    for use in uses:
        term = (use.hour - since) // length
        by_term[term] += [
            Used(meter, use.hour, quantity) for meter, quantity in use.quantities.items()
        ]
    sums: dict[LineKind, int] = defaultdict(int)
    for term in range(-(-(until - since) // length)):
        begins = since + term * length
        share = Fraction(_seconds(min(until, begins + length) - begins), _seconds(length))
        for line in rate(prorated(terms, share), by_term.get(term, ())):
            sums[line.kind] += line.nanos
    return sums


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)


def _of_model(
    model: str, buyers: Sequence[tuple[Mapping[LineKind, int], Sequence[PastUse]]]
) -> SimulatedModel:
    quantities: dict[str, int] = defaultdict(int)
    present: dict[str, int] = defaultdict(int)
    by_kind: dict[LineKind, int] = defaultdict(int)
    for sums, uses in buyers:
        for kind, nanos in sums.items():
            by_kind[kind] += nanos
        for use in uses:
            present[use.currency] += use.cost_nanos
            for meter, quantity in use.quantities.items():
                quantities[meter] += quantity
    return SimulatedModel(
        model,
        len(buyers),
        dict(sorted(quantities.items())),
        sum(by_kind.values()),
        {kind: nanos for kind, nanos in by_kind.items() if nanos},
        dict(sorted(present.items())),
    )
