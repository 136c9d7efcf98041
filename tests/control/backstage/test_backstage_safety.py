"""What gateways fetch for checks, as the control plane answers it."""

import hashlib

import pytest
from starlette.testclient import TestClient

from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.clock import SystemClock
from tradewind.features.safety.keeping import keep_data

pytestmark = pytest.mark.postgres

RAW = bytes(range(256)) * 3


@pytest.fixture
def client(database):
    with TestClient(create_backstage(BackstageServices(database, SystemClock()))) as client:
        yield client


def test_data_are_answered_byte_for_byte_by_their_digest(client, database):
    with database.transaction() as tx:
        digest = keep_data(tx, RAW, SystemClock().now())
    assert digest == hashlib.sha256(RAW).hexdigest()
    answer = client.get(f"/safety/data/{digest}")
    assert (answer.status_code, answer.content) == (200, RAW)


def test_what_nothing_names_is_not_there(client):
    assert client.get(f"/safety/data/{'0' * 64}").status_code == 404


@pytest.mark.parametrize("digest", ["x", "0" * 63, "../0", "A" * 64])
def test_what_is_no_digest_is_refused(client, digest):
    assert client.get(f"/safety/data/{digest}").status_code in {404, 422}
