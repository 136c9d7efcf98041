"""D16: a usage query over two years blocked the event loop until the liveness probe killed the
server (LiteLLM componentised incident); an upgrade of the analytics store broke reports
(tensorzero#4341).

Reports that hang on a locked table are refused in bounded time, health goes on answering
meanwhile, and calls of models never notice.
"""

import concurrent.futures
import secrets
import time

import pytest
from argon2 import PasswordHasher
from gateway_parts import whole_answer
from starlette.testclient import TestClient

from tests.control.conftest import a_model
from tests.control.control_parts import KEYS, control_services
from tradewind.control.app import create_app
from tradewind.core.clock import SystemClock
from tradewind.db.database import Database, Timeouts
from tradewind.features.accounts.passwords import Passwords
from tradewind.features.accounts.service import Accounts
from tradewind.readmodels.project_usage import read_project_usage
from tradewind.serve.services import build_services

pytestmark = pytest.mark.postgres
REPORTS = 12


@pytest.fixture
def control(database_url, tmp_path):
    """The control API with short patience, and the headers of a key."""
    database = Database(
        database_url, application_name="tests", timeouts=Timeouts(lock_s=1.0, statement_s=2.0)
    )
    hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    clock = SystemClock()
    accounts = Accounts(secrets.token_bytes(32), clock, Passwords(hasher))
    built = build_services(secrets.token_bytes(32), KEYS)
    with database.transaction() as tx:
        first = accounts.first_run(tx)
    assert first is not None
    with control_services(
        database,
        accounts,
        built,
        tmp_path,
        clock=clock,
        list_models=lambda _tx, _whose: [a_model("tw/a")],
        read_usage=read_project_usage,
    ) as services:
        app = create_app(services)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client, {"authorization": f"Bearer {first.api_key}"}
    database.close()


def test_health_answers_while_reports_hang_and_reports_are_refused_in_time(control, database):
    client, headers = control
    assert client.get("/api/usage", headers=headers).status_code == 200
    with database.connect_raw() as locking:
        locking.execute("LOCK TABLE usage_hour IN ACCESS EXCLUSIVE MODE")
        with concurrent.futures.ThreadPoolExecutor(REPORTS) as pool:
            asked = [pool.submit(client.get, "/api/usage", headers=headers) for _ in range(REPORTS)]
            answered_meanwhile = 0
            while not all(each.done() for each in asked):
                assert client.get("/api/health").status_code == 200
                answered_meanwhile += not all(each.done() for each in asked)
                time.sleep(0.02)
            statuses = {each.result().status_code for each in asked}
        locking.rollback()
    assert answered_meanwhile > 0
    assert statuses == {503}, "told to come back, and not kept"
    assert client.get("/api/usage", headers=headers).status_code == 200


async def test_calls_of_models_go_on_while_every_table_is_locked(world, upstream, database):
    async def script(call):
        await call.answer(whole_answer())

    upstream.script = script
    with database.connect_raw() as locking:
        names = locking.execute(
            "SELECT quote_ident(relname) FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        locking.execute("LOCK TABLE " + ", ".join(name for (name,) in names))
        for _ in range(20):
            assert (await world.chat()).status == 200
    assert len(world.events()) == 20
