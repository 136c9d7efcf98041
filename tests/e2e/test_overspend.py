"""Four gateways, one hard budget, more calls than it can pay for: not a nano too much is spent.

Gateways, control plane and database are the real ones; the upstream answers at once, with as many
tokens as it was allowed to write. `TRADEWIND_TEST_CALLS=10000` makes it as large as the proof.
"""

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import sys
from collections import Counter

import pytest
from sqlalchemy import select

from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core import api_keys
from tradewind.core.clock import SystemClock
from tradewind.features.budgets.schemas import NewBudget, PeriodKind
from tradewind.features.budgets.tables import budget_lease, budget_period
from tradewind.serve.backstage import backstage_served
from tradewind.snapshot import file
from tradewind.snapshot.contents import (
    Budget,
    Endpoint,
    Grant,
    Operation,
    Price,
    Snapshot,
    Target,
    Terms,
)
from tradewind.usage.event import UsageEvent
from tradewind.usage.frames import Frame, scan
from tradewind.usage.segments import list_segments

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]

CALLS = int(os.environ.get("TRADEWIND_TEST_CALLS", "2000"))
GATEWAYS = 4
# Each call has a socket at the client and one at the upstream, which are this process.
_MOST_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
AT_ONCE = 10_000 if _MOST_FILES == resource.RLIM_INFINITY else min(10_000, _MOST_FILES // 2)
CONNECTIONS = 50
_BACKLOG = 4096
"""Thousands of connections are made at once to this process, which makes as many itself."""
PATIENCE_S = 300.0
PEPPER = b"p" * api_keys.PEPPER_BYTES
# Odd prices, so that holds and costs are rounded.
PRICE = Price("price_1", "USD", 1_100_007, 3_300_003, 220_001)
QUESTION = [{"role": "user", "content": "Hello"}]


class EagerUpstream:
    """Writes as much as it may, or anything below."""

    def __init__(self):
        self.answers = 0
        self._source = random.Random(7)
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=_BACKLOG)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                asked = json.loads(await reader.readexactly(length))
                body = self._answer(asked["max_tokens"])
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                    b"content-length: %d\r\n\r\n%b" % (len(body), body)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # a gateway has gone, or the test is over
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    def _answer(self, most):
        self.answers += 1
        written = most if self._source.random() < 0.5 else self._source.randint(1, most)
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hi"},
        }
        return json.dumps(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [choice],
                "usage": {
                    "prompt_tokens": 20,
                    "completion_tokens": written,
                    "total_tokens": 20 + written,
                },
            }
        ).encode()


class Gateways:
    """Processes on one snapshot, one control plane and one journal folder."""

    def __init__(self, folder, backstage, upstream, key, budget_id):
        self.folder = folder
        self.processes = []
        self.ports = []
        (folder / "pepper").write_bytes(PEPPER)
        self._backstage = backstage
        target = Target(
            deployment_id="dep_1",
            replica_id="rep_1",
            provider="openai_compatible",
            address=upstream,
            upstream_model="m",
            credential="c",
            slots=1000,
        )
        endpoint = Endpoint("tw/small", Operation.CHAT, "tw", 1, 4096, 500, PRICE, (target,))
        grant = Grant(key.key_id, key.digest, "org_1", "proj_1")
        terms = Terms("org_1", budgets=(budget_id,))
        file.write(
            folder / "snapshot" / "current",
            Snapshot(
                1, 1, (grant,), (endpoint,), (terms,), (Budget(budget_id, "Everything", "USD"),)
            ),
        )

    async def start(self):
        for number in range(GATEWAYS):
            config = self.folder / f"gateway-{number}.json"
            config.write_text(
                json.dumps(
                    {
                        "port": 0,
                        "snapshot_path": str(self.folder / "snapshot" / "current"),
                        "journal_folder": str(self.folder / "journal"),
                        "pepper_path": str(self.folder / "pepper"),
                        "backstage": str(self._backstage),
                        "limits_file": str(self.folder / "limits"),
                        "node": f"gateway-{number}",
                    }
                )
            )
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tradewind.gateway.process", "--config", str(config)),
                stdout=asyncio.subprocess.PIPE,
            )
            self.processes.append(process)
        for process in self.processes:
            line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
            self.ports.append(int(line.rsplit(b":", 1)[1]))

    async def stop(self):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            await asyncio.wait_for(process.wait(), PATIENCE_S)

    def costs(self):
        """Return what every call cost that is in a journal."""
        journal = self.folder / "journal"
        costs = []
        for name in list_segments(journal):
            for item in scan((journal / str(name)).read_bytes(), is_whole=False):
                if isinstance(item, Frame) and isinstance(item.content, UsageEvent):
                    costs.append(item.content.cost_nanos)  # noqa: PERF401
        return costs


class Client:
    """One connection after another to one gateway."""

    def __init__(self, port, key):
        self._port = port
        self._key = key
        self._streams = None

    async def chat(self, most):
        """Return the status of one call; 0 when the gateway has died."""
        body = json.dumps({"model": "tw/small", "messages": QUESTION, "max_tokens": most}).encode()
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nauthorization: Bearer %b\r\n"
                b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (self._key.encode(), len(body), body)
            )
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            return 0
        return int(head.split(b" ", 2)[1])

    def close(self):
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()


