"""The loop that keeps the catalog: what is shipped once, what is asked for, what is due."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.clock import SystemClock
from tradewind.features.catalog.service import Catalog
from tradewind.features.catalog.sync import Syncs
from tradewind.plugins.sources.openrouter import OpenRouter
from tradewind.worker.catalog import Importer, Steps, run_catalog, sync_what_waits
from tradewind.worker.fetch import FetchFailed

pytestmark = pytest.mark.postgres

ANSWER = b"""{"data": [{"id": "meta-llama/llama-3.3-70b-instruct", "name": "Meta: Llama 3.3 70B",
"created": 1733506137, "context_length": 131072, "architecture": {"input_modalities": ["text"],
"output_modalities": ["text"]}, "pricing": {"prompt": "0.0000001", "completion": "0.0000003"},
"top_provider": {"context_length": 131072, "max_completion_tokens": 16384},
"supported_parameters": ["tools", "temperature"]}]}"""


class Turned(SystemClock):
    def __init__(self):
        self.at = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def now(self):
        return self.at


@pytest.fixture
def clock():
    return Turned()


@pytest.fixture
def syncs(clock):
    return Syncs(clock)


@pytest.fixture
def fetched():
    return []


@pytest.fixture
def importer(database, syncs, clock, fetched):
    def fetch(url):
        fetched.append(url)
        return ANSWER

    return Importer(database, syncs, clock, fetch)


@pytest.fixture
def run(database, importer, clock):
    """Run the loop for some rounds; returns how often each step was done."""

    def run(rounds=1, refresh_hours=0):
        stop, done = threading.Event(), {"shipped": 0, "live": 0}
        left = [rounds]

        def import_shipped():
            done["shipped"] += 1
            return True

        def live(_tx):
            done["live"] += 1

        def wait(_s):
            left[0] -= 1
            if not left[0]:
                stop.set()

        run_catalog(
            database,
            importer,
            Steps(import_shipped, live),
            wait=wait,
            stop=stop,
            refresh_hours=refresh_hours,
            first_wait_s=0,
        )
        return done

    return run


def offers(database):
    with database.transaction() as tx:
        return Catalog(Turned()).stats(tx).offers


def test_a_first_start_imports_once_and_fetches_nothing(run, importer, fetched):
    assert run(rounds=3) == {"shipped": 1, "live": 3}
    assert {source.name for source in importer.missing()} == {
        "models_dev",
        "genai_prices",
        "mteb",
    }
    assert fetched == []


def test_what_is_shipped_is_not_missing_once_it_is_imported(importer, run, fetched):
    rows = importer.import_shipped()
    assert [row.source for row in rows] == ["models_dev", "genai_prices", "mteb"]
    assert importer.missing() == []
    assert run()["shipped"] == 0
    assert fetched == []


def test_a_sync_that_was_asked_for_is_done_and_recorded(database, importer, syncs, clock, fetched):
    with database.transaction() as tx:
        sync_id = syncs.ask(tx, "openrouter")
    sync_what_waits(importer, threading.Event())
    assert fetched == ["https://openrouter.ai/api/v1/models"]
    assert offers(database) == 1
    with database.transaction() as tx:
        assert syncs.next_waiting(tx) is None
        assert syncs.last_day(tx, "openrouter") == clock.now().date()
        assert syncs.last_tried_at(tx, "openrouter") is not None
    assert sync_id


def test_a_source_that_cannot_be_had_is_noted_and_the_next_goes_on(
    database, syncs, clock, importer
):
    def away(url):
        if "openrouter" in url:
            raise FetchFailed("openrouter.ai does not answer")
        return b"not json"

    failing = Importer(database, syncs, clock, away)
    with database.transaction() as tx:
        for source in ("openrouter", "models_dev"):
            syncs.ask(tx, source)
    sync_what_waits(failing, threading.Event())
    with database.transaction() as tx:
        assert syncs.next_waiting(tx) is None
    assert offers(database) == 0
    row = importer.sync(OpenRouter())
    assert (row.error, row.added) == ("", 2)


def test_a_mirror_of_the_hub_is_asked_where_the_setting_says(database, syncs, clock):
    asked = []

    def fetch(url):
        asked.append(url.partition("?")[0])
        return b"[]"

    importer = Importer(database, syncs, clock, fetch, hub_url="https://mirror.example/hub/")
    with database.transaction() as tx:
        syncs.ask(tx, "huggingface")
    sync_what_waits(importer, threading.Event())
    assert asked == ["https://mirror.example/hub/api/models"]


def test_an_interval_asks_for_what_is_due_and_only_then(run, clock, fetched, importer):
    run(refresh_hours=0)
    assert fetched == []
    importer.ask_for_due(6)
    importer.ask_for_due(6)
    sync_what_waits(importer, threading.Event())
    assert len(fetched) == 2, "each source once"
    clock.at += timedelta(hours=5)
    importer.ask_for_due(6)
    sync_what_waits(importer, threading.Event())
    assert len(fetched) == 2
    clock.at += timedelta(hours=1)
    importer.ask_for_due(6)
    sync_what_waits(importer, threading.Event())
    assert len(fetched) == 4


def test_a_dry_run_changes_nothing(importer, database):
    compared = importer.compare(OpenRouter())
    assert (compared.new_models, len(compared.plan.added)) == (1, 1)
    assert offers(database) == 0
