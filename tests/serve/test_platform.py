"""The platform as one thing, as far as that shows without starting it; the rest is in tests/e2e."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradewind.core.errors import StartupError
from tradewind.core.settings import Settings
from tradewind.serve.guard import lock_data_folder
from tradewind.serve.platform import Platform
from tradewind.serve.prepare import Prepared

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def reports() -> list[str]:
    return []


def prepared(*, has_administrator: bool) -> Prepared:
    return Prepared(None, "code", "key", has_administrator)


def test_a_start_that_is_refused_gives_the_folder_back(tmp_path: Path, reports: list[str]):
    platform = Platform(Settings(data=tmp_path, llama_server=Path("/nowhere")), reports.append)
    with pytest.raises(StartupError, match="there is no llama-server at '/nowhere'"):
        platform.start()
    with pytest.raises(StartupError, match="in use"):
        lock_data_folder(tmp_path / "lock")
    platform.stop()
    platform.stop()
    os.close(lock_data_folder(tmp_path / "lock"))
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert reports == []


def test_one_that_found_the_folder_in_use_touches_nothing_in_it(tmp_path: Path):
    held = lock_data_folder(tmp_path / "lock")
    (tmp_path / "run").mkdir()
    platform = Platform(Settings(data=tmp_path), print)
    with pytest.raises(StartupError, match=f"in use by process {os.getpid()}"):
        platform.start()
    platform.stop()
    assert (tmp_path / "run").is_dir()
    os.close(held)


def test_it_listens_where_it_is_told_once_there_is_an_administrator(
    tmp_path: Path, reports: list[str]
):
    platform = Platform(Settings(data=tmp_path, host="192.0.2.7"), reports.append)
    assert platform._host_for(prepared(has_administrator=True)) == "192.0.2.7"
    assert reports == []
    assert platform._host_for(prepared(has_administrator=False)) == "127.0.0.1"
    [report] = reports
    assert report.startswith("Listening on 127.0.0.1 only: no administrator has a password yet.")
    assert report.endswith("start again for 192.0.2.7.")


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Platform]:
    """A platform that has taken a free port and nothing else."""
    platform = Platform(
        Settings(data=tmp_path, port=0, public_url="https://models.example.org/"), print
    )
    platform._listen("127.0.0.1")
    yield platform
    platform.stop()


def test_links_are_made_from_the_public_url(listening: Platform):
    assert listening.base_url == "https://models.example.org"
    assert (listening.local_host, listening.port > 0) == ("127.0.0.1", True)


@pytest.mark.parametrize(
    ("host", "local"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("192.0.2.7", "192.0.2.7"), ("::1", "::1")],
)
def test_an_address_that_means_all_is_reached_by_loopback(tmp_path: Path, host: str, local: str):
    assert Platform(Settings(data=tmp_path, host=host), print).local_host == local
