"""Models, deployments and connections to have endpoints for."""

from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import insert

from tradewind.core.ids import ModelVersionId
from tradewind.db.sealing import Secret
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.tables import model_version
from tradewind.features.providers.schemas import NewConnection
from tradewind.readmodels.snapshot import compile_endpoints


class InTransactions:
    """A service whose every call is a transaction of its own."""

    def __init__(self, service, do):
        self._service = service
        self._do = do

    def __getattr__(self, name):
        return partial(self._do, getattr(self._service, name))


@pytest.fixture
def endpoints(services, do):
    return InTransactions(services.endpoints, do)


@pytest.fixture
def model(do, services):
    """Add a model with a price, once; returns what was added."""
    added = {}

    def add(slug="small", **changes):
        if slug not in added:
            entry = replace(SMOLLM2, publisher="tw", slug=slug, **changes)
            added[slug] = do(services.catalog.add_builtin, entry)
            nanos = {"input_nanos": 10, "output_nanos": 20, "cached_input_nanos": 5}
            do(services.market.set_price, added[slug].model_id, "USD", **nanos)
        return added[slug]

    return add


@pytest.fixture
def deployment(do, services, model):
    """Deploy a new version of a model; returns the deployment's id."""
    deployed = set()

    def deploy(slug="small"):
        version_id = model(slug).version_id
        if version_id in deployed:
            version_id = ModelVersionId.new()
            values = {
                "id": version_id,
                "model_id": model(slug).model_id,
                "label": version_id,
                "artifact": "package:x",
                "created_at": services.clock.now(),
            }
            do(lambda tx: tx.execute(insert(model_version).values(**values)))
        deployed.add(version_id)
        return do(services.deployments.deploy, version_id, engine="fake", slots=2)

    return deploy


@pytest.fixture
def connect(do, services, operator):
    def connect(host="groq", actor=None, **how):
        values = {"credential": Secret("sk-0123456789-abcdef"), "host": host} | how
        new = NewConnection(**values)
        return do(services.providers.add_connection, actor or operator, new)

    return connect


@pytest.fixture
def compiled(do, services):
    """Return the snapshot's endpoints by name."""

    def compiled():
        found = do(compile_endpoints, services.providers.open_connections)
        return {endpoint.name: endpoint for endpoint in found}

    return compiled
