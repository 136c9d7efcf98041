"""D12: reconnect storms, probes that touched the database, pools that grew without bound and took
the server down (litellm#18708, #14325, #38322, #14739; gpustack#4163, #2884, #1212).

What is down is counted from its own side: how often somebody knocks, and how many at a time.
"""

import asyncio
import socket
import threading
import time
from typing import Any

from gateway_parts import World, whole_answer
from starlette.testclient import TestClient

from tradewind.control.app import create_app
from tradewind.control.services import ControlServices
from tradewind.core.errors import Unavailable
from tradewind.db.database import Database, Timeouts
from tradewind.snapshot import file
from tradewind.snapshot.contents import Budget, Grant, Routing, Snapshot

CALLS = 200


class Closed:
    """Takes connections and closes them at once; counts them."""

    def __init__(self):
        self.knocks = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._refuse, "127.0.0.1", 0, backlog=1000)
        self.address = "127.0.0.1:%d" % self._server.sockets[0].getsockname()[1]  # noqa: UP031
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _refuse(self, reader, writer):
        self.knocks += 1
        writer.transport.abort()


async def test_a_host_that_is_down_is_tried_once_a_call_and_not_more(tmp_path):
    """Two attempts at most for each call that comes while it is not known to be down, and hardly
    any once it is.
    """
    world = World(tmp_path)
    async with Closed() as down:
        routing = Routing(max_attempts=3)
        world.publish(world.endpoint(world.target(down.address), routing=routing))
        await world.start()
        for _ in range(20):
            assert (await world.chat()).status == 502
        one_by_one = down.knocks
        answers = await asyncio.gather(*(world.chat() for _ in range(CALLS)))
        assert {answer.status for answer in answers} <= {502, 503}
        assert one_by_one <= 2 * 20
        assert down.knocks - one_by_one <= 2 * CALLS
        await world.stop()


async def test_a_host_that_is_down_is_left_alone_while_another_answers(tmp_path, upstream):
    async def script(call):
        await call.answer(whole_answer())

    upstream.script = script
    world = World(tmp_path)
    async with Closed() as down:
        world.publish(
            world.endpoint(
                world.target(down.address, "rep_down"), world.target(upstream.address, "rep_up")
            )
        )
        await world.start()
        begun = time.monotonic()
        for _ in range(CALLS):
            assert (await world.chat()).status == 200
        seconds = time.monotonic() - begun
        # It rests for 2 s, then twice as long each time; one probe each.
        assert down.knocks <= 6 + seconds / 2
        await world.stop()


async def test_a_control_plane_that_is_down_is_asked_a_few_times_a_second_however_many_call(
    tmp_path, upstream
):
    async with Closed() as down:
        world = World(tmp_path, backstage=down.address)
        grant = world.grant
        grant = Grant(
            grant.key_id, grant.digest, grant.organization_id, grant.project_id, budgets=("bud",)
        )
        endpoint = world.endpoint(world.target(upstream.address))
        world.version += 1
        file.write(
            world.snapshot_path,
            Snapshot(1, 1, (grant,), (endpoint,), (), (Budget("bud", "b", "USD"),)),
        )
        await world.start()
        begun = time.monotonic()
        for _ in range(3):
            answers = await asyncio.gather(*(world.chat() for _ in range(CALLS)))
            assert {answer.status for answer in answers} == {503}
        seconds = time.monotonic() - begun
        assert not upstream.calls
        assert down.knocks <= 20 + 20 * seconds
        await world.stop()


async def test_health_and_metrics_ask_nobody(tmp_path):
    async with Closed() as down:
        world = World(tmp_path, backstage=down.address)
        world.publish(world.endpoint(world.target(down.address)))
        await world.start()
        client = await world.client()
        for _ in range(200):
            assert (await client.call("GET", "/healthz", key=None)).status == 200
            assert (await client.call("GET", "/metrics", key=None)).status == 200
            assert (await client.call("GET", "/v1/models")).status == 200
        assert down.knocks == 0
        await world.stop()


class Silent:
    """A server that takes connections and never says a word; knows how many are open at once."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self._listener.getsockname()[1]
        self.most = self.came = 0
        self._open = []
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self):
        while True:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                return
            taken.settimeout(0)
            self.came += 1
            self._open = [each for each in self._open if not self._is_closed(each)]
            self._open.append(taken)
            self.most = max(self.most, len(self._open))

    @staticmethod
    def _is_closed(taken):
        try:
            while data := taken.recv(4096):
                del data
        except BlockingIOError:
            return False
        except OSError:
            pass
        taken.close()
        return True

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for each in self._open:
            each.close()


def test_a_database_that_hangs_is_never_asked_by_more_than_the_pool_holds():
    server = Silent()
    database = Database(
        f"postgresql://a:b@127.0.0.1:{server.port}/c?sslmode=disable&gssencmode=disable",
        application_name="tests",
        pool_size=3,
        pool_wait_s=0.2,
        timeouts=Timeouts(connect_s=2),
    )
    failures = []

    def ask():
        try:
            with database.transaction():
                pass
        except Unavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.close()
    database.close()
    assert len(failures) == 50, "each was told, and none hangs"
    assert server.most <= 3
    assert server.came <= 50


class Nothing:
    """Has parts of its kind and can do nothing."""

    def __getattr__(self, name):
        return Nothing()


def test_liveness_of_the_control_plane_never_touches_the_database():
    server = Silent()
    database = Database(
        f"postgresql://a:b@127.0.0.1:{server.port}/c", application_name="tests", pool_size=1
    )
    # Nothing else of the services is there: health must not call any of them.
    nothing: dict[str, Any] = {
        name: Nothing() for name in ControlServices.__dataclass_fields__ if name != "database"
    }
    services = ControlServices(database=database, **nothing)
    with TestClient(create_app(services)) as client:
        for _ in range(20):
            assert client.get("/api/health").json() == {"status": "ok"}
    came = server.came
    server.close()
    database.close()
    assert came == 0