@pytest.fixture
def make_budget(database):
    """Return a function that makes a hard budget of an organization of its own."""
    from sqlalchemy import insert  # noqa: PLC0415

    from tradewind.core.ids import BudgetId  # noqa: PLC0415
    from tradewind.features.accounts.tables import organization  # noqa: PLC0415
    from tradewind.features.budgets.tables import budget  # noqa: PLC0415

    def make(amount):
        budget_id, now = BudgetId.new(), SystemClock().now()
        new = NewBudget("Everything", "USD", amount, PeriodKind.TOTAL)
        with database.transaction() as tx:
            tx.execute(insert(organization).values(id="org_1", name="One", created_at=now))
            tx.execute(
                insert(budget).values(
                    id=budget_id,
                    organization_id="org_1",
                    name=new.name,
                    currency=new.currency,
                    amount_nanos=new.amount_nanos,
                    period=new.period.value,
                    is_hard=True,
                    alert_percents=[],
                    revision=1,
                    created_at=now,
                    updated_at=now,
                )
            )
        return str(budget_id)

    return make


async def spend(gateways, key, calls, connections=CONNECTIONS):
    """Make the calls over all gateways, on so many connections to each; return how many got which
    status.
    """
    statuses = Counter()
    left = iter(range(calls))
    source = random.Random(1)

    async def work(port):
        with contextlib.closing(Client(port, key.text)) as client:
            for _ in left:
                statuses[await client.chat(source.choice([1, 20, 100, 500]))] += 1

    async with asyncio.TaskGroup() as group:
        for port in gateways.ports:
            for _ in range(connections):
                group.create_task(work(port))
    return statuses


@pytest.fixture
async def running(tmp_path, database, make_budget):
    """Return a function that starts everything on a budget of an amount."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(amount):
            budget_id = make_budget(amount)
            socket = tmp_path / "backstage.sock"
            services = BackstageServices(database, SystemClock())
            stack.enter_context(backstage_served(create_backstage(services), socket))
            upstream = await stack.enter_async_context(EagerUpstream())
            key = api_keys.mint(PEPPER)
            gateways = Gateways(tmp_path, socket, upstream.address, key, budget_id)
            stack.push_async_callback(gateways.stop)
            await gateways.start()
            return gateways, key

        yield start


def sums(database):
    with database.transaction() as tx:
        period = tx.execute(select(budget_period)).one()
        leases = tx.execute(select(budget_lease)).all()
    return period, leases


# What the calls would cost on average, by the choice of lengths above and half of the answers
# being as long as they may.
MEAN_NANOS = 120 * 3_300_003 // 1_000_000 + 22


async def test_a_budget_for_half_of_the_calls_pays_for_what_it_can_and_for_nothing_more(
    running, database
):
    amount = MEAN_NANOS * CALLS // 2
    gateways, key = await running(amount)
    statuses = await spend(gateways, key, CALLS)
    period, _ = sums(database)
    assert period.spent_nanos + period.leased_nanos <= amount
    await gateways.stop()
    costs = gateways.costs()
    assert set(statuses) <= {200, 402}, statuses
    assert statuses[402] > 0
    assert len(costs) == statuses[200]
    assert sum(costs) <= amount
    # What could not be spent is less than one call's worth for each that was refused at the end.
    assert sum(costs) > 0.9 * amount
    period, leases = sums(database)
    assert (period.spent_nanos, period.leased_nanos) == (sum(costs), 0)
    assert period.overspent_nanos == 0
    assert all(lease.used_nanos == lease.granted_nanos for lease in leases)


async def test_calls_that_are_all_under_way_at_once_do_not_overspend(running, database):
    """A call is paid for or refused; one that finds this machine out of breath is refused too, by a
    gateway, or as one whose host, which is this process, did not take the connection in time.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
    amount = MEAN_NANOS * AT_ONCE // 2
    gateways, key = await running(amount)
    statuses = await spend(gateways, key, AT_ONCE, connections=AT_ONCE // GATEWAYS)
    await gateways.stop()
    costs = gateways.costs()
    assert set(statuses) <= {0, 200, 402, 429, 502, 503}, statuses
    assert statuses.total() == AT_ONCE
    assert statuses[200] > 0
    assert len(costs) >= statuses[200]
    assert sum(costs) <= amount
    period, leases = sums(database)
    assert (period.spent_nanos, period.leased_nanos) == (sum(costs), 0)
    assert period.overspent_nanos == 0
    assert all(lease.used_nanos == lease.granted_nanos for lease in leases)


async def test_a_gateway_that_is_killed_takes_its_lease_along_and_nothing_is_overspent(
    running, database
):
    amount = MEAN_NANOS * CALLS // 2
    gateways, key = await running(amount)
    spending = asyncio.create_task(spend(gateways, key, CALLS))
    # In the middle of it: when the first lease is on record, some calls are under way.
    while not spending.done():
        await asyncio.sleep(0.02)
        with database.transaction() as tx:
            found = tx.execute(select(budget_period.c.spent_nanos)).first()
        if found is not None and found.spent_nanos > amount // 10:
            break
    gateways.processes[0].kill()
    statuses = await spending
    period, _ = sums(database)
    assert period.spent_nanos + period.leased_nanos <= amount
    await gateways.stop()
    assert set(statuses) <= {0, 200, 402}, statuses
    # Whatever the dead one had in its journal, paid or not, is within what it had leased.
    assert sum(gateways.costs()) <= amount
    period, leases = sums(database)
    dead = [lease for lease in leases if lease.granted_nanos > lease.used_nanos]
    assert period.leased_nanos == sum(each.granted_nanos - each.used_nanos for each in dead)
    assert {lease.node for lease in dead} <= {"gateway-0"}
