"""Every operation of both planes under values that Schemathesis makes of their descriptions."""

import contextlib
import importlib.util
import socket
import threading
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
import uvicorn
from fastapi import FastAPI
from schemathesis_run import Known, attack
from sqlalchemy import insert, select
from starlette.testclient import TestClient

from tests.control.conftest import (
    accounts,
    administrator,
    app,
    built,
    client,
    first_run,
    services,
    usage,
    with_management_key,
    with_weak_key,
)
from tests.fuzz.gateways import every_operation
from tradewind.core.ids import OrganizationId, ProjectId, UserId
from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.features.accounts.schemas import KeyPurpose, Viewer
from tradewind.features.accounts.tables import organization, project, user_account
from tradewind.migrations.tables import load_tables

__all__ = [
    "accounts",
    "administrator",
    "app",
    "built",
    "client",
    "first_run",
    "services",
    "usage",
    "with_management_key",
    "with_weak_key",
]
pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"
    ),
    pytest.mark.timeout(0),
]


async def test_no_request_makes_the_data_plane_fail(tmp_path):
    async with every_operation(tmp_path / "gateway") as gateway:
        caller = await gateway.client()
        description = (await caller.call("GET", "/v1/openapi.json")).body
        body = b'{"model": "tw/chat", "input": "Hi"}'
        stored = (await caller.call("POST", "/v1/responses", body)).json
        known = Known(
            ids={
                "model": ["tw/chat", "tw/embeddings"],
                "deployment": ["tw/chat"],
                "response_id": [stored["id"]],
            },
            models=gateway.models,
        )
        run = await attack(description, gateway.url, gateway.key.text, known, tmp_path)
        run.check(fewest_cases=1_000)
        assert (await (await gateway.client()).call("GET", "/healthz")).status == 200
        assert await gateway.metric("tradewind_calls_in_flight") == 0
        assert gateway.events(), "some of them got through"


@pytest.mark.postgres
@pytest.mark.parametrize("role", ["administrator", "weak", "stranger"])
async def test_no_request_makes_the_control_plane_fail(plane, tmp_path, role):
    known = Known(ids_of(plane.client, plane.keys["administrator"]), is_stranger=role == "stranger")
    before = rows_of(plane)
    key = plane.keys[role]["authorization"].removeprefix("Bearer ")
    description = plane.client.get("/api/openapi.json").content
    with served(plane.app) as url:
        run = await attack(description, f"{url}/api", key, known, tmp_path)
        run.check(fewest_cases=300)
    if role != "administrator":
        assert rows_of(plane) == before, f"a {role} key changed what is the first organization's"


class Plane(NamedTuple):
    app: FastAPI
    client: TestClient
    database: Database
    organization_id: str
    """The first one's."""
    keys: dict[str, dict[str, str]]
    """The headers of each role."""


@pytest.fixture
def plane(app, client, database, first_run, keys):
    return Plane(app, client, database, first_run.organization_id, keys)


@pytest.fixture
def keys(database, accounts, with_management_key, with_weak_key):
    hers = key_of_a_stranger(database, accounts)
    return {
        "administrator": with_management_key,
        "weak": with_weak_key,
        "stranger": {"authorization": f"Bearer {hers}"},
    }


def ids_of(client, headers):
    """Make one of everything and return what ids there are, by the names of path parameters."""

    def post(path, **body):
        answer = client.post(f"/api{path}", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return answer.json()

    key = client.get("/api/keys", headers=headers).json()["keys"][0]["id"]
    project = client.get("/api/whoami", headers=headers).json()["project"]["id"]
    # Not shared ones: those are the platform's, and every administrator's while there is one
    # organization.
    connection = post("/connections", host="openai", credential="sk-1", is_shared=False)["id"]
    price = {"currency": "USD", "input": "1", "output": "2"}
    model = {"upstream_model": "tiny", "name": "acme/tiny", "price": price}
    post(f"/connections/{connection}/models", models=[model])
    endpoint = client.get("/api/endpoints", headers=headers).json()["endpoints"][0]["id"]
    budget = post("/budgets", name="Month", currency="USD", amount="10", period="month")["id"]
    return {
        "key_id": [key],
        "subject_id": [project, key],
        "connection_id": [connection],
        "endpoint_id": [endpoint],
        "host_id": ["openai"],
        "budget_id": [budget],
    }


def rows_of(plane):
    """Return everything the first organization has."""
    with plane.database.transaction() as tx:
        return {
            table.name: sorted(
                repr(row)
                for row in tx.execute(
                    select(table).where(table.c.organization_id == plane.organization_id)
                )
            )
            for table in load_tables().sorted_tables
            if "organization_id" in table.c
        }


def key_of_a_stranger(database, accounts):
    """Make an organization with an administrator of its own; return a management key of hers."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    organization_id, project_id = OrganizationId.new(), ProjectId.new()
    user_id = UserId.new()
    viewer = Viewer(
        user_id=user_id,
        email="else@localhost",
        name="Else",
        organization_id=organization_id,
        organization_name="Else",
        project_id=project_id,
        project_name="Else",
        role=Role.ADMIN,
        is_of_platform=False,
        has_password=False,
        csrf_token="",
    )
    with database.transaction() as tx:
        tx.execute(insert(organization).values(id=organization_id, name="Else", created_at=now))
        tx.execute(
            insert(project).values(
                id=project_id, organization_id=organization_id, name="Else", created_at=now
            )
        )
        tx.execute(
            insert(user_account).values(
                id=user_id, email="else@localhost", name="Else", created_at=now
            )
        )
        return accounts.create_key(tx, viewer, name="Hers", purpose=KeyPurpose.MANAGEMENT).text


@contextlib.contextmanager
def served(app):
    """Serve an application on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
