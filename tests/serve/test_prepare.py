"""Preparing a database: everything a first start needs, once."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from tradewind.core import api_keys
from tradewind.core.ids import ReplicaId
from tradewind.db.database import Database
from tradewind.db.sealing import HeldKeys
from tradewind.features.catalog.builtin import MINILM, SMOLLM2
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport
from tradewind.readmodels.models import list_models
from tradewind.readmodels.snapshot import compile_endpoints
from tradewind.serve.prepare import prepare
from tradewind.serve.services import Services, build_services

pytestmark = pytest.mark.postgres

PEPPER = b"p" * api_keys.PEPPER_BYTES
_TABLES = ("organization", "project", "user_account", "publisher", "model", "model_version")


@pytest.fixture
def services() -> Services:
    return build_services(PEPPER, HeldKeys([bytes(32)]))


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    """A database without any table."""
    database = Database(empty_database_url, application_name="tests")
    yield database
    database.close()


def counts(database: Database) -> dict[str, int]:
    with database.transaction() as tx:
        return {
            table: tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in (*_TABLES, "price", "deployment")
        } | {
            "client keys": tx.execute(
                text("SELECT count(*) FROM api_key WHERE purpose = 'client'")
            ).scalar_one()
        }


def test_an_empty_database_becomes_one_that_serves(empty: Database, services: Services):
    made = prepare(empty, services, currency="EUR")
    assert counts(empty) == {
        "organization": 1,
        "project": 1,
        "user_account": 1,
        "publisher": 2,
        "model": 2,
        "model_version": 2,
        "price": 2,
        "deployment": 2,
        "client keys": 1,
    }
    assert made.first_key is not None
    assert not made.has_administrator
    with empty.transaction() as tx:
        [chat, embeddings] = list_models(tx)
        digests = {grant.digest for grant in services.accounts.grants(tx)}
    assert (chat.name, chat.currency, chat.engine) == (
        "huggingfacetb/smollm2-135m-instruct",
        "EUR",
        "llama_server",
    )
    assert (chat.input_nanos, chat.output_nanos, chat.cached_input_nanos) == (
        SMOLLM2.input_nanos,
        SMOLLM2.output_nanos,
        SMOLLM2.cached_input_nanos,
    )
    assert (embeddings.name, embeddings.input_nanos) == (
        "sentence-transformers/all-minilm-l6-v2",
        MINILM.input_nanos,
    )
    for key in (made.first_key, made.start_up_key):
        assert api_keys.is_well_formed(key)
        assert api_keys.digest(PEPPER, key.encode()) in digests


def test_a_second_start_adds_nothing_and_shows_no_key(empty: Database, services: Services):
    first = prepare(empty, services, currency="USD")
    before = counts(empty)
    with empty.transaction() as tx:
        endpoints = compile_endpoints(tx, services.providers.open_connections)
    second = prepare(empty, services, currency="EUR")
    assert counts(empty) == before
    assert second.first_key is None
    with empty.transaction() as tx:
        # Models keep the price they were first given, whatever the currency is set to now.
        assert compile_endpoints(tx, services.providers.open_connections) == endpoints
        digests = {grant.digest for grant in services.accounts.grants(tx)}
    assert first.first_key is not None
    assert api_keys.digest(PEPPER, first.first_key.encode()) in digests
    assert api_keys.digest(PEPPER, second.start_up_key.encode()) in digests


def test_each_start_has_a_sign_in_link_of_its_own(empty: Database, services: Services):
    first = prepare(empty, services, currency="USD")
    second = prepare(empty, services, currency="USD")
    assert first.sign_in_code != second.sign_in_code
    with empty.transaction() as tx:
        signed_in = services.accounts.sign_in_with_link(tx, second.sign_in_code)
    assert signed_in.viewer.project_id


def test_replicas_of_a_former_life_are_forgotten(empty: Database, services: Services):
    def count_targets():
        with empty.transaction() as tx:
            compiled = compile_endpoints(tx, services.providers.open_connections)
        return sum(len(endpoint.targets) for endpoint in compiled)

    prepare(empty, services, currency="USD")
    with empty.transaction() as tx:
        [one, _] = services.deployments.desired(tx)
        access = ReplicaAccess("llama_server", "p/m", "/run/engine-1.sock", "key")
        services.deployments.report(
            tx, one.deployment_id, ReplicaId.new(), ReplicaReport("ready"), access
        )
    assert count_targets() == 1
    prepare(empty, services, currency="USD")
    assert count_targets() == 0
    with empty.transaction() as tx:
        assert tx.execute(select(text("count(*) FROM replica"))).scalar_one() == 0


def test_a_start_that_fails_leaves_nothing_half_made(empty: Database, services: Services):
    with pytest.raises(IntegrityError):
        prepare(empty, services, currency="no currency")
    assert set(counts(empty).values()) == {0}
    assert prepare(empty, services, currency="USD").first_key is not None
