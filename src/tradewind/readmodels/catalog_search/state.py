"""Where the stored search is: what answers, and what is being filled to take its place."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from tradewind.readmodels.catalog_search.postings import PART

RULES = 1
"""Grows with every change of what is stored of a model: of words, facets, orders. What was filled
by other rules is filled anew.
"""
_READ = text("""
    SELECT version, first_number, next_number, models, made_for, rest_first,
        rest_since < now() - interval '5 minutes' AS is_rest_old,
        filling_first, filling_next, filling_after, filling_models, filling_of, filling_for
    FROM catalog_search_state
""")


@dataclass(frozen=True, slots=True)
class Filling:
    """A filling under way: from `first` to below `next` it is done."""

    first: int
    next: int
    after: str
    """The id of the last model in it."""
    models: int
    of: int
    """How many models there were when it began."""
    made_for: str


@dataclass(frozen=True, slots=True)
class StoredState:
    version: int
    """0 while nothing answers."""
    first: int
    """What answers has numbers from here, the beginning of a part,"""
    next: int
    """to below here."""
    models: int
    made_for: str
    rest_first: int | None
    """Where what is left over of what answered before begins; None when nothing is."""
    is_rest_old: bool
    """Whoever answered from it has had the time to read what came after."""
    filling: Filling | None

    @property
    def currency(self) -> str:
        """What the prices of what answers are in."""
        return self.made_for.rpartition(" ")[2]

    @property
    def free(self) -> int:
        """Where the next filling can begin: behind everything that answers."""
        return -(-self.next // PART) * PART


def made_for(currency: str) -> str:
    """Return what a filling depends on beside the catalog itself."""
    return f"{RULES} {currency}"


def read_state(tx: Connection) -> StoredState:
    row = tx.execute(_READ).one()
    filling = None
    if row.filling_first is not None:
        filling = Filling(
            first=row.filling_first,
            next=row.filling_next,
            after=row.filling_after,
            models=row.filling_models,
            of=row.filling_of,
            made_for=row.filling_for,
        )
    return StoredState(
        version=row.version,
        first=row.first_number,
        next=row.next_number,
        models=row.models,
        made_for=row.made_for,
        rest_first=row.rest_first,
        is_rest_old=row.is_rest_old is True,
        filling=filling,
    )
