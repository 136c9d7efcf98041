"""`tradewind keys rotate`: what is sealed stays open, for whoever runs meanwhile too."""

from pathlib import Path

import pytest
from sqlalchemy import select

from tradewind.core.clock import SystemClock
from tradewind.core.errors import StartupError
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.db.node_roll import Node, join_roll
from tradewind.db.sealing import Place, Secret
from tradewind.db.vault import Sealed, Vault, data_key
from tradewind.serve.secret_files import (
    key_encryption_path,
    load_or_create_key_encryption,
    load_or_create_pepper,
)
from tradewind.serve.turn_keys import rewrap_keys, rotate_keys

PLACE = Place("provider_connection", "con_1", None, 1)
SECRET = "sk-of-a-provider"

pytestmark = pytest.mark.postgres


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "lock").touch()
    (tmp_path / "installation").write_text("here\n")
    load_or_create_pepper(tmp_path / "secrets")
    return tmp_path


@pytest.fixture
def settings(data: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TRADEWIND_DATABASE_URL", database_url)
    return Settings(data=data)


@pytest.fixture
def running(data: Path) -> Vault:
    """The vault of a process that started before the key was turned."""
    return Vault(load_or_create_key_encryption(data / "secrets"), SystemClock())


def seal(database: Database, vault: Vault) -> Sealed:
    with database.transaction() as tx:
        return vault.seal(tx, Secret(SECRET), PLACE)


def wrapped_with(database: Database) -> set[str]:
    with database.transaction() as tx:
        return set(tx.execute(select(data_key.c.key_encryption_id)).scalars())


def enter_node(database: Database, name: str, installation: str) -> None:
    with database.transaction() as tx:
        join_roll(tx, Node(name, installation, "life", 1, "same"))


def test_everything_is_under_the_new_key_and_opens_in_a_process_that_runs(
    settings: Settings, database: Database, running: Vault, data: Path
):
    enter_node(database, "first", "here")
    sealed = seal(database, running)
    former = wrapped_with(database)

    turned = rotate_keys(settings)

    assert turned.rewrapped == 1
    assert wrapped_with(database) == {turned.key_id}
    assert {turned.key_id}.isdisjoint(former)
    with database.transaction() as tx:
        assert running.open(tx, sealed, PLACE) == Secret(SECRET)
    path = key_encryption_path(data / "secrets")
    assert len(path.read_text().split()) == 2
    # Without the former key it opens still: nothing is left under it.
    path.write_text(path.read_text().split()[-1] + "\n")
    alone = Vault(load_or_create_key_encryption(data / "secrets"), SystemClock())
    with database.transaction() as tx:
        assert alone.open(tx, sealed, PLACE) == Secret(SECRET)


def test_with_nodes_on_other_machines_the_former_key_stays_in_use_until_they_have_the_new_one(
    settings: Settings, database: Database, running: Vault
):
    enter_node(database, "first", "here")
    enter_node(database, "second", "elsewhere")
    seal(database, running)
    former = wrapped_with(database)

    turned = rotate_keys(settings)

    assert (turned.rewrapped, list(turned.elsewhere)) == (None, ["second"])
    assert wrapped_with(database) == former
    again = rewrap_keys(settings)
    assert (again.rewrapped, again.key_id) == (1, turned.key_id)
    assert wrapped_with(database) == {turned.key_id}
    assert rewrap_keys(settings).rewrapped == 0


def test_a_platform_that_does_not_run_keeps_its_key(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    load_or_create_key_encryption(data / "secrets")
    before = key_encryption_path(data / "secrets").read_bytes()
    with pytest.raises(StartupError, match="no platform runs"):
        rotate_keys(Settings(data=data))
    assert key_encryption_path(data / "secrets").read_bytes() == before
