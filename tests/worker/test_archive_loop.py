"""The loop that has days archived, and the process that does it."""

import os
import threading
from datetime import UTC, datetime, timedelta

import pytest

from tests.features.metering.archive_parts import Usage, event
from tradewind.core.errors import StartupError
from tradewind.core.settings import Settings
from tradewind.serve import archiving
from tradewind.worker.archive import keep_archive

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


@pytest.fixture
def usage(database, tmp_path) -> Usage:
    usage = Usage(database, tmp_path)
    day = datetime.now(UTC) - timedelta(days=60)
    usage.add(event(n, day) for n in range(5))
    return usage


def settings(usage, **more):
    return Settings(data=usage.folder, database_url=usage.database.url, archive_usage=True, **more)


def test_a_day_is_archived_in_a_process_of_its_own(usage):
    chosen = settings(usage, usage_days=40)
    environment = os.environ | {
        "TRADEWIND_DATABASE_URL": usage.database.url,
        "TRADEWIND_DATA": str(usage.folder),
        "TRADEWIND_USAGE_DAYS": "40",
        "TRADEWIND_ARCHIVE_USAGE": "1",
    }
    stop = threading.Event()
    rounds = []

    def work():
        rounds.append(archiving.archive_in_a_process(environment, stop))
        stop.set()
        return rounds[-1]

    keep_archive(archiving.build_archiver(chosen, usage.database), work, stop)

    assert rounds == [True]
    assert usage.states() == [(0, "dropped", 5)]
    assert archiving.archives(chosen)[0].totals.events == 5


def test_a_day_that_is_archived_is_not_due_again(usage):
    archiver = archiving.build_archiver(settings(usage), usage.database)
    assert archiver.is_due()
    archiver.run()
    assert not archiver.is_due()


def test_usage_that_would_leave_for_nowhere_is_refused(usage):
    chosen = Settings(data=usage.folder, database_url=usage.database.url, usage_days=40)
    with pytest.raises(StartupError, match="there is no archive"):
        archiving.check_archive(chosen)
