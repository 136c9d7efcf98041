"""What the worker notes of calls at providers, out of the request log."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tradewind.core.errors import Unavailable
from tradewind.features.metering.rules import LogRow
from tradewind.features.providers.health import Minute
from tradewind.worker.connection_health import ConnectionHealth

MINUTE = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


class Kept:
    """Stands for the feature: keeps what is noted, unless it is away."""

    def __init__(self) -> None:
        self.noted: list[dict[str, list[Minute]]] = []
        self.is_away = False

    def note(self, _tx, minutes) -> None:
        if self.is_away:
            raise Unavailable("the database is away")
        self.noted.append(minutes)


class NoDatabase:
    def transaction(self):
        return threading.Lock()


def a_call(*attempts, second=0) -> LogRow:
    told = [
        {"deployment_id": place, "host": "h", "why": "", "status": status, "failure": failure}
        for place, status, failure in attempts
    ]
    at = MINUTE + timedelta(seconds=second)
    return LogRow(
        uuid4(), at, "o", "p", "k", "chat", "openai", "m", "m", "h", 200, "", told, 0, 0, "", "", {}
    )


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def health(kept):
    return ConnectionHealth(NoDatabase(), kept)  # type: ignore[arg-type]


def test_attempts_are_counted_by_account_and_minute(health, kept):
    health.observe(
        [
            a_call(("conn_a", 500, "failed"), ("conn_b", 200, "")),
            a_call(("conn_a", 200, ""), second=59),
            a_call(("conn_a", 0, "refused"), second=60),
            a_call(("dep_own", 500, "failed")),
            a_call(("conn_a", 400, "caller")),
            a_call(),
        ]
    )
    health.note()
    later = MINUTE + timedelta(minutes=1)
    assert kept.noted == [
        {
            "conn_a": [Minute(MINUTE, 2, 1, "status 500"), Minute(later, 1, 1, "refused")],
            "conn_b": [Minute(MINUTE, 1, 0, "")],
        }
    ]
    health.note()
    assert len(kept.noted) == 1, "nothing is told twice"


def test_what_could_not_be_told_is_told_later_with_what_came_meanwhile(health, kept):
    kept.is_away = True
    health.observe([a_call(("conn_a", 500, "failed"))])
    with pytest.raises(Unavailable):
        health.note()
    kept.is_away = False
    health.observe([a_call(("conn_a", 200, ""))])
    health.note()
    assert kept.noted == [{"conn_a": [Minute(MINUTE, 2, 1, "status 500")]}]
