"""What gateways ask of stored responses, as the control plane answers it."""

import json
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.features.responses.response_parts import NOW, at, milliseconds, stored
from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.errors import Unavailable
from tradewind.wire.stored_responses import Renewal, decode_chain, decode_stored, encode


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
    with TestClient(create_backstage(BackstageServices(database, StoppedClock()))) as client:
        yield client


def put(client, path, content):
    return client.put(path, content=encode(content)).status_code


def post(client, path, content):
    return client.post(path, content=encode(content))


@pytest.mark.postgres
def test_a_response_is_kept_found_and_deleted(client):
    given = stored(previous="resp_0")
    assert put(client, "/responses", given) == 204
    assert put(client, "/responses", given) == 204
    found = post(client, "/responses/find", at())
    assert (found.status_code, decode_stored(found.content)) == (200, given)
    chain = decode_chain(post(client, "/responses/chain", at()).content)
    assert chain.links == [given]
    assert post(client, "/responses/delete", at()).status_code == 204
    for path in ("/responses/find", "/responses/chain", "/responses/delete"):
        assert post(client, path, at()).status_code == 404


@pytest.mark.postgres
def test_what_runs_is_renewed_until_it_ends(client):
    renewal = Renewal(at(), milliseconds(NOW))
    assert post(client, "/responses/renew", renewal).status_code == 404
    put(client, "/responses", stored(running_until_ms=1))
    assert post(client, "/responses/renew", renewal).status_code == 204
    assert put(client, "/responses/ended", stored()) == 204
    assert put(client, "/responses/ended", stored()) == 404
    assert post(client, "/responses/renew", renewal).status_code == 404


@pytest.mark.postgres
@pytest.mark.parametrize("content", [b"", b"{", b"7", json.dumps({"id": "resp_1"}).encode()])
def test_what_cannot_be_read_is_refused_and_not_logged(client, content, caplog):
    secret = content + b"   secret"
    assert client.put("/responses", content=secret).status_code == 400
    assert "secret" not in caplog.text
    for path in ("find", "chain", "delete", "renew"):
        assert client.post(f"/responses/{path}", content=content).status_code == 400


def test_a_database_that_is_away_is_told_as_such():
    away: Any = AwayDatabase()
    client = TestClient(create_backstage(BackstageServices(away, StoppedClock())))
    assert put(client, "/responses", stored()) == 503
    assert post(client, "/responses/find", at()).status_code == 503
