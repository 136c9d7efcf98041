"""Tokens of service accounts, fetched over TLS from a token endpoint on loopback."""

import asyncio
import json
import secrets
import ssl
import threading

import pytest

from tests.features.providers.account_parts import account_file, new_private_key
from tests.gateway.http.tls_parts import Authority
from tests.worker.webhook_parts import Receiver, answer
from tradewind.core.checked_hosts import LoopConnector
from tradewind.core.errors import Unavailable
from tradewind.core.permissions import Role
from tradewind.db.database import Database
from tradewind.db.sealing import HeldKeys, Secret, new_key
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.providers.schemas import NewConnection
from tradewind.serve.services import build_services
from tradewind.worker.provider_tokens import keep_tokens, renew_due
from tradewind.worker.webhook_post import Poster, SystemResolver, trusted

pytestmark = pytest.mark.postgres

GIVEN = answer(200, body=json.dumps({"access_token": "ya29.x", "expires_in": 3599}).encode())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def services():
    return build_services(secrets.token_bytes(32), HeldKeys([new_key()]))


@pytest.fixture
def operator(database, services):
    with database.transaction() as tx:
        made = services.accounts.first_run(tx)
    return Viewer(
        user_id=made.user_id,
        email="admin@localhost",
        name="Administrator",
        organization_id=made.organization_id,
        organization_name="",
        project_id=made.project_id,
        project_name="",
        role=Role.ADMIN,
        is_of_platform=True,
        has_password=False,
        csrf_token="",
    )


@pytest.fixture
def add(database, services, operator):
    """Return a function that adds a connection with a service account of this token endpoint."""

    def add(token_uri, *, is_private_network=True, name="Vertex"):
        credential = Secret(account_file(new_private_key(), token_uri=token_uri))
        new = NewConnection(
            credential,
            host="google-vertex",
            name=name,
            options={"location": "us-east1"},
            is_private_network=is_private_network,
        )
        with database.transaction() as tx:
            return services.providers.add_connection(tx, operator, new).id

    return add


@pytest.fixture
def poster(authority):
    names = SystemResolver()
    yield Poster(names, LoopConnector(), trusted(authority.path))
    names.close()


def opened(database, services):
    with database.transaction() as tx:
        found = services.providers.open_connections(tx)
    return {id_: connection.credential for id_, connection in found.items()}


async def test_a_token_is_fetched_and_opens_the_connection(
    authority, add, database, services, poster
):
    async with Receiver(GIVEN, tls=authority.server()) as endpoint:
        id_ = add(f"https://localhost:{endpoint.port}/token")
        assert await asyncio.to_thread(renew_due, database, services.providers, poster) == 1
        assert await asyncio.to_thread(renew_due, database, services.providers, poster) == 0
    assert opened(database, services) == {id_: Secret("ya29.x")}
    [asked] = endpoint.received
    assert asked.line == "POST /token HTTP/1.1"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.body.startswith(b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bea")
    assert b"PRIVATE" not in asked.body


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (answer(400, body=b'{"error":"a-word-of-theirs"}'), "the answer was 400"),
        (answer(200, body=b'{"error":"a-word-of-theirs"}'), "holds no token"),
        (answer(302, "location: https://localhost/"), "a redirect"),
    ],
)
async def test_an_endpoint_that_gives_none_is_told_in_the_log_and_nothing_of_its_answer(  # noqa: PLR0917
    authority, add, database, services, poster, caplog, given, told
):
    async with Receiver(given, tls=authority.server()) as endpoint:
        add(f"https://localhost:{endpoint.port}/token")
        assert await asyncio.to_thread(renew_due, database, services.providers, poster) == 1
    assert told in caplog.text
    assert "a-word-of-theirs" not in caplog.text
    assert opened(database, services) == {}


async def test_an_endpoint_in_a_private_network_is_not_called_for_a_public_host(  # noqa: PLR0917
    authority, add, database, services, poster, caplog
):
    async with Receiver(GIVEN, tls=authority.server()) as endpoint:
        add(f"https://localhost:{endpoint.port}/token", is_private_network=False)
        await asyncio.to_thread(renew_due, database, services.providers, poster)
    assert endpoint.received == []
    assert "private network" in caplog.text


async def test_one_account_that_fails_does_not_keep_another_from_its_token(
    authority, add, database, services, poster
):
    async with Receiver(GIVEN, tls=authority.server()) as endpoint:
        add("https://no-such-host.invalid/token")
        id_ = add(f"https://localhost:{endpoint.port}/token", name="Other")
        assert await asyncio.to_thread(renew_due, database, services.providers, poster) == 2
    assert opened(database, services) == {id_: Secret("ya29.x")}


def test_the_loop_outlives_a_database_that_is_away(services, caplog):
    class Away(Database):
        def __init__(self):
            """It connects to nothing."""

        def transaction(self):
            stop.set()
            raise Unavailable("the database is away")

    class Stop(threading.Event):
        def wait(self, timeout=None):
            return self.is_set()

    stop = Stop()
    keep_tokens(
        Away(),
        services.providers,
        Poster(SystemResolver(), LoopConnector(), ssl.create_default_context()),
        stop,
    )
    assert "the database is away" in caplog.text
