"""From a budget to a receiver, through everything that the worker's process is made of."""

import asyncio
import json
import threading
from datetime import UTC, datetime

import pytest

from tests.worker.webhook_parts import Receiver, answer
from tradewind.core.data_folder import DataFolder
from tradewind.core.settings import Settings
from tradewind.db.outbox import outbox_message
from tradewind.features.webhooks.schemas import NewDestination
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import build_services
from tradewind.serve.worker import run_worker
from tradewind.testing.portal_world import PortalWorld

pytestmark = pytest.mark.postgres

LONG_S = 90.0


async def test_a_soft_budgets_alert_reaches_a_webhook_once(database, database_url, tmp_path):
    folder = DataFolder(tmp_path / "data")
    for each in (folder.secrets, folder.journal, folder.content, folder.logs, folder.run):
        each.mkdir(parents=True, mode=0o700)
    folder.snapshot.parent.mkdir()
    services = build_services(
        load_or_create_pepper(folder.secrets), load_or_create_key_encryption(folder.secrets)
    )
    world = PortalWorld(database)
    viewer = world.sign_in().viewer
    async with Receiver(answer(200)) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        new = NewDestination(url, ("budget.alert",), is_private_network=True)
        with database.transaction() as tx:
            services.webhooks.add_webhook(tx, viewer, new)
        row = world.add_budget(viewer, amount_nanos=1_000, is_hard=False, alert_percents=(50,))
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        world.add_usage(viewer, cost_nanos=700, hour=now)

        stop, died = threading.Event(), []
        settings = Settings(data=folder.root, database_url=database_url)

        def work():
            try:
                run_worker(settings, stop)
            except BaseException as error:  # noqa: BLE001  told below
                died.append(error)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            await asyncio.wait_for(receiver.came.wait(), LONG_S)
            # Another look at budgets finds the same part spent, and tells nothing new.
            with database.transaction() as tx:
                services.budget_upkeep.alert(tx, "")
        finally:
            stop.set()
            await asyncio.to_thread(worker.join)
        assert died == []
        (received,) = receiver.received
    event = json.loads(received.body)
    assert (event["type"], event["data"]["budget"]) == ("budget.alert", row.budget_id)
    assert (event["data"]["percent"], event["data"]["spent"]) == (50, "0.0000007")
    with database.transaction() as tx:
        (message,) = tx.execute(outbox_message.select()).all()
    assert message.id == received.headers["webhook-id"]
