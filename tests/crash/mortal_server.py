"""A PostgreSQL for tests that kill it."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tradewind.core.data_folder import DataFolder
from tradewind.db.embedded import EmbeddedPostgres

PATIENCE_S = 300


@contextmanager
def own_server(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that waits for the disk, as the platform's does."""
    server = EmbeddedPostgres(DataFolder(folder), report=print)
    server.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def processes_of(postmaster: int) -> list[int]:
    """The server's own children: backends, checkpointer, writers."""
    return [
        int(pid)
        for task in Path(f"/proc/{postmaster}/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]


def kill_server(server: EmbeddedPostgres, chance: random.Random) -> str:
    """Kill the postmaster, or all its processes, or one of them, which makes it recover.

    Returns which. Start the server again afterwards, whatever it was.
    """
    postmaster = server.pid
    assert postmaster is not None
    children = processes_of(postmaster)
    way = chance.choice(["postmaster", "everything", "child"])
    victims = {
        "postmaster": [postmaster],
        "everything": [postmaster, *children],
        "child": children[:1],
    }[way]
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if way != "child":
        assert server.wait_until_dead(PATIENCE_S)
    return way
