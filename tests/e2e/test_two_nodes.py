"""The platform on one machine, gateways on another: two data folders, one database between them."""

import http.server
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.e2e.conftest import CHAT_MODEL
from tests.e2e.running_platform import RunningPlatform
from tests.e2e.starting_parts import COMMAND, tradewind
from tradewind.core.data_folder import DataFolder
from tradewind.core.money import parse_nanos
from tradewind.db.database import Database
from tradewind.db.embedded import EmbeddedPostgres
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.budgets.schemas import NewBudget, PeriodKind
from tradewind.serve.secret_files import load_or_create_key_encryption, load_or_create_pepper
from tradewind.serve.services import Services, build_services
from tradewind.serve.sign_in_link import LINK_LIFETIME
from tradewind.snapshot.contents import Limits

# Its server for tests lies beside the tests of the store that speaks to it.
sys.path.append(str(Path(__file__).parents[1] / "gateway" / "admission"))

from valkey_parts import Server, find_server

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]

PATIENCE_S = 180.0
HOSTED = "hosted"
"""A model at a provider's host, which both machines reach."""


class Upstream(http.server.BaseHTTPRequestHandler):
    """Writes as much as it may, or anything below."""

    protocol_version = "HTTP/1.1"
    chance: ClassVar[random.Random] = random.Random(7)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        most = asked.get("max_tokens") or asked.get("max_completion_tokens") or 5
        written = most if self.chance.random() < 0.5 else self.chance.randint(1, most)
        message = {"role": "assistant", "content": "Hi"}
        answer = json.dumps(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {
                    "prompt_tokens": 20,
                    "completion_tokens": written,
                    "total_tokens": 20 + written,
                },
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        pass


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]

    @property
    def event_id(self) -> UUID:
        return UUID(hex=self.headers["x-request-id"].removeprefix("req_"))


