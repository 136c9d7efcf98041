"""One scrape tells of all gateway processes of a host, those that are gone included."""

import asyncio
import contextlib
import json
import signal
import sys

import pytest
from gateway_parts import MODEL, Client, soon, whole_answer
from prometheus_client.parser import text_string_to_metric_families
from scripted_upstream import PATIENCE_S

from tradewind.core.errors import StartupError
from tradewind.gateway.metrics import Metrics
from tradewind.telemetry.families import WORKER_TEXT
from tradewind.usage.event import Outcome, Usage, UsageSource


class Process:
    """One `python -m tradewind.gateway.process`, from outside."""

    def __init__(self, world, node):
        self._world = world
        self._node = node
        self._process = None
        self._port = 0

    async def start(self):
        world, config = self._world, self._world.config
        path = world.folder / f"{self._node}.json"
        path.write_text(
            json.dumps(
                {
                    "port": 0,
                    "snapshot_path": str(config.snapshot_path),
                    "journal_folder": str(config.journal_folder),
                    "pepper_path": str(config.pepper_path),
                    "metrics_folder": str(world.folder / "metrics"),
                    "node": self._node,
                }
            )
        )
        with (world.folder / f"{self._node}.stderr").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tradewind.gateway.process", "--config", str(path)),
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        assert self._process.stdout is not None
        line = await soon(self._process.stdout.readline())
        assert line.startswith(b"listening "), line
        self._port = int(line.rpartition(b":")[2])

    async def end(self, number=signal.SIGTERM):
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            await soon(self._process.wait())
            self._process = None

    async def chat(self, **members):
        client = await Client.connect(self._port, self._world.key.text)
        answer = await client.chat(**members)
        client.close()
        return answer

    async def scrape(self):
        client = await Client.connect(self._port)
        answer = await client.call("GET", "/metrics", key=None)
        client.close()
        assert answer.status == 200, answer
        return samples_of(answer.body)


def samples_of(text):
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
async def two(world, upstream):
    async def script(call):
        await call.answer(whole_answer())

    upstream.script = script
    world.publish(world.endpoint(world.target(upstream.address, host="own")))
    processes = [Process(world, "gateway-0"), Process(world, "gateway-1")]
    try:
        await asyncio.gather(*(each.start() for each in processes))
        yield processes
    finally:
        for each in processes:
            await each.end()


CALLS = ("gen_ai_server_request_duration_seconds_count", "chat", "own", MODEL)
TOKENS = ("gen_ai_client_token_usage_sum", "chat", "own", MODEL, "output")


async def test_whichever_process_is_scraped_tells_of_both(two):
    for count, each in zip((3, 2), two, strict=True):
        for _ in range(count):
            assert (await each.chat()).status == 200
    await two[1].chat(model="tw/none")
    for each in two:
        found = await each.scrape()
        assert found[CALLS] == 5
        assert found[TOKENS] == 15
        assert found["tradewind_refusals_total", "model_not_found", "chat", "404"] == 1
        assert found["tradewind_gateway_processes", "alive"] == 2
        assert found["tradewind_gateway_processes", "gone"] == 0
        # A version is not twice as high for being in force twice.
        assert found[("tradewind_snapshot_version",)] == 2
        assert found[("tradewind_journal_healthy",)] == 1


async def test_what_a_killed_process_has_counted_stays(two):
    first, second = two
    await first.chat()
    await second.chat()
    await second.end(signal.SIGKILL)
    found = await first.scrape()
    assert found[CALLS] == 2
    assert found["tradewind_gateway_processes", "alive"] == 1
    assert found["tradewind_gateway_processes", "gone"] == 1
    # Its connections are nobody's any more: only the one that asks is open.
    assert found[("tradewind_open_connections",)] == 1
    http = found["tradewind_http_total", "requests"]
    await second.start()
    await second.chat()
    found = await first.scrape()
    assert found[CALLS] == 3
    assert found["tradewind_http_total", "requests"] > http
    assert found["tradewind_gateway_processes", "gone"] == 0


async def test_what_the_worker_has_written_is_part_of_the_scrape(two, world):
    text = world.folder / "metrics" / WORKER_TEXT
    text.write_text(
        "# TYPE tradewind_shipping_lag_seconds gauge\ntradewind_shipping_lag_seconds 2\n"
    )
    found = await two[0].scrape()
    assert found[("tradewind_shipping_lag_seconds",)] == 2
    for broken in ("tradewind_shipping_lag_seconds 2", "x" * 300_000 + "\n"):
        text.write_text(broken)
        assert ("tradewind_shipping_lag_seconds",) not in await two[0].scrape()


async def test_gauges_of_a_process_that_only_sleeps_are_written_down_by_itself(two):
    """Nobody asks the second one; its timer writes what it knows."""
    first, second = two
    await second.chat()
    async with asyncio.timeout(PATIENCE_S):
        while (await first.scrape())["tradewind_upstream_total", "calls"] != 1:
            await asyncio.sleep(0.01)


def test_two_processes_of_one_name_do_not_share_their_numbers(tmp_path):
    metrics = Metrics(tmp_path, "gateway")
    with pytest.raises(StartupError, match="another gateway's"):
        Metrics(tmp_path, "gateway")
    metrics.close()


def test_sums_hold_over_many_processes_and_many_series(tmp_path):
    metrics = [Metrics(tmp_path, f"gateway-{number}") for number in range(5)]
    for number, each in enumerate(metrics):
        for model in range(number, 40):
            each.add_call(
                "chat",
                f"model-{model}",
                "own",
                outcome=Outcome.COMPLETED,
                usage=Usage(7, 0, 3, UsageSource.UPSTREAM),
                first_token_us=None,
                duration_us=20_000 * (number + 1),
            )
    expositions = [samples_of(each.exposition()) for each in metrics]
    for found in expositions:
        assert found == expositions[0]
    name = "gen_ai_server_request_duration_seconds"
    for model in range(40):
        count = min(model, 4) + 1
        key = ("chat", "own", f"model-{model}")
        assert expositions[0][f"{name}_count", *key] == count
        assert expositions[0][f"{name}_sum", *key] == pytest.approx(0.02 * count * (count + 1) / 2)
    for each in metrics:
        each.close()
