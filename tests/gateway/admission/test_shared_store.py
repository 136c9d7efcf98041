"""Limits that several processes count in one file."""

import asyncio
import contextlib
import itertools
import json
import sys
import time
from pathlib import Path

import pytest
from msgspec.structs import astuple

from tradewind.core.errors import StartupError
from tradewind.gateway.admission import shared_table
from tradewind.gateway.admission.chain import Scope, ScopeKind
from tradewind.gateway.admission.file_locks import exclusive, unlock
from tradewind.gateway.admission.shared_store import SharedStore
from tradewind.gateway.admission.shared_table import SharedTable, digest_of, shard_lock, shard_of
from tradewind.gateway.admission.store import Refusal

WORKER = Path(__file__).with_name("hammering_worker.py")
PATIENCE_S = 60.0
MINUTE_S = 60.0


def scope_of(requests=None, tokens=None, calls=None, name="k", organization="org"):
    return Scope(ScopeKind.KEY, name, "", organization, requests, tokens, calls)


class Worker:
    """A process on the same limits."""

    def __init__(self, process, number):
        self.process = process
        self.number = number

    @classmethod
    async def start(cls, path):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(WORKER),
            str(path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        worker = cls(process, -1)
        worker.number = (await worker.answer())["worker"]
        return worker

    async def do(self, what, *scopes, times=1, tokens=0):
        order = {"do": what, "scopes": list(map(astuple, scopes)), "times": times, "tokens": tokens}
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        return await self.answer()

    async def answer(self):
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        assert line, "the worker has died"
        return json.loads(line)

    async def kill(self):
        self.process.kill()
        await self.process.wait()

    async def stop(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@pytest.fixture
async def start(tmp_path):
    """Return a function that starts a process on the limits of this test."""
    started = []

    async def start_one():
        worker = await Worker.start(tmp_path / "limits")
        started.append(worker)
        return worker

    yield start_one
    for worker in started:
        await worker.stop()


@pytest.fixture
def store(tmp_path):
    with contextlib.closing(SharedStore(tmp_path / "limits")) as store:
        yield store


async def test_four_processes_together_take_never_more_than_the_limit(start):
    workers = [await start() for _ in range(4)]
    began = time.monotonic()
    # One request a minute flows back every 30 ms; 2,000 are the burst.
    limit = 2000
    counts = await asyncio.gather(
        *(worker.do("take", scope_of(requests=limit), times=1500) for worker in workers)
    )
    passed_s = time.monotonic() - began
    taken = sum(count["taken"] for count in counts)
    assert limit <= taken <= limit + limit * passed_s / MINUTE_S + 1
    assert sum(count["refused"] for count in counts) == 6000 - taken


async def test_four_processes_together_run_never_more_calls_than_the_limit(start):
    workers = [await start() for _ in range(4)]
    counts = await asyncio.gather(
        *(worker.do("run", scope_of(calls=2), times=3000) for worker in workers)
    )
    assert [count["counted_late"] for count in counts] == [0] * 4
    assert max(count["most"] for count in counts) <= 2
    assert sum(count["taken"] for count in counts) > 0
    left = await workers[0].do("take", scope_of(calls=2), times=5)
    assert left == {"taken": 2, "refused": 3}


async def test_the_calls_of_a_killed_process_are_freed_by_those_that_live(start):
    dying, living = await start(), await start()
    assert (await dying.do("take", scope_of(calls=3), times=5))["taken"] == 3
    assert (await living.do("take", scope_of(calls=3), times=5))["taken"] == 0
    await dying.kill()
    async with asyncio.timeout(PATIENCE_S):
        while not (await living.do("take", scope_of(calls=3)))["taken"]:
            await asyncio.sleep(0.1)
    assert (await living.do("take", scope_of(calls=3), times=5))["taken"] == 2


async def test_the_calls_of_a_killed_process_are_freed_by_its_successor(start):
    dying = await start()
    await dying.do("take", scope_of(calls=3), times=3)
    await dying.kill()
    successor = await start()
    assert successor.number == dying.number
    assert (await successor.do("take", scope_of(calls=3), times=5))["taken"] == 3


async def test_a_process_killed_in_the_middle_of_everything_leaves_no_lock_behind(start):
    for _ in range(5):
        dying, living = await start(), await start()
        hammering = asyncio.create_task(dying.do("run", scope_of(100_000, calls=5), times=10**7))
        await asyncio.sleep(0)
        while not (await living.do("run", scope_of(100_000, calls=5), times=20))["taken"]:
            pass
        await dying.kill()
        hammering.cancel()
        with contextlib.suppress(asyncio.CancelledError, AssertionError):
            await hammering
        assert (await living.do("run", scope_of(100_000, calls=5), times=100))["taken"] > 0


async def test_while_a_process_is_stopped_in_the_middle_calls_go_on_and_are_counted_later(
    start, store
):
    """Its lock stays held: nothing may wait for it, and nothing may be forgotten."""
    chain = store.bind((scope_of(requests=60, calls=5),))
    assert chain.take(0, time.monotonic()) == 0.0
    other = SharedTable(_path_of(store))
    lock = shard_lock(shard_of("org"))
    other.locks.take(lock)
    try:
        now = time.monotonic()
        assert [chain.take(0, now) for _ in range(10)] == [0.0] * 10
        assert store.counters == {"counted_late": 10}
        assert chain.readings()[0].calls == 1
    finally:
        other.close()
    later = time.monotonic() + 3.0
    refused = chain.take(0, later)
    assert isinstance(refused, Refusal)
    assert chain.readings()[0].calls == 11
    for _ in range(11):
        chain.settle(0, later, 0.0)
    assert chain.readings()[0].calls == 0
    assert chain.readings()[0].requests_arrival > later + 9


def test_the_limits_stay_when_a_gateway_is_started_again(tmp_path):
    now = time.monotonic()
    with contextlib.closing(SharedStore(tmp_path / "limits")) as store:
        chain = store.bind((scope_of(requests=2),))
        assert [chain.take(0, now), chain.take(0, now)] == [0.0, 0.0]
    with contextlib.closing(SharedStore(tmp_path / "limits")) as store:
        assert isinstance(store.bind((scope_of(requests=2),)).take(0, now), Refusal)


def test_a_file_of_another_boot_of_the_machine_is_made_anew(tmp_path):
    path = tmp_path / "limits"
    now = time.monotonic()
    with contextlib.closing(SharedStore(path)) as store:
        store.bind((scope_of(requests=1),)).take(0, now)
    with path.open("r+b") as file:
        file.seek(8)
        file.write(b"00000000-0000-0000-0000-000000000000")
    with contextlib.closing(SharedStore(path)) as store:
        assert store.bind((scope_of(requests=1),)).take(0, now) == 0.0


def test_a_file_that_another_release_uses_is_not_touched(tmp_path):
    path = tmp_path / "limits"
    with contextlib.closing(SharedStore(path)):
        with path.open("r+b") as file:
            file.write(b"OTHERONE")
        with pytest.raises(StartupError, match="in use by another release"):
            SharedStore(path)
    with contextlib.closing(SharedStore(path)):
        assert path.read_bytes()[:8] == b"TWLIMIT1"


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StartupError, match="cannot be opened"):
        SharedStore(tmp_path / "nowhere" / "limits")


def test_every_place_of_a_worker_is_given_once(tmp_path):
    with contextlib.ExitStack() as stack:
        tables = [
            stack.enter_context(contextlib.closing(SharedTable(tmp_path / "limits")))
            for _ in range(shared_table.WORKERS)
        ]
        assert [table.worker for table in tables] == list(range(shared_table.WORKERS))
        with pytest.raises(StartupError, match="use the shared limits"):
            SharedTable(tmp_path / "limits")


def test_a_full_table_pushes_out_what_lies_idle_for_longest(store):
    """All names that share a set of slots with the first one, one more than there is room for."""
    now = time.monotonic()
    sets = shared_table.SLOTS // shared_table.WAYS

    def set_of(name):
        scope = scope_of(requests=1, name=name)
        return int.from_bytes(digest_of(scope.name)[:4], "little") % sets

    wanted = set_of("0")
    sharing = (name for name in map(str, itertools.count()) if set_of(name) == wanted)
    rivals = list(itertools.islice(sharing, shared_table.WAYS + 1))
    chains = {name: store.bind((scope_of(requests=1, name=name),)) for name in rivals}
    for place, name in enumerate(rivals[:-1]):
        # All but the third are idle, the second for longest.
        ago = 500 - place if name != rivals[2] else 0
        assert chains[name].take(0, now - ago) == 0.0
    assert chains[rivals[-1]].take(0, now) == 0.0
    assert isinstance(chains[rivals[2]].take(0, now), Refusal), "it was in use"
    assert [reading.requests_arrival for reading in chains[rivals[0]].readings()] == [0.0]
    assert chains[rivals[0]].take(0, now) == 0.0, "pushed out, so it begins anew"
    # What was pushed out and comes back settles where it is now.
    chains[rivals[0]].settle(0, now, 0.0)


def test_chains_of_many_organizations_do_not_wait_for_one_another(store):
    """Two locks in different shards; with an endpoint's own limit a chain takes both in order."""
    everybody = Scope(ScopeKind.MODEL, "tw/small", "", "", 100, None, 10)
    chains = [
        store.bind((scope_of(5, name=str(n), organization=f"org{n}"), everybody)) for n in range(30)
    ]
    now = time.monotonic()
    admitted = sum(not isinstance(chain.take(0, now), Refusal) for chain in chains)
    assert admitted == 10
    assert chains[0].readings()[1].calls == 10


def test_what_a_kernel_lock_excludes_is_excluded(tmp_path):
    with contextlib.ExitStack() as stack:
        one, other = (
            stack.enter_context(contextlib.closing(SharedTable(tmp_path / "limits")))
            for _ in range(2)
        )
        one.locks.take(exclusive(10))
        assert not other.locks.try_take(exclusive(10))
        assert other.locks.try_take(exclusive(11))
        one.locks.release(unlock(10))
        assert other.locks.try_take(exclusive(10))


def _path_of(store):
    return Path(f"/proc/self/fd/{store.table.locks._descriptor}").readlink()
