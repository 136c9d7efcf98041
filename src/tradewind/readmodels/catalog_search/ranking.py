"""In which order results come. Pure, and published: the page shows `RANKING_RULE` as it is."""

from datetime import date

from tradewind.readmodels.catalog_search.query import Sort
from tradewind.readmodels.catalog_search.rows import CatalogRow
from tradewind.readmodels.catalog_search.words import fold

RANKING_RULE = """\
Every word of the search must match. A word that is part of a model's name counts more than one of
its family or publisher, those count more than one of its description, a whole word more than the
beginning of one, and a word as typed more than one with typing errors. Equal models are ordered by
how many offers of them are known, then by release, the newest first, then by name. Who publishes
or sells a model, what it would earn, and who runs this platform play no part."""

# What one word of a question adds to the score of a model it matches, at most 7.
WHOLE_NAME = 7
WHOLE_GROUP = 6
BEGINS_NAME = 5
BEGINS_GROUP = 4
IN_PARTS = 4
ONE_ERROR = 3
TWO_ERRORS = 2
IN_TEXT = 1

_LAST = 2**63 - 1

RuleKey = tuple[int, int, str, str]


def rule_key(row: CatalogRow) -> RuleKey:
    """Return what models are ordered by when nothing else tells them apart. The id at the end only
    makes the order one: it says nothing but when a model was added.
    """
    return (-row.offers, -_day(row.released_on), name_key(row), row.model_id)


def name_key(row: CatalogRow) -> str:
    return fold(row.display_name or row.slug)[:200]


def sort_key(row: CatalogRow, sort: Sort) -> tuple[object, ...]:
    """Return what a sort orders by; what is unknown comes last."""
    rule = rule_key(row)
    match sort:
        case Sort.RELEVANCE:
            return rule
        case Sort.NEWEST:
            return (-_day(row.released_on), *rule)
        case Sort.PRICE:
            return (_LAST if row.price is None else row.price.mixed_nanos, *rule)
        case Sort.CONTEXT:
            return (-(row.context_tokens or 0), *rule)
        case Sort.NAME:
            return (name_key(row), *rule)
        case Sort.OFFERS:
            return (-row.offers, *rule)


def sort_value(row: CatalogRow, sort: Sort) -> int | date | str | None:
    """Return what a card shows for the sort."""
    match sort:
        case Sort.RELEVANCE:
            return None
        case Sort.NEWEST:
            return row.released_on
        case Sort.PRICE:
            return None if row.price is None else row.price.mixed_nanos
        case Sort.CONTEXT:
            return row.context_tokens
        case Sort.NAME:
            return row.display_name
        case Sort.OFFERS:
            return row.offers


def _day(day: date | None) -> int:
    return 0 if day is None else day.toordinal()
