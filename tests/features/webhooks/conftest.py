"""Webhooks on a real database, with a clock that tests turn."""

from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.ids import MessageId
from tradewind.db.outbox import Message
from tradewind.db.vault import Vault
from tradewind.features.webhooks.courier import Courier
from tradewind.features.webhooks.schemas import NewDestination
from tradewind.features.webhooks.service import Webhooks

URL = "https://hooks.example.org/in"


class HandTurnedClock:
    def __init__(self) -> None:
        self._now = datetime(2030, 1, 31, 12, 34, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def turn(self, **by: float) -> None:
        self._now += timedelta(**by)


@pytest.fixture
def clock() -> HandTurnedClock:
    return HandTurnedClock()


@pytest.fixture
def vault(keys, clock) -> Vault:
    return Vault(keys, clock)


@pytest.fixture
def webhooks(vault, clock) -> Webhooks:
    return Webhooks(vault, clock)


@pytest.fixture
def courier(vault, clock) -> Courier:
    return Courier(vault, clock)


@pytest.fixture
def add(do, webhooks, operator):
    """Add a destination; return it with its secret."""

    def add(actor=operator, *, url=URL, kinds=("budget.alert",), **how):
        return do(webhooks.add_webhook, actor, NewDestination(url, kinds, **how))

    return add


@pytest.fixture
def tell(do, courier, operator, clock):
    """Hand an event to the webhooks, as the relay does; return its id."""

    def tell(kind="budget.alert", *, of=operator, **payload):
        message_id = MessageId.new()
        do(
            courier.take_in,
            Message(message_id, of.organization_id, kind, payload, clock.now(), 0),
        )
        return message_id

    return tell


@pytest.fixture
def sent(do, webhooks, operator):
    """List what was sent to a destination."""

    def sent(made, *, actor=operator):
        return do(webhooks.list_deliveries, actor, made.row.webhook_id)

    return sent