def get(url: str, *, key: str = "", body: object = None) -> Answer:
    request = urllib.request.Request(
        url,
        None if body is None else json.dumps(body).encode(),
        {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return Answer(response.status, _lowered(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lowered(error.headers), error.read())


def _lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def chat(base_url: str, key: str, model: str = HOSTED, most: int = 5) -> Answer:
    question = [{"role": "user", "content": "Hello"}]
    return get(
        f"{base_url}/chat/completions",
        key=key,
        body={"model": model, "messages": question, "max_tokens": most},
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Node:
    """One `tradewind gateway` with a folder of its own."""

    def __init__(self, data: Path, name: str, database_url: str, **settings: str) -> None:
        self.data = data
        self._command = [*COMMAND, "gateway", "--json", "--port", "0", "--node", name]
        self._command += ["--data", str(data)]
        self._environment = {**os.environ, "DATABASE_URL": database_url, **settings}
        self._stderr = data.parent / f"{name}.stderr"
        self.start()

    def start(self) -> None:
        with self._stderr.open("ab") as stderr:
            self.process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=stderr, env=self._environment
            )
        assert self.process.stdout is not None
        timer = threading.Timer(PATIENCE_S, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        assert line, self._stderr.read_text()
        self.base_url: str = json.loads(line)["base_url"]

    @property
    def root_url(self) -> str:
        return self.base_url.removesuffix("/v1")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


class World:
    """Two machines, so to speak."""

    def __init__(self, folder: Path, server: EmbeddedPostgres, platform: RunningPlatform) -> None:
        self.folder = folder
        self.server = server
        self.platform = platform
        self.database = Database(server.url, application_name="tests")
        self.services: Services = build_services(
            load_or_create_pepper(platform.data / "secrets"),
            load_or_create_key_encryption(platform.data / "secrets"),
        )
        with self.database.transaction() as tx:
            code = self.services.accounts.create_sign_in_link(tx, lifetime=LINK_LIFETIME)
            self.viewer: Viewer = self.services.accounts.sign_in_with_link(tx, code).viewer

    @property
    def first_url(self) -> str:
        return self.platform.base_url

    def node_folder(self, name: str) -> Path:
        data = self.folder / name
        if not data.exists():
            shutil.copytree(self.platform.data / "secrets", data / "secrets")
        return data

    @contextmanager
    def node(self, name: str, **settings: str) -> Iterator[Node]:
        node = Node(self.node_folder(name), name, self.server.url, **settings)
        try:
            yield node
        finally:
            status = node.stop()
        assert status == 0, node.stderr

    def make_key(self, limits: Limits | None = None) -> tuple[str, str]:
        """Return the id and the text of a new key."""
        with self.database.transaction() as tx:
            made = self.services.accounts.create_key(
                tx, self.viewer, name="Key", limits=limits or Limits()
            )
        return made.row.key_id, made.text

    def rows(self, sql: str, **parameters: object) -> list[Any]:
        with self.database.transaction() as tx:
            return list(tx.execute(text(sql), parameters))

    def await_known(self, key: str, *urls: str) -> None:
        for url in urls:
            until(lambda url=url: get(f"{url}/models", key=key).status == 200)

    def await_in_the_books(self, ids: set[UUID]) -> None:
        until(lambda: {row.event_id for row in self._events(ids)} == ids)
        assert len(self._events(ids)) == len(ids)

    def _events(self, ids: set[UUID]) -> list[Any]:
        return self.rows(
            "SELECT event_id FROM usage_event WHERE event_id = ANY(:ids)", ids=list(ids)
        )


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tradewind-nodes-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that is neither machine's, and that a test may stop."""
    (folder / "database").mkdir(mode=0o711)
    server = EmbeddedPostgres(DataFolder(folder / "database"), report=print)
    server.start()
    server.wait_ready()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def world(folder: Path, server: EmbeddedPostgres, upstream: int) -> Iterator[World]:
    environment = {"DATABASE_URL": server.url, "TRADEWIND_NODE": "first"}
    platform = RunningPlatform(folder / "first", environment=environment)
    config = folder / "config.yaml"
    config.write_text(
        f"model_list: [{{model_name: {HOSTED}, litellm_params: {{model: openai/m, "
        f"api_base: 'http://127.0.0.1:{upstream}/v1', api_key: sk-0123456789-abcdef}}}}]"
    )
    imported = tradewind(
        *("import", "litellm", config, "--data", platform.data, "--default-price", "1.1,3.3"),
        *("--private-host", "127.0.0.1"),
        environment=environment,
    )
    assert imported.status == 0, imported
    world = World(folder, server, platform)
    yield world
    world.database.close()
    assert platform.stop() == 0


@pytest.fixture(scope="module")
def second(world: World) -> Iterator[Node]:
    with world.node("second", TRADEWIND_PUBLIC_URL="https://portal.example") as node:
        yield node


def other_than(key: str) -> str:
    """Return a key that nobody has."""
    return key[:-1] + ("y" if key.endswith("x") else "x")


def test_a_key_made_on_the_first_works_on_the_second_and_stops_when_it_is_revoked(
    world: World, second: Node
):
    key_id, key = world.make_key()
    world.await_known(key, second.base_url)
    assert chat(second.base_url, key).status == 200
    with world.database.transaction() as tx:
        world.services.accounts.revoke_key(tx, world.viewer, key_id)
    until(lambda: chat(second.base_url, key).status == 401)


def test_usage_of_both_is_in_the_books_once(world: World, second: Node):
    _, key = world.make_key()
    world.await_known(key, world.first_url, second.base_url)
    answers = [chat(url, key) for url in (world.first_url, second.base_url) * 10]
    assert {answer.status for answer in answers} == {200}
    world.await_in_the_books({answer.event_id for answer in answers})
    nodes = {row.node for row in world.rows("SELECT DISTINCT node FROM journal_segment")}
    assert {"first.gateway", "second.gateway"} <= nodes


def test_an_engine_of_the_first_machine_is_named_as_the_reason_on_the_second(
    world: World, second: Node
):
    _, key = world.make_key()
    world.await_known(key, world.first_url, second.base_url)
    assert chat(world.first_url, key, CHAT_MODEL).status == 200
    answer = chat(second.base_url, key, CHAT_MODEL)
    assert (answer.status, answer.error["code"]) == (503, "target_elsewhere")
    assert CHAT_MODEL in answer.error["message"].lower()
    assert "engines of another host" in answer.error["message"]


def test_the_portal_is_elsewhere(second: Node):
    answer = get(f"{second.root_url}/sign-in")
    assert answer.status == 404
    assert b"The portal is at https://portal.example" in answer.body


def test_another_node_of_the_same_name_is_refused(world: World, second: Node):
    assert second.process.poll() is None
    impostor = world.node_folder("impostor")
    ended = tradewind(
        *("gateway", "--port", "0", "--node", "second", "--data", impostor),
        environment={"DATABASE_URL": world.server.url},
    )
    assert ended.status == 1
    assert "another node named 'second' serves this database" in ended.stderr


def live_nodes(data: Path) -> str:
    """Return how many nodes the gateway of this folder was told of last, by its log."""
    lines = (data / "logs" / "gateway.log").read_text().splitlines()
    told = [line for line in lines if line.endswith("share the limits")]
    return told[-1].split(" nodes with ")[0].split()[-1] if told else ""


def spend(urls: list[str], key: str, calls: int, most: int = 5) -> tuple[list[Answer], float]:
    """Make so many calls at each of them, side by side; return how long that took as well."""
    began = time.monotonic()
    answers: list[Answer] = []

    def work(url: str) -> None:
        answers.extend(chat(url, key, most=most) for _ in range(calls))

    threads = [threading.Thread(target=work, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, time.monotonic() - began


def test_without_valkey_each_node_gives_out_its_share_of_a_limit(world: World, second: Node):
    limit = 40
    _, key = world.make_key(Limits(requests_per_minute=limit))
    urls = [world.first_url, second.base_url]
    world.await_known(key, *urls)
    until(lambda: live_nodes(world.platform.data) == live_nodes(second.data) == "2")
    alone, one_s = spend(urls[1:], key, limit)
    assert limit / 2 <= admitted(alone) <= limit / 2 * (1 + one_s / 60) + 1
    answers, both_s = spend(urls, key, limit)
    flowed_off = limit * (one_s + both_s) / 60
    assert limit <= admitted([*alone, *answers]) <= limit + flowed_off + 2


def admitted(answers: list[Answer]) -> int:
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {200, 429}, statuses
    return statuses[200]


def test_with_valkey_all_nodes_together_give_out_the_limit_wherever_calls_come_in(
    world: World, tmp_path: Path
):
    program = find_server()
    if program is None:
        pytest.skip("there is no valkey-server and no redis-server on this machine")
    limit = 40
    _, key = world.make_key(Limits(requests_per_minute=limit))
    valkey = Server(program, tmp_path)
    valkey.start()
    try:
        with (
            world.node("third", TRADEWIND_VALKEY_URL=valkey.url) as third,
            world.node("fourth", TRADEWIND_VALKEY_URL=valkey.url) as fourth,
        ):
            urls = [third.base_url, fourth.base_url]
            world.await_known(key, *urls)
            until(lambda: gateways_in(valkey) == 2)
            one, one_s = spend(urls[:1], key, limit * 3 // 4)
            assert admitted(one) == limit * 3 // 4
            both, both_s = spend(urls, key, limit)
            assert admitted([*one, *both]) <= limit * (1 + (one_s + both_s) / 60) + 1
            assert admitted([*one, *both]) >= limit
    finally:
        valkey.kill()


def gateways_in(valkey: Server) -> int:
    """Return how many gateways have told the server that they live."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(valkey.path))
        connection.sendall(b"ZCARD tradewind:gateways\r\n")
        return int(connection.recv(64).strip()[1:])


def test_a_hard_budget_holds_over_both(world: World, second: Node):
    key_id, key = world.make_key()
    # 400 calls of 250 tokens on average at 3.3 USD a million would cost 0.34 USD.
    amount = 100_000_000
    with world.database.transaction() as tx:
        budget = world.services.budgets.add_budget(
            tx,
            world.viewer,
            NewBudget("Everything", "USD", amount, PeriodKind.TOTAL, key_id=key_id),
        )
    urls = [world.first_url, second.base_url]
    world.await_known(key, *urls)
    until(lambda: all(knows_budget(url, key) for url in urls))
    answers, _ = spend(urls * 2, key, 100, most=500)
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {200, 402}, statuses
    assert min(statuses[200], statuses[402]) > 0
    paid = [answer for answer in answers if answer.status == 200]
    costs = [parse_nanos(answer.headers["x-tradewind-cost"]) for answer in paid]
    assert sum(costs) <= amount
    world.await_in_the_books({answer.event_id for answer in paid})
    [period] = world.rows(
        "SELECT spent_nanos, leased_nanos, overspent_nanos FROM budget_period"
        " WHERE budget_id = :budget",
        budget=budget.budget_id,
    )
    assert period.spent_nanos + period.leased_nanos <= amount
    assert period.overspent_nanos == 0


def knows_budget(url: str, key: str) -> bool:
    question = {"model": HOSTED, "messages": [{"role": "user", "content": "Hello"}]}
    checked = get(f"{url}/admission:check", key=key, body=question)
    return any(each["scope"] == "budget" for each in json.loads(checked.body)["chain"])


def test_with_the_database_stopped_the_second_starts_from_its_last_snapshot_and_serves(
    world: World, second: Node
):
    _, key = world.make_key()
    world.await_known(key, world.first_url, second.base_url)
    world.server.stop()
    try:
        assert second.stop() == 0
        second.start()
        assert "Serving from the snapshot of" in second.stderr
        answers = [chat(url, key) for url in (world.first_url, second.base_url) * 3]
        assert {answer.status for answer in answers} == {200}
        assert chat(second.base_url, other_than(key)).status == 401
    finally:
        world.server.start()
        world.server.wait_ready()
    world.await_in_the_books({answer.event_id for answer in answers})
    _, later = world.make_key()
    world.await_known(later, second.base_url)
