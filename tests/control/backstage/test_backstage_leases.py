"""What gateways ask of budgets, as the control plane answers it."""

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.errors import Unavailable
from tradewind.features.accounts.tables import organization
from tradewind.features.budgets.tables import budget
from tradewind.wire.leases import LeaseAnswer, LeaseAsk, LeaseRequest

NOW = datetime(2030, 1, 31, 12, 34, tzinfo=UTC)


class StoppedClock:
    def now(self):
        return NOW

    def monotonic(self):
        return 0.0


class AwayDatabase:
    @contextmanager
    def transaction(self):
        raise Unavailable("the database does not answer")
        yield


@pytest.fixture
def client(database):
    with database.transaction() as tx:
        tx.execute(insert(organization).values(id="org_a", name="A", created_at=NOW))
        tx.execute(
            insert(budget).values(
                id="bud_1",
                organization_id="org_a",
                name="Team",
                currency="USD",
                amount_nanos=1000,
                period="day",
                is_hard=True,
                alert_percents=[],
                revision=1,
                created_at=NOW,
                updated_at=NOW,
            )
        )
    with TestClient(create_backstage(BackstageServices(database, StoppedClock()))) as client:
        yield client


def ask(client, *leases):
    body = msgspec.json.encode(LeaseRequest("gateway", 1, leases))
    return client.post("/leases", content=body)


@pytest.mark.postgres
def test_leases_are_granted_in_the_order_in_which_they_were_asked(client):
    answer = ask(
        client,
        LeaseAsk("bud_2", None, 0, 5, 5),
        LeaseAsk("bud_1", None, 0, 400, 400),
    )
    assert answer.status_code == 200
    gone, granted = msgspec.json.decode(answer.content, type=LeaseAnswer).leases
    assert gone.is_gone
    assert (granted.budget, granted.granted_nanos, granted.left_nanos) == ("bud_1", 400, 600)
    assert granted.period_end_ms == int(datetime(2030, 2, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.postgres
@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"node": "g", "boot": 1, "leases": [1]}'])
def test_what_is_no_question_is_400(client, body):
    assert client.post("/leases", content=body).status_code == 400


@pytest.mark.postgres
def test_what_no_gateway_asks_is_400(client):
    assert ask(client, LeaseAsk("bud_1", None, -5, 0, 0)).status_code == 400


def test_with_the_database_away_gateways_are_told_so():
    away: Any = AwayDatabase()
    with TestClient(create_backstage(BackstageServices(away, StoppedClock()))) as client:
        assert ask(client, LeaseAsk("bud_1", None, 0, 0, 0)).status_code == 503
