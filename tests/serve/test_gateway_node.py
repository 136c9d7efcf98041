"""A host that only runs gateways: what it needs, when it is refused. More is in tests/e2e."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.node_roll import NodeRefused
from tradewind.serve.gateway_node import GatewayNode
from tradewind.serve.node_entry import enter, node_of
from tradewind.serve.publishing import without_sockets
from tradewind.serve.secret_files import (
    load_or_create_key_encryption,
    load_or_create_pepper,
    missing_secrets,
)
from tradewind.serve.services import Services, build_services
from tradewind.snapshot.contents import ELSEWHERE, Endpoint, Operation, Price, Target

pytestmark = pytest.mark.enable_socket

NOBODY_THERE = "postgresql://u:secret@127.0.0.1:1/tradewind"


@pytest.fixture(autouse=True)
def _without_a_database_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "TRADEWIND_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The secrets of a first machine, and of nothing else."""
    folder = tmp_path / "first" / "secrets"
    load_or_create_pepper(folder)
    load_or_create_key_encryption(folder)
    return folder


def services_of(secrets: Path) -> Services:
    return build_services(load_or_create_pepper(secrets), load_or_create_key_encryption(secrets))


def start(data: Path, url: str | None) -> None:
    node = GatewayNode(Settings(data=data, database_url=url, node="second", port=0), print)
    try:
        node.start()
    finally:
        node.stop()


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path):
    with pytest.raises(StartupError) as raised:
        start(tmp_path, None)
    for missing in ("DATABASE_URL", "secrets/pepper", "secrets/key-encryption-keys"):
        assert missing in raised.value.message
    assert list(tmp_path.iterdir()) == [], "it made nothing of its own in their place"


def test_only_what_is_missing_is_named(tmp_path: Path, secrets: Path):
    shutil.copytree(secrets, tmp_path / "second" / "secrets")
    (tmp_path / "second" / "secrets" / "key-encryption-keys").unlink()
    with pytest.raises(StartupError, match=r"lack [^,]*key-encryption-keys ") as raised:
        start(tmp_path / "second", NOBODY_THERE)
    assert "secret@" not in str(raised.value)


def test_what_must_be_shared_is_all_that_the_platform_keeps_secret(secrets: Path):
    """Whoever adds a file there decides whether other hosts need it."""
    assert missing_secrets(secrets) == []
    files = sorted(secrets.iterdir())
    for each in files:
        each.unlink()
    assert sorted(missing_secrets(secrets)) == files


def test_without_a_database_and_without_a_snapshot_there_is_nothing_to_serve(
    tmp_path: Path, secrets: Path
):
    shutil.copytree(secrets, tmp_path / "second" / "secrets")
    with pytest.raises(StartupError, match="this folder has no snapshot to serve from") as raised:
        start(tmp_path / "second", NOBODY_THERE)
    assert "secret@" not in str(raised.value)
    assert not (tmp_path / "second" / "run").exists()


@pytest.fixture
def enter_from(tmp_path: Path, secrets: Path):
    """Return a function that lets a node in a folder of its own enter a database."""

    def enter_from(database: Database, name: str, *, with_secrets: Path = secrets) -> None:
        folder = DataFolder(tmp_path / name)
        folder.root.mkdir(exist_ok=True)
        settings = Settings(data=folder.root, node="second")
        node = node_of(settings, folder, load_or_create_pepper(with_secrets))
        enter(database, services_of(with_secrets), node)

    return enter_from


@pytest.mark.postgres
def test_a_node_enters_the_platforms_database_and_again_after_a_restart(
    database: Database, enter_from
):
    enter_from(database, "a")
    enter_from(database, "a")
    with pytest.raises(NodeRefused, match="another node named 'second'"):
        enter_from(database, "b")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("revision", "match"),
    [
        ("2026_01_01_0000", "is at the schema 2026_01_01_0000, and this release needs"),
        ("2999_01_01_0000", "is at the schema 2999_01_01_0000, which is newer than this release"),
    ],
)
def test_the_schema_of_another_release_is_refused(
    database: Database, enter_from, revision: str, match: str
):
    with database.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    with pytest.raises(NodeRefused, match=match):
        enter_from(database, "a")


@pytest.mark.postgres
def test_a_database_without_tables_is_refused(empty_database_url: str, enter_from):
    database = Database(empty_database_url, application_name="tests")
    with pytest.raises(NodeRefused, match="has no tables of Tradewind"):
        enter_from(database, "a")
    database.close()


@pytest.mark.postgres
def test_another_machines_pepper_is_refused(database: Database, enter_from, tmp_path: Path):
    enter_from(database, "a")
    other = tmp_path / "other" / "secrets"
    load_or_create_key_encryption(other)
    folder = DataFolder(tmp_path / "b")
    folder.root.mkdir()
    node = node_of(Settings(data=folder.root, node="third"), folder, load_or_create_pepper(other))
    with pytest.raises(NodeRefused, match="is not that of the node 'second'"):
        enter(database, services_of(other), node)


def test_a_folder_keeps_its_identity_and_each_start_is_a_life_of_its_own(tmp_path: Path):
    pepper, settings, folder = b"p" * 32, Settings(data=tmp_path, workers=3), DataFolder(tmp_path)
    first, second = node_of(settings, folder, pepper), node_of(settings, folder, pepper)
    assert first.installation == second.installation
    assert first.life != second.life
    assert first.gateways == 3
    folder.installation.write_bytes(b"\xff torn")
    assert node_of(settings, folder, pepper).installation != first.installation


def test_targets_on_a_socket_stay_without_what_opens_them():
    engine = Target("dep_1", "rep_1", "openai_compatible", "/run/engine.sock", "m", "engine-key")
    hosted = Target("con_1", "ept_1", "openai", "https://api.openai.com:443", "m", "key")
    endpoint = Endpoint(
        "p/m", Operation.CHAT, "p", 1, 8, 8, Price("p", "USD", 1, 1, 1), (engine, hosted)
    )
    seen = without_sockets(endpoint)
    assert seen.targets == (
        Target("dep_1", "rep_1", ELSEWHERE, "", "m", ""),
        hosted,
    )
    assert without_sockets(seen) is seen
