"""What gateways ask of files, as the control plane answers it."""

from contextlib import contextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.features.files.file_parts import NOW, id_of, kept_file, listed, owner
from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.errors import Unavailable
from tradewind.wire.stored_files import (
    NamedFiles,
    NotKept,
    decode_found,
    decode_refusal,
    encode,
)


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


def post(client, path, content):
    return client.post("/files" + path, content=encode(content))


@pytest.mark.postgres
def test_a_file_is_recorded_found_listed_and_deleted(client):
    given = kept_file()
    named = NamedFiles(owner(), [given.id, id_of(7)])
    assert post(client, "/room", owner()).status_code == 204
    assert client.put("/files", content=encode(given)).status_code == 204
    assert decode_found(post(client, "/find", named).content).files == [given]
    assert decode_found(post(client, "/list", listed()).content).files == [given]
    assert post(client, "/delete", named).status_code == 204
    assert post(client, "/delete", named).status_code == 404
    assert decode_found(post(client, "/find", named).content).files == []
    assert post(client, "/list", listed(after=given.id)).status_code == 404


@pytest.mark.postgres
def test_what_is_not_recorded_is_told_with_its_reason(client):
    assert client.put("/files", content=encode(kept_file(1))).status_code == 204
    again = client.put("/files", content=encode(kept_file(1)))
    assert (again.status_code, decode_refusal(again.content).why) == (409, NotKept.TAKEN)


@pytest.mark.postgres
@pytest.mark.parametrize("path", ["/room", "/find", "/list", "/delete"])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"owner": 1}'])
def test_what_is_no_question_is_400(client, path, body):
    assert client.post("/files" + path, content=body).status_code == 400
    assert client.put("/files", content=body).status_code == 400


def test_with_the_database_away_gateways_are_told_so():
    away: Any = AwayDatabase()
    with TestClient(create_backstage(BackstageServices(away, StoppedClock()))) as client:
        assert post(client, "/room", owner()).status_code == 503
