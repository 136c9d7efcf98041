"""A credential goes into the control API and is in nothing that comes out of it: no answer, no log
record, no error, and no row of the database.
"""

import dataclasses
import logging

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from tradewind.control.app import create_app

pytestmark = pytest.mark.postgres

TEXT = "sk-needle-4f1d7c0a9e6b"
PARTS = '{"access_key_id": "AKIA-needle-88", "secret_access_key": "needle-52c1f0"}'
NEEDLES = (TEXT, "needle", TEXT[3:], "AKIA")


@pytest.fixture
def everything(caplog):
    """Collect what comes out; the last check is over all of it."""
    caplog.set_level(logging.DEBUG)
    out = []

    def seen(answer):
        out.append(answer.text)
        out.append(str(answer.headers))
        return answer

    yield seen
    out.append(caplog.text)
    out += [str(record.__dict__) for record in caplog.records if not is_of_the_client(record)]
    for haystack in out:
        for needle in NEEDLES:
            assert needle not in haystack


def is_of_the_client(record):
    """The test's own HTTP client may log what it sends."""
    return record.name.startswith(("httpx", "httpcore"))


@pytest.fixture
def ask(client, with_management_key, everything):
    def ask(method, path, body=None, **how):
        headers = with_management_key | how.pop("headers", {})
        return everything(client.request(method, f"/api{path}", json=body, headers=headers, **how))

    return ask


def test_no_answer_holds_it(ask, database):
    bodies = [
        {"host": "groq", "credential": TEXT},
        {"host": "amazon-bedrock", "credential": PARTS, "options": {"region": "eu-west-1"}},
        {"base_url": "https://a.example/v1", "name": "A", "credential": TEXT},
    ]
    made = [ask("POST", "/connections", body) for body in bodies]
    assert [answer.status_code for answer in made] == [201, 201, 201]
    ask("GET", "/connections")
    for answer in made:
        path = f"/connections/{answer.json()['id']}"
        ask("GET", path)
        ask("PATCH", path, {"zone": "b"})
        ask("PUT", f"{path}/credential", {"credential": TEXT})
        ask("PATCH", path, {"base_url": "https://b.example/v1", "credential": TEXT})
    ask(
        "POST", f"/connections/{made[0].json()['id']}/models", {"models": [{"upstream_model": "x"}]}
    )
    ask("GET", "/endpoints")
    with database.transaction() as tx:
        tables = tx.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        dump = "".join(
            line
            for table in tables.all()
            for line in tx.execute(text(f'SELECT row_to_json(t)::text FROM "{table}" t')).scalars()
        )
    assert made[0].json()["id"] in dump
    for needle in NEEDLES:
        assert needle not in dump
        assert needle.encode().hex() not in dump


@pytest.mark.parametrize(
    "body",
    [
        {"host": "groq", "credential": TEXT, "unknown": TEXT},
        {"host": TEXT, "credential": TEXT, "is_shared": "x"},
        {"host": "groq", "credential": [TEXT]},
        {"host": "groq", "credential": {"key": TEXT}},
        {"host": "groq", "credential": f"{TEXT}\r\nx: y"},
        {"host": "groq", "credential": "{" + TEXT},
        {"host": "groq", "credential": '{"key": ["' + TEXT + '"]}'},
        {"host": "watsonx", "credential": TEXT},
        {"base_url": f"https://user:{TEXT}@a.example", "credential": TEXT, "name": "A"},
        {"base_url": f"https://a.example/?key={TEXT}", "credential": TEXT, "name": "A"},
        {"host": "groq", "credential": TEXT * 1000},
    ],
    ids=range(11),
)
def test_no_refusal_holds_it(ask, body):
    if body.get("host") == TEXT:
        body = body | {"host": "groq"}
    assert ask("POST", "/connections", body).status_code == 422


def test_no_broken_json_is_repeated(ask):
    for raw in (f'{{"credential": "{TEXT}"', f'"{TEXT}"', TEXT):
        answer = ask(
            "POST", "/connections", headers={"content-type": "application/json"}, content=raw
        )
        assert answer.status_code == 422


def test_a_crash_in_the_middle_of_it_tells_nothing(services, with_management_key, everything):
    class Broken:
        def add_connection(self, _tx, _actor, new):
            raise RuntimeError(f"cannot add {new!r}")

    app = create_app(dataclasses.replace(services, providers=Broken()))
    client = TestClient(app, raise_server_exceptions=False)
    body = {"host": "groq", "credential": TEXT}
    answer = everything(client.post("/api/connections", json=body, headers=with_management_key))
    assert answer.status_code == 500


def test_a_database_that_refuses_it_tells_nothing(ask, database):
    with database.transaction() as tx:
        tx.execute(text("ALTER TABLE provider_connection ADD CHECK (zone = 'never')"))
    answer = ask("POST", "/connections", {"host": "groq", "credential": TEXT})
    assert answer.status_code == 500
