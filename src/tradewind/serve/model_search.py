"""`tradewind models`: searches the catalog of a running platform, on its database."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from tradewind.core.clock import SystemClock
from tradewind.core.errors import NotFound
from tradewind.core.ids import OrganizationId
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.catalog.schemas import OfferRow
from tradewind.features.catalog.service import Catalog
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.reading import only_organization
from tradewind.readmodels.catalog_search.rows import Card, CatalogPage, Reader
from tradewind.serve.running_platform import running_database


class ShownModel(NamedTuple):
    card: Card
    offers: Sequence[OfferRow]


def search_models(settings: Settings, query: CatalogQuery) -> CatalogPage:
    """Raises StartupError when no platform runs on the data folder."""
    with _searching(settings) as (_, search, reader):
        return search.search(query, reader)


def show_model(settings: Settings, name: str) -> ShownModel:
    """Return a model, asked for by its name or an alias, with its offers.

    Raises NotFound and StartupError.
    """
    with _searching(settings) as (database, search, reader):
        catalog = Catalog(SystemClock())
        with database.transaction() as tx:
            owner = reader.organization_id
            found = catalog.show_model(tx, name, None if owner is None else OrganizationId(owner))
            offers = catalog.offers_of(tx, found.model_id)
        [card] = _cards(search, [found.name], reader)
        return ShownModel(card, offers)


def compare_models(settings: Settings, names: Sequence[str]) -> list[Card]:
    """Return the cards of models, in the order they are named. Raises NotFound, StartupError."""
    with _searching(settings) as (_, search, reader):
        return _cards(search, names, reader)


def _cards(search: CatalogSearch, names: Sequence[str], reader: Reader) -> list[Card]:
    cards = search.find(names, reader)
    found = {card.model.name for card in cards}
    for name in names:
        if name not in found:
            raise NotFound(
                f"there is no model '{name[:200]}'", hint="`tradewind models search` finds names"
            )
    return cards


@contextmanager
def _searching(settings: Settings) -> Generator[tuple[Database, CatalogSearch, Reader]]:
    """Yield the search of the platform on a folder, which has to run. Raises StartupError.

    Whoever may read the data folder reads as the platform's organization.
    """
    with running_database(settings, "tradewind-models", pool_size=2) as database:
        search = CatalogSearch(database, currency=settings.currency)
        try:
            with database.transaction() as tx:
                reader = Reader(only_organization(tx))
            yield database, search, reader
        finally:
            search.close()
