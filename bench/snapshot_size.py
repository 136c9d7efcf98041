"""`python -m bench.snapshot_size [--keys N]`: what a million keys cost, on disk and in a gateway.

Prints: bytes of the base file; seconds to write it, and to open it with its digest checked; memory
that one process adds after 10,000 random look-ups (its own, and its part of the shared file);
microseconds of a look-up; milliseconds that an event loop stands still while a new base and
10,000 changes are taken by the gateway's own watch.
"""

import argparse
import asyncio
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tradewind.core import api_keys
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.gateway.snapshots import SnapshotWatch
from tradewind.snapshot.base_writer import BaseContents
from tradewind.snapshot.changes import Change
from tradewind.snapshot.contents import Endpoint, Grant, Limits, Operation, Price, Target, Terms
from tradewind.snapshot.store import MOST_ENTRIES, SnapshotStore
from tradewind.snapshot.view import SnapshotView

LOOKUPS = 10_000
KEYS_OF_PROJECT = 10
PROJECTS_OF_ORGANIZATION = 3
ENDPOINTS = 5_000
Key = TypeVar("Key")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.snapshot_size")
    parser.add_argument("--keys", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as folder:
        measure(Path(folder) / "current", options.keys)
    return 0


def measure(path: Path, keys: int) -> None:
    begun = time.perf_counter()
    store = SnapshotStore(path)
    store.write_base(
        BaseContents(
            version=1,
            compiled_at_ms=1,
            grants=grants(keys),
            terms=terms(keys),
            budgets=(),
            endpoints=[endpoint(number) for number in range(ENDPOINTS)],
        )
    )
    say("base written", time.perf_counter() - begun, "s")
    size = path.stat().st_size
    say("base file", size / 1e6, "MB")
    say("for each key", size / keys, "bytes")
    assert store.view is not None
    ids = [grant.key_id for grant in grants(keys)]
    chosen = random.Random(7).sample(ids, min(LOOKUPS, keys))
    del ids
    gc.collect()
    own, shared = memory_kb()

    views: list[SnapshotView] = []
    watch = SnapshotWatch(path, views.append, 0.01)
    begun = time.perf_counter()
    watch.load_first()
    say("opened, digest checked", (time.perf_counter() - begun) * 1000, "ms")
    view = views[-1]
    begun = time.perf_counter()
    for key_id in chosen:
        grant = view.grant(key_id)
        assert grant is not None
        view.proven[api_keys.PREFIX.encode() + key_id.encode() + b"-" + grant.digest] = grant
        view.terms(grant.organization_id)
        view.terms(grant.project_id)
    say("key and its terms, cold", (time.perf_counter() - begun) / len(chosen) * 1e6, "us")
    for number in range(ENDPOINTS):
        view.endpoint(f"publisher-{number % 50}/model-{number}")
    gc.collect()
    own_after, shared_after = memory_kb()
    say("memory of its own, added", (own_after - own) / 1000, "MB")
    say("part of the shared file, added", (shared_after - shared) / 1000, "MB")
    lookups(view, chosen)
    begun = time.perf_counter()
    store.compact()
    say("compaction", time.perf_counter() - begun, "s")
    asyncio.run(pauses(store, watch, views, chosen))
    store.close()


def lookups(view: SnapshotView, chosen: list[str]) -> None:
    say("grant, from the file", each_us(view.grant, chosen), "us")
    missing = [f"{key_id[:-1]}!" for key_id in chosen]
    say("grant that is not there", each_us(view.grant, missing), "us")
    raw = list(view.proven)
    say("grant, proven", each_us(view.proven.get, raw), "us")
    name = "publisher-7/model-7"
    say("endpoint, kept", each_us(view.endpoint, [name] * LOOKUPS), "us")
    subject = view.proven[raw[-1]].project_id
    say("terms, kept", each_us(view.terms, [subject] * LOOKUPS), "us")


async def pauses(
    store: SnapshotStore, watch: SnapshotWatch, views: list[SnapshotView], chosen: list[str]
) -> None:
    """Measure the longest time that a loop did not turn, beside what it needs at rest."""
    watching = asyncio.create_task(watch.run())
    say("longest pause at rest", await longest_pause_ms(lambda: False, 1.0), "ms")
    seen = views[-1].version

    def is_taken() -> bool:
        return views[-1].version != seen

    assert store.view is not None
    for key_id in chosen:
        grant = store.view.grant(key_id)
        assert grant is not None
        views[-1].proven[key_id.encode()] = grant
    store.append(Change(grants=dict.fromkeys(chosen[:1])), 2)
    say("longest pause, one change taken", await longest_pause_ms(is_taken, 60.0), "ms")
    seen = views[-1].version
    store.append(Change(grants=dict.fromkeys(chosen[: MOST_ENTRIES - 1])), 3)
    say("longest pause, 9,999 changes taken", await longest_pause_ms(is_taken, 60.0), "ms")
    former, seen = views[-1], store.view.version
    store.compact()
    views[-1] = former
    taken = len(views)
    pause = await longest_pause_ms(lambda: len(views) > taken, 60.0)
    say("longest pause, new base taken", pause, "ms")
    watching.cancel()


async def longest_pause_ms(is_over: Callable[[], bool], most_s: float) -> float:
    longest = 0.0
    begun = last = time.perf_counter()
    after = 0
    while last - begun < most_s and after < 20:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest = max(longest, now - last)
        last = now
        after += is_over()
    return longest * 1000


def each_us(look_up: Callable[[Key], object], keys: list[Key]) -> float:
    begun = time.perf_counter()
    for key in keys:
        look_up(key)
    return (time.perf_counter() - begun) / len(keys) * 1e6


def grants(count: int) -> Iterator[Grant]:
    """Yield the same ones each time."""
    chance = random.Random(1)
    organization = project = ""
    for number in range(count):
        if number % (KEYS_OF_PROJECT * PROJECTS_OF_ORGANIZATION) == 0:
            organization = f"{OrganizationId.prefix}{word(chance, 26)}"
        if number % KEYS_OF_PROJECT == 0:
            project = f"{ProjectId.prefix}{word(chance, 26)}"
        yield Grant(
            key_id=word(chance, api_keys.ID_LENGTH),
            digest=chance.randbytes(32),
            organization_id=organization,
            project_id=project,
            expires_at_ms=1_900_000_000_000 if number % 3 == 0 else None,
            limits=Limits(requests_per_minute=60) if number % 2 else Limits(),
        )


def terms(keys: int) -> Iterator[Terms]:
    """Yield terms for each organization and project."""
    former: Grant | None = None
    for grant in grants(keys):
        if former is None or former.organization_id != grant.organization_id:
            yield Terms(grant.organization_id, Limits(10_000, 10_000_000), budgets=("budget_1",))
        if former is None or former.project_id != grant.project_id:
            yield Terms(grant.project_id, Limits(1_000, 1_000_000, 100))
        former = grant


def endpoint(number: int) -> Endpoint:
    return Endpoint(
        name=f"publisher-{number % 50}/model-{number}",
        operation=Operation.CHAT,
        publisher=f"publisher-{number % 50}",
        created_at_ms=number,
        context_tokens=131_072,
        max_output_tokens=8_192,
        price=Price(f"price_{number}", "USD", 150_000_000, 600_000_000, 75_000_000),
        targets=tuple(
            Target(
                deployment_id=f"dep_{number}_{each}",
                replica_id=f"rep_{number}_{each}",
                provider="openai_compatible",
                address="https://api.example.com:443",
                upstream_model=f"model-{number}",
                credential="x" * 64,
            )
            for each in range(3)
        ),
        aliases=(f"model-{number}",),
    )


def word(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(_ALPHABET, k=length))


def memory_kb() -> tuple[int, int]:
    """Return this process's private memory and its part of mapped files, in kB."""
    found: dict[str, int] = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0])
    return found["Pss_Anon"], found["Pss_File"]


def say(what: str, figure: float, unit: str) -> None:
    print(f"{what:36} {figure:12.2f} {unit}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
