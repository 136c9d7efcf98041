"""What a database of the first release becomes: its deployments keep being served."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tradewind.core.ids import EndpointId, EndpointTargetId
from tradewind.db.database import Database
from tradewind.migrations.history import VERSIONS
from tradewind.migrations.runner import migrate
from tradewind.readmodels.snapshot import compile_endpoints

pytestmark = pytest.mark.postgres

# Two models of one slug, of which the older one had the alias, and two versions of the first.
ROWS = """
    INSERT INTO publisher VALUES ('p', 'P', now()), ('q', 'Q', now());
    INSERT INTO model VALUES
        ('model_1', 'p', 'small', 'S', '', '', 'chat', 100, 50, NULL, NULL, NULL, '2029-01-01Z'),
        ('model_2', 'q', 'small', 'S', '', '', 'chat', 100, 50, NULL, NULL, NULL, '2029-01-02Z'),
        ('model_3', 'q', 'idle', 'S', '', '', 'chat', 100, 50, NULL, NULL, NULL, '2029-01-03Z');
    INSERT INTO price SELECT 'price_' || id, id, 'USD', 1, 2, 1, now() FROM model;
    INSERT INTO model_version VALUES
        ('ver_1', 'model_1', '1', 'a', now()), ('ver_2', 'model_1', '2', 'a', now()),
        ('ver_3', 'model_2', '1', 'a', now()), ('ver_4', 'model_3', '1', 'a', now());
    INSERT INTO deployment VALUES
        ('dep_1', 'ver_1', 'fake', 4, 1, '2029-02-01Z'),
        ('dep_2', 'ver_2', 'fake', 4, 1, '2029-02-02Z'),
        ('dep_3', 'ver_3', 'fake', 4, 1, '2029-02-03Z');
    INSERT INTO replica
        SELECT 'rep_' || id, id, 'ready', '', 'llama_server', 'm', '/run/x', 'k', now()
        FROM deployment;
"""


@pytest.fixture
def old(empty_database_url: str, tmp_path: Path) -> Iterator[Database]:
    """A database at the first release's schema, with rows in it."""
    versions = tmp_path / "versions"
    versions.mkdir()
    [first] = VERSIONS.glob("*_first_light.py")
    shutil.copy(first, versions)
    database = Database(empty_database_url, application_name="tests")
    migrate(database, versions=versions)
    with database.transaction() as tx:
        tx.execute(text(ROWS))
    yield database
    database.close()


def test_every_deployed_model_becomes_an_endpoint_as_it_was_called(old: Database) -> None:
    migrate(old)
    with old.transaction() as tx:
        compiled = compile_endpoints(tx, lambda _tx: {})
    assert [(endpoint.name, endpoint.aliases) for endpoint in compiled] == [
        ("p/small", ("small",)),
        ("q/small", ()),
    ]
    served = [[target.deployment_id for target in endpoint.targets] for endpoint in compiled]
    assert served == [["dep_1", "dep_2"], ["dep_3"]]
    assert {target.tier for endpoint in compiled for target in endpoint.targets} == {0}


def test_ids_are_of_the_form_of_later_ones(old: Database) -> None:
    migrate(old)
    with old.transaction() as tx:
        for found in tx.execute(text("SELECT id FROM endpoint")).scalars():
            EndpointId.parse(found)
        for found in tx.execute(text("SELECT id FROM endpoint_target")).scalars():
            EndpointTargetId.parse(found)


def test_prices_and_models_take_what_is_new(old: Database) -> None:
    migrate(old)
    with old.transaction() as tx:
        assert tx.execute(text("SELECT DISTINCT meters::text FROM price")).scalars().all() == ["{}"]
        for operation in ("rerank", "images", "speech", "transcription"):
            tx.execute(text("UPDATE model SET operation = :operation"), {"operation": operation})
