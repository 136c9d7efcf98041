"""The process that fills the search of a large catalog, on a database of its own."""

import os
import threading

import pytest

from tradewind.core.errors import Unavailable
from tradewind.readmodels.catalog_search.keeping import STORED_FROM, Did, Keeper
from tradewind.readmodels.catalog_search.live import CatalogSearch
from tradewind.readmodels.catalog_search.made_up import seed
from tradewind.readmodels.catalog_search.query import CatalogQuery
from tradewind.readmodels.catalog_search.rows import Reader
from tradewind.serve.search_filling import fill_in_a_process

pytestmark = pytest.mark.postgres


def test_a_catalog_too_large_for_memory_is_filled_by_a_process_of_its_own(
    database, database_url, tmp_path
):
    with database.connect_raw() as connection:
        seed(connection, STORED_FROM + 1)
    environment = os.environ | {
        "TRADEWIND_DATABASE_URL": database_url,
        "TRADEWIND_DATA": str(tmp_path / "data"),
    }
    stopped = threading.Event()
    stopped.set()
    search = CatalogSearch(database)
    try:
        assert not fill_in_a_process(environment, stopped), "it ends with whoever started it"
        with pytest.raises(Unavailable, match="being built"):
            search.search(CatalogQuery.of(), Reader())

        assert fill_in_a_process(environment, threading.Event())

        assert Keeper(database, may_fill=False).step() is Did.NOTHING
        assert search.search(CatalogQuery.of(), Reader()).total == STORED_FROM + 1
        assert search.search(CatalogQuery.of("mistrall"), Reader()).corrected_text == "mistral"
    finally:
        search.close()
