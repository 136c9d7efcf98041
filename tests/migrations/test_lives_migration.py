"""Whose deployments are, of a database from before anybody kept it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tradewind.db.database import Database
from tradewind.migrations.history import VERSIONS
from tradewind.migrations.runner import migrate

pytestmark = pytest.mark.postgres

BEFORE = "2026_11_22_1160"
DIGEST = "sha256:" + "ab" * 32
ROWS = """
    INSERT INTO organization (id, name, created_at) VALUES ('org_1', 'One', now());
    INSERT INTO publisher (slug, name, created_at) VALUES ('p', 'P', now());
    INSERT INTO model (id, publisher_slug, slug, display_name, description, licence, operation,
        visibility, organization_id, created_at) VALUES
        ('model_private', 'p', 'private', 'P', '', '', 'chat', 'private', 'org_1', now()),
        ('model_files', 'p', 'files', 'F', '', '', 'chat', 'listed', NULL, now()),
        ('model_person', 'p', 'person', 'P', '', '', 'chat', 'listed', NULL, now()),
        ('model_own', 'p', 'own', 'O', '', '', 'chat', 'listed', NULL, now());
    INSERT INTO model_version (id, model_id, label, artifact, created_at)
        SELECT replace(id, 'model', 'ver'), id, '1',
            CASE WHEN id = 'model_files' THEN :digest ELSE 'package:x' END, now()
        FROM model;
    INSERT INTO artifact (id, organization_id, digest, visibility, manifest, size, file_count,
        is_quarantined, created_at)
        VALUES ('art_1', 'org_1', :digest, 'open', '', 1, 1, false, now());
    INSERT INTO deployment (id, model_version_id, engine, slots, desired_replicas, created_at)
        SELECT replace(id, 'ver', 'dep'), id, 'fake', 1, 1, now() FROM model_version;
    INSERT INTO deployment_revision (deployment_id, number, model_version_id, engine, slots,
        threads, state, reason, fit, is_override, created_by, created_at)
        SELECT id, 1, model_version_id, 'fake', 1, 1, 'good', '', '{}', false,
            CASE WHEN id = 'dep_person' THEN 'Ada' ELSE 'the platform' END, now()
        FROM deployment;
"""


@pytest.fixture
def old(empty_database_url: str, tmp_path: Path) -> Iterator[Database]:
    """A database of the schema before, with deployments in it."""
    versions = tmp_path / "versions"
    versions.mkdir()
    for path in VERSIONS.glob("*.py"):
        if path.name[: len(BEFORE)] <= BEFORE:
            shutil.copy(path, versions)
    database = Database(empty_database_url, application_name="tests")
    migrate(database, versions=versions)
    with database.transaction() as tx:
        for statement in ROWS.split(";"):
            if statement.strip():
                values = {"digest": DIGEST} if ":digest" in statement else {}
                tx.execute(text(statement), values)
    yield database
    database.close()


def owners(database: Database) -> dict[str, str | None]:
    with database.transaction() as tx:
        return {
            row.id: row.organization_id
            for row in tx.execute(text("SELECT id, organization_id FROM deployment"))
        }


def test_a_deployment_belongs_to_whom_it_is_certain_to_belong(old: Database) -> None:
    migrate(old)
    assert owners(old) == {
        "dep_private": "org_1",
        "dep_files": "org_1",
        "dep_person": "org_1",
        "dep_own": None,
    }


def test_who_deployed_among_several_organizations_is_not_guessed(old: Database) -> None:
    with old.transaction() as tx:
        tx.execute(
            text("INSERT INTO organization (id, name, created_at) VALUES ('org_2', 'T', now())")
        )
    migrate(old)
    assert owners(old) == {
        "dep_private": "org_1",
        "dep_files": "org_1",
        "dep_person": None,
        "dep_own": None,
    }
