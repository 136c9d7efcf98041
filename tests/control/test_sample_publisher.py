"""The sample publisher, in its own process, through the whole life of a subscription."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
import uvicorn

from tests.control.marketplace_parts import ANN, DOLLAR, SAID, a_market, emails
from tradewind.control.app import create_app
from tradewind.core.checked_hosts import LoopConnector
from tradewind.features.marketplace.rules.guids import guid_of
from tradewind.features.marketplace.schemas import NewApp
from tradewind.features.webhooks.schemas import EventUrl
from tradewind.plugins.sinks.registry import sinks
from tradewind.testing.fake_network import FakeResolver
from tradewind.worker.marketplace import MarketplaceUpkeep
from tradewind.worker.webhook_post import Poster, trusted

pytestmark = pytest.mark.postgres
PROGRAM = Path(__file__).parents[2] / "docs" / "how-to" / "sample_publisher.py"


@contextmanager
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


@contextmanager
def publisher_process(platform: str, key: str, secret: str, *options: str):
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "--platform", platform, "--port", "0", *options],
        env=os.environ | {"TRADEWIND_API_KEY": key, "WEBHOOK_SECRET": secret},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def get(url: str):
    with urlopen(url, timeout=60) as answer:
        return json.loads(answer.read())


@pytest.fixture
def market(database, accounts, first_run, with_management_key, tmp_path):
    with a_market(database, accounts, first_run, with_management_key, tmp_path) as market:
        yield market


class Story:
    def __init__(self, market, somebody, address, plans):
        self.market, self.somebody, self.address = market, somebody, address
        self.plans = plans
        poster = Poster(FakeResolver({}), LoopConnector(), trusted(None))
        self.upkeep = MarketplaceUpkeep(
            market.database, market.services.marketplace, sinks(), poster
        )

    def settle_down(self):
        """Let the worker do what is due now."""
        while self.upkeep.round():
            pass

    def wait(self, **span):
        self.market.wait(**span)
        self.settle_down()

    @property
    def known(self):
        """What the application knows of its one customer, and the last thing it was told."""
        state = get(f"{self.address}/state")
        [customer] = state["customers"].values()
        return customer["plan"], customer["state"], state["log"][-1][:2] if state["log"] else None

    def status(self, guid):
        return self.market.call("GET", f"/saas/subscriptions/{guid}").json()[
            "saasSubscriptionStatus"
        ]


@pytest.fixture
def story(market):
    fulfilment = market.services.marketplace.fulfilment
    plans = market.sell(
        Basic=emails(fee=10 * DOLLAR), Gold=emails(fee=50 * DOLLAR), Silver=emails(fee=20 * DOLLAR)
    )
    # The secret has to be known before the program starts, its address after that.
    first = NewApp("http://127.0.0.1:1/landing", "http://127.0.0.1:1/webhook", True)
    made = market.do(fulfilment.set_app, market.seller, plans["offer"], first, turns_secret=False)
    key = market.headers["authorization"].removeprefix("Bearer ")
    options = ("--refuse", "Gold", "--ignore", "Silver", "--tolerance", "0")
    with (
        served(create_app(market.services)) as platform,
        publisher_process(platform, key, made.secret.reveal(), *options) as address,
    ):
        app = NewApp(f"{address}/landing", f"{address}/webhook", True)
        market.do(fulfilment.set_app, market.seller, plans["offer"], app, turns_secret=False)
        yield Story(market, market.buyer(), address, plans)


def test_a_publishers_program_goes_through_the_whole_life_of_a_subscription(story):
    market, somebody = story.market, story.somebody
    sales, fulfilment = market.services.sales, market.services.marketplace.fulfilment

    # Bought, and not set up: nothing is charged.
    row = market.subscribe(somebody, story.plans["Basic"])
    guid = guid_of(row.subscription_id)
    story.wait(days=1)
    assert story.status(guid) == "PendingFulfillmentStart"
    assert market.invoiced_cents(somebody) == 0

    # The buyer lands on the publisher's page, which resolves the token and activates.
    link = market.do(fulfilment.purchase_link, somebody, row.subscription_id)
    assert urlsplit(link.url).path == "/landing"
    assert get(link.url) == {"subscription": guid, "scopes": ["models:read"]}
    assert get(link.url)["subscription"] == guid, "the link works again"
    assert (story.status(guid), story.known) == ("Subscribed", ("Basic", "serving", None))

    # It is used: 10,100 e-mails are a hundred more than are included.
    story.wait(days=1)
    at = market.clock.now().strftime("%Y-%m-%dT%H:%M:%S")
    work = f"{story.address}/work?subscription={guid}&dimension=email&quantity=10100&at={at}"
    assert get(work)["status"] == "Accepted"
    story.wait(hours=2)
    assert market.invoiced_cents(somebody) == 1_000 + 100

    # A change that the publisher refuses, and one it says nothing about.
    def change(plan):
        market.do(fulfilment.ask_change, somebody, ANN, row.subscription_id, plan, None, SAID)
        story.settle_down()

    change(story.plans["Gold"])
    story.wait(minutes=1)
    assert market.do(sales.get, somebody, row.subscription_id).plan_name == "Basic"
    change(story.plans["Silver"])
    assert market.do(sales.get, somebody, row.subscription_id).plan_name == "Basic"
    story.wait(seconds=10)
    assert market.do(sales.get, somebody, row.subscription_id).plan_name == "Silver"
    change(story.plans["Basic"])
    assert market.do(sales.get, somebody, row.subscription_id).plan_name == "Basic"
    assert story.known == ("Basic", "serving", ["ChangePlan", "InProgress"])

    # The term ends, and the next one begins.
    story.wait(days=31)
    assert story.known == ("Basic", "serving", ["Renew", "Succeeded"])

    # Nobody pays: reminders, then it is suspended, and usage is not taken any more.
    market.do(sales.note_unpaid, row.subscription_id)
    story.wait(days=13)
    assert story.status(guid) == "Subscribed"
    story.wait(days=1)
    assert story.status(guid) == "Suspended"
    assert story.known == ("Basic", "stopped", ["Suspend", "Succeeded"])
    assert market.report(guid, 1).json()["code"] == "ResourceNotActive"

    # Paid: it goes on, and the publisher agrees to that.
    market.do(sales.note_paid, row.subscription_id)
    story.settle_down()
    assert story.status(guid) == "Subscribed"
    assert story.known == ("Basic", "serving", ["Reinstate", "InProgress"])
    assert market.report(guid, 1).status_code == 200

    # Unpaid again, and for good.
    market.do(sales.note_unpaid, row.subscription_id)
    story.wait(days=44)
    assert story.status(guid) == "Unsubscribed"
    assert story.known == ("Basic", "gone", ["Unsubscribe", "Succeeded"])
    told = [each[0] for each in get(f"{story.address}/state")["log"]]
    assert told.count("Suspend") == 2
    assert told.count("Unsubscribe") == 1, "each is told once"


def test_a_forged_webhook_is_not_believed(story):
    async def post(body, **headers):
        port = urlsplit(story.address).port
        poster = Poster(FakeResolver({}), LoopConnector(), trusted(None))
        url = EventUrl("http", "127.0.0.1", port, "/webhook")
        return (await poster.post(url, headers, body, must_be_public=False)).status

    signature = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
    assert asyncio.run(post(b"{}", **signature)) == 401
    assert get(f"{story.address}/state")["log"] == []


def test_nobody_is_told_of_what_happened_before_there_was_a_webhook(market):
    plans = market.sell(Basic=emails())
    somebody = market.buyer()
    market.subscribed(somebody, plans["Basic"], "Basic")
    market.wait(days=32)
    app = NewApp("https://acme.example/l", "https://acme.example/w")
    fulfilment = market.services.marketplace.fulfilment
    market.do(fulfilment.set_app, market.seller, plans["offer"], app, turns_secret=False)
    untold = market.services.marketplace.untold_moves
    assert market.do(untold, 10) == []
    market.clock.turn_to(market.clock.now() + timedelta(days=31))
    while market.do(market.services.sales.advance, market.clock.now()):
        pass
    moves = market.do(untold, 10)
    assert [move.move for move in moves] == ["renewed"]
    market.do(fulfilment.tell, moves)
    assert market.do(fulfilment.tell, moves) == 1, "told again, and written once"
    assert market.do(untold, 10) == []
    [row] = market.do(market.services.sales.list_own, somebody)
    [told] = market.do(fulfilment.operations_of, somebody, row.subscription_id)
    assert told.action == "Renew"
