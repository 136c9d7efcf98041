"""What binds a key or a project: every limit its calls pass, and which of them is the tightest.

Pure. The gateways count rates themselves, so what is left of one is in the headers of each answer
and not here; what is left of a budget is.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tradewind.features.accounts.schemas import KeyRow
from tradewind.features.budgets.schemas import BudgetRow, BudgetScope, TermsRow
from tradewind.readmodels.limits import LimitedModel
from tradewind.snapshot.contents import Limits

UNITS = (
    ("requests_per_minute", "requests/min"),
    ("tokens_per_minute", "tokens/min"),
    ("concurrent_requests", "at once"),
)
"""Fields of limits, and how a number of each is written."""
_ORDER = {BudgetScope.KEY: 0, BudgetScope.PROJECT: 1, BudgetScope.ORGANIZATION: 2}


class Cell(NamedTuple):
    """One limit of one link."""

    amount: int | None
    unit: str
    is_tightest: bool
    """The smallest for calls to all models; or, of a single model's, smaller than that."""


@dataclass(frozen=True, slots=True)
class Link:
    """One place whose limits hold."""

    kind: str
    """`key`, `project`, `organization` or `model`."""
    name: str
    model: str = ""
    """The model it is about; empty is all."""
    href: str | None = None
    cells: tuple[Cell, ...] = ()

    @property
    def is_open(self) -> bool:
        return all(cell.amount is None for cell in self.cells)


class Bound(NamedTuple):
    """The tightest limit of a unit, and whose it is."""

    amount: int
    unit: str
    kind: str


@dataclass(frozen=True, slots=True)
class Binding:
    """The whole chain, the narrowest link first."""

    links: tuple[Link, ...]
    models: tuple[Link, ...]
    """Limits of single models."""
    bounds: tuple[Bound, ...]
    """What binds calls to any model, by unit; a unit without a limit is missing."""
    budgets: tuple[BudgetRow, ...]
    tightest_budgets: frozenset[str]
    """Of the hard ones of each currency, the one with the least left."""

    @property
    def is_free(self) -> bool:
        has_model = any(not link.is_open for link in self.models)
        return not self.bounds and not has_model and not any(each.is_hard for each in self.budgets)


def binding_of_key(
    key: KeyRow,
    names: tuple[str, str],
    terms: tuple[TermsRow, TermsRow],
    models: Sequence[LimitedModel],
    budgets: Sequence[BudgetRow],
) -> Binding:
    """Return what binds a key. `names` and `terms` are the project's and the organization's."""
    own = _link("key", key.name, key.limits)
    return _binding([own], names, terms, models, budgets, called=key.models)


def binding_of_project(
    names: tuple[str, str],
    terms: tuple[TermsRow, TermsRow],
    models: Sequence[LimitedModel],
    budgets: Sequence[BudgetRow],
) -> Binding:
    """Return what binds all calls of a project together."""
    return _binding([], names, terms, models, budgets, called=None)


def bounds_of(links: Iterable[tuple[str, Limits]]) -> tuple[Bound, ...]:
    """Return the tightest limit of each unit; of equal ones the narrowest, which comes first."""
    found: list[Bound] = []
    given = list(links)
    for field, unit in UNITS:
        amounts = [
            Bound(amount, unit, kind)
            for kind, limits in given
            if (amount := getattr(limits, field)) is not None
        ]
        if amounts:
            found.append(min(amounts, key=lambda bound: bound.amount))
    return tuple(found)


def _binding(
    first: list[tuple[Link, Limits]],
    names: tuple[str, str],
    terms: tuple[TermsRow, TermsRow],
    models: Sequence[LimitedModel],
    budgets: Sequence[BudgetRow],
    *,
    called: Collection[str] | None,
) -> Binding:
    kinds = ("project", "organization")
    given = [
        *first,
        *(
            _link(kind, name, row.terms.limits, href=f"/limits#{row.subject_id}")
            for kind, name, row in zip(kinds, names, terms, strict=True)
        ),
    ]
    bounds = bounds_of((link.kind, limits) for link, limits in given)
    of_models = [
        _link(kind, name, each.limits, model=each.model, href=f"/limits#{row.subject_id}")
        for kind, name, row in zip(kinds, names, terms, strict=True)
        for each in row.terms.models
    ]
    of_models += [
        _link("model", each.name, each.limits, each.name, href=f"/endpoints/{each.endpoint_id}")
        for each in models
    ]
    amounts = {bound.unit: bound.amount for bound in bounds}
    inward = sorted(budgets, key=lambda each: _ORDER[each.scope])
    return Binding(
        links=tuple(
            _filled(link, limits, {(bound.kind, bound.unit) for bound in bounds})
            for link, limits in given
        ),
        models=tuple(
            _filled_of_model(link, limits, amounts)
            for link, limits in sorted(of_models, key=lambda entry: entry[0].model)
            if called is None or link.model in called
        ),
        bounds=bounds,
        budgets=tuple(inward),
        tightest_budgets=_tightest(inward),
    )


def _link(
    kind: str, name: str, limits: Limits, model: str = "", href: str | None = None
) -> tuple[Link, Limits]:
    return Link(kind, name, model, href), limits


def _filled(link: Link, limits: Limits, tightest: Collection[tuple[str, str]]) -> Link:
    cells = tuple(
        Cell(getattr(limits, field), unit, (link.kind, unit) in tightest) for field, unit in UNITS
    )
    return Link(link.kind, link.name, link.model, link.href, cells)


def _filled_of_model(link: Link, limits: Limits, bounds: dict[str, int]) -> Link:
    def is_tighter(amount: int | None, unit: str) -> bool:
        return amount is not None and (unit not in bounds or amount < bounds[unit])

    cells = tuple(
        Cell(amount, unit, is_tighter(amount, unit))
        for field, unit in UNITS
        for amount in (getattr(limits, field),)
    )
    return Link(link.kind, link.name, link.model, link.href, cells)


def _tightest(budgets: Sequence[BudgetRow]) -> frozenset[str]:
    least: dict[str, BudgetRow] = {}
    for each in budgets:
        if each.is_hard:
            known = least.get(each.currency)
            if known is None or each.left_nanos < known.left_nanos:
                least[each.currency] = each
    return frozenset(each.budget_id for each in least.values())
