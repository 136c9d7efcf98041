"""What holds for every answer: headers, request ids, bounds, and errors as problems."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tradewind.control.app import create_app
from tradewind.control.shield import MAX_BODY_BYTES
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database

pytestmark = pytest.mark.postgres

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def broken(_tx, _whose):
    raise RuntimeError("a secret that must not be seen")


@pytest.fixture
def client_of():
    def client(services, **changes):
        app = create_app(dataclasses.replace(services, **changes))
        return TestClient(app, raise_server_exceptions=False)

    return client


def test_every_answer_carries_the_security_headers(client, client_of, services, with_key):
    crashed = client_of(services, list_models=broken).get("/api/models", headers=with_key)
    answers = [
        client.get("/api/health"),
        client.get("/api/openapi.json"),
        client.get("/api/whoami", headers=with_key),
        client.get("/api/whoami"),
        client.get("/api/nothing"),
        client.post("/api/keys"),
        client.get("/nothing"),
        crashed,
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 401, 404, 405, 404, 500]
    for answer in answers:
        assert SECURITY_HEADERS.items() <= dict(answer.headers).items()
        assert answer.headers["x-request-id"].startswith("req_")
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_more_calls_than_connections_are_all_answered(client, with_key):
    with ThreadPoolExecutor(24) as pool:
        calls = [
            pool.submit(client.get, f"/api/{path}", headers=with_key)
            for path in ("models", "keys", "usage", "whoami")
            for _ in range(6)
        ]
    assert {call.result().status_code for call in calls} == {200}


def test_what_is_not_there_is_a_problem(client, problem):
    problem(client.get("/api/nothing"), 404, "not_found")
    problem(client.get("/api/keys/"), 404, "not_found")
    problem(client.get("/api/docs"), 404, "not_found")


def test_a_crash_says_nothing_of_its_reason(client_of, services, with_key, problem):
    answer = client_of(services, list_models=broken).get("/api/models", headers=with_key)
    problem(answer, 500, "internal_error")
    assert "secret" not in answer.text


def test_a_crash_commits_nothing(client_of, services, database, with_key):
    def note_and_break(tx, whose):
        tx.exec_driver_sql("UPDATE organization SET name = 'changed'")
        broken(tx, whose)

    client_of(services, list_models=note_and_break).get("/api/models", headers=with_key)
    with database.transaction() as tx:
        assert tx.exec_driver_sql("SELECT name FROM organization").scalar() == "My organization"


def test_a_database_that_is_away_is_503(client_of, services, with_key, problem, tmp_path):
    away = Database(f"postgresql://nobody@/none?host={tmp_path}", application_name="tests")
    answer = client_of(services, database=away).get("/api/models", headers=with_key)
    problem(answer, 503, "unavailable")


def test_a_statement_that_takes_too_long_is_503(client_of, services, with_key, problem):
    def slow(tx, _whose):
        tx.exec_driver_sql("SET LOCAL statement_timeout = '10ms'")
        tx.exec_driver_sql("SELECT pg_sleep(60)")

    answer = client_of(services, list_models=slow).get("/api/models", headers=with_key)
    problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "2"


def test_an_expected_error_of_a_readmodel_keeps_its_code_and_hint(
    client_of, services, with_key, problem
):
    def unavailable(_tx, _whose):
        raise Unavailable("the catalog is being loaded", hint="try again in a minute")

    answer = client_of(services, list_models=unavailable).get("/api/models", headers=with_key)
    assert problem(answer, 503, "unavailable")["hint"] == "try again in a minute"


def test_the_request_id_of_the_gateway_is_kept_and_any_other_text_is_not(client):
    given = "req_" + "0123456789abcdef" * 2
    assert (
        client.get("/api/health", headers={"x-request-id": given}).headers["x-request-id"] == given
    )
    for text in ("", "req_1", "<script>", given + "0"):
        answer = client.get("/api/health", headers={"x-request-id": text})
        assert answer.headers["x-request-id"] != text


async def _length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(
        str(len(await request.body())), headers={"content-security-policy": "default-src 'self'"}
    )


@pytest.fixture
def with_portal(app: FastAPI):
    app.mount("/", Starlette(routes=[Route("/page", _length, methods=["POST"])]))
    with TestClient(app) as client:
        yield client


def test_what_is_mounted_beside_keeps_its_own_headers_and_gets_the_rest(with_portal):
    answer = with_portal.post("/page", content=b"four")
    assert answer.text == "4"
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_is_mounted_beside_never_answers_below_api(with_portal, problem):
    problem(with_portal.post("/api/page"), 404, "not_found")


def test_a_body_has_a_largest_size(with_portal):
    def chunks(count):
        for _ in range(count):
            yield b"x" * 65_536

    whole = MAX_BODY_BYTES // 65_536
    assert with_portal.post("/page", content=chunks(whole)).text == str(MAX_BODY_BYTES)
    assert with_portal.post("/page", content=chunks(whole + 1)).status_code == 413


def test_models_are_those_of_the_keys_organization(client_of, services, with_key, first_run):
    asked = []
    client_of(services, list_models=lambda _tx, whose: asked.append(whose) or []).get(
        "/api/models", headers=with_key
    )
    assert asked == [first_run.organization_id]


def test_everything_that_the_description_refers_to_is_in_it(client):
    text = client.get("/api/openapi.json").text
    described = json.loads(text)
    wanted = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert "Problem" in wanted
    assert wanted <= described["components"]["schemas"].keys()
    refused = described["paths"]["/keys"]["get"]["responses"]["401"]["content"]
    assert refused == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
