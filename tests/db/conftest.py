"""Servers of their own for tests that stop or kill them, with the settings they really have."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tradewind.core.data_folder import DataFolder
from tradewind.core.run_folder import remove_run_folder
from tradewind.db.embedded import EmbeddedPostgres

MakeServer = Callable[..., EmbeddedPostgres]


@pytest.fixture
def reports() -> list[str]:
    """What the servers of this test have reported."""
    return []


@pytest.fixture
def make_server(reports: list[str]) -> Iterator[MakeServer]:
    """Make a server on a data folder; it is stopped at the end of the test."""
    made: list[tuple[EmbeddedPostgres, DataFolder]] = []

    def make(root: Path, **options: Any) -> EmbeddedPostgres:
        server = EmbeddedPostgres(DataFolder(root), report=reports.append, **options)
        made.append((server, DataFolder(root)))
        return server

    yield make
    for server, data in made:
        server.stop()
        remove_run_folder(data)


@pytest.fixture
def server(make_server: MakeServer, tmp_path: Path) -> EmbeddedPostgres:
    """A server that is ready, with a cluster of its own."""
    server = make_server(tmp_path / "data")
    server.start()
    server.wait_ready()
    return server
