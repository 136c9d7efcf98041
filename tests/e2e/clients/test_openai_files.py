"""Files of the official OpenAI client, two major versions of it, at a host that keeps them.

The engines of the platform have no files, so the gateway runs here, in front of a fake host.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.clients.tls_platform import STORIES, Story
from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.clock import SystemClock
from tradewind.db.database import Database
from tradewind.plugins.providers.fakes.host import FakeHost
from tradewind.plugins.providers.fakes.openai import HABITS, FakeOpenAI
from tradewind.serve.backstage import backstage_served

# The gateway's test parts import each other by their plain names.
sys.path.append(str(Path(__file__).parents[2] / "gateway"))
from tests.gateway.files_parts import FilesWorld
from tests.gateway.gateway_parts import MODEL

pytestmark = [pytest.mark.platform, pytest.mark.timeout(900), pytest.mark.enable_socket]

_STORY_TIMEOUT_S = 400
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "b.sock"
    with backstage_served(create_backstage(BackstageServices(database, SystemClock())), path):
        yield str(path)


@pytest.fixture
async def host() -> AsyncIterator[FakeHost]:
    [habits] = [habits for habits in HABITS if habits.name == "openai"]
    async with FakeHost(FakeOpenAI(habits)) as host:
        yield host


@pytest.fixture
async def world(tmp_path: Path, store: str, host: FakeHost) -> AsyncIterator[FilesWorld]:
    world = FilesWorld(tmp_path, backstage=store)
    world.publish_all(world.endpoint(world.at(host, "conn_1")))
    await world.start()
    yield world
    await world.stop()


async def told(python: Path, story: str, world: FilesWorld) -> Story:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {
        "TRADEWIND_URL": f"http://127.0.0.1:{world.port}",
        "TRADEWIND_KEY": world.key.text,
        "TRADEWIND_LIMITED_KEY": world.key.text,
        "TRADEWIND_LIMITED_KEY_REQUESTS": "0",
        "TRADEWIND_MODEL": MODEL,
        "TRADEWIND_EMBEDDINGS_MODEL": MODEL,
    }
    process = await asyncio.create_subprocess_exec(
        python,
        STORIES / story,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await asyncio.wait_for(process.communicate(), _STORY_TIMEOUT_S)
    return Story(out.decode(), error.decode())


@pytest.mark.parametrize("client", ["openai-2", "openai-3"])
async def test_files_are_uploaded_asked_about_read_back_and_deleted(
    client: str, python_of: Callable[[str], Path], world: FilesWorld, host: FakeHost
) -> None:
    story = await told(python_of(client), "openai_files_story.py", world)
    saw = story["files"]
    made = saw["made"]
    assert (made["bytes"], made["filename"]) == (128_000, "ledger.bin")
    assert (made["object"], made["purpose"]) == ("file", "user_data")
    assert saw["is_kept"]
    assert saw["listed"] == [made["id"]]
    assert saw["text"]
    [asked] = [each.json for each in host.requests if each.path.endswith("/chat/completions")]
    assert asked["messages"][0]["content"][1]["file"]["file_id"] == "file-fake1"
    assert saw["is_read_back"]
    assert saw["deleted"] == {"id": made["id"], "object": "file", "deleted": True}
    assert saw["missing"] == "file_not_found"
    assert story["azure_files"] == {"content": "{}\n", "is_listed": True, "deleted": True}
    assert story["somebody_elses_file"] == {"code": "file_not_found", "param": "file_id"}
