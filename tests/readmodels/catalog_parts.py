"""Models, prices, deployments and replicas, made the way the platform makes them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from tradewind.core.ids import ModelVersionId, ReplicaId
from tradewind.db.sealing import HeldKeys
from tradewind.db.vault import Vault
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.service import Catalog
from tradewind.features.catalog.tables import model_version
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport
from tradewind.features.deployments.service import Deployments
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.market.service import Market
from tradewind.features.providers.service import Providers
from tradewind.readmodels.snapshot import compile_endpoints

START = datetime(2025, 1, 1, tzinfo=UTC)
"""In the past: a price of the future is not in force."""


class HandClock:
    def __init__(self):
        self.at = START

    def now(self):
        self.at += timedelta(seconds=1)
        return self.at

    def monotonic(self):
        return self.at.timestamp()


class CatalogWorld:
    def __init__(self, database):
        self.database = database
        self.clock = HandClock()
        self.catalog = Catalog(self.clock)
        self.market = Market(self.clock)
        self.deployments = Deployments(self.catalog, self.clock)
        self.providers = Providers(Vault(HeldKeys([bytes(32)]), self.clock), self.clock)
        self.endpoints = Endpoints(
            self.catalog, self.market, self.providers, self.deployments, self.clock
        )

    def add_model(self, slug="small", **changes):
        with self.database.transaction() as tx:
            entry = replace(SMOLLM2, publisher="tw", publisher_name="Tradewind", slug=slug)
            added = self.catalog.add_builtin(tx, replace(entry, **changes))
            assert added is not None
            return added

    def set_price(self, added, input_nanos=1, output_nanos=2, cached_input_nanos=3, currency="USD"):
        with self.database.transaction() as tx:
            return self.market.set_price(
                tx,
                added.model_id,
                currency,
                input_nanos=input_nanos,
                output_nanos=output_nanos,
                cached_input_nanos=cached_input_nanos,
            )

    def add_version(self, added, label):
        version_id = ModelVersionId.new()
        with self.database.transaction() as tx:
            tx.execute(
                insert(model_version).values(
                    id=version_id,
                    model_id=added.model_id,
                    label=label,
                    artifact="package:x",
                    created_at=self.clock.now(),
                )
            )
        return version_id

    def deploy(self, added, *, engine="llama_server", slots=4, replicas=1):
        with self.database.transaction() as tx:
            deployment_id = self.deployments.deploy(
                tx, added.version_id, engine=engine, slots=slots, replicas=replicas
            )
            assert deployment_id is not None
            self.endpoints.serve_deployment(tx, deployment_id)
            return deployment_id

    def add_served(self, slug="small", **changes):
        """Add a model with a price and a deployment without replicas."""
        added = self.add_model(slug, **changes)
        self.set_price(added)
        return self.deploy(added)

    def report(self, deployment_id, state="ready", detail="", replica_id=None, **access):
        replica_id = replica_id or ReplicaId.new()
        values = {
            "provider": "llama_server",
            "upstream_model": "upstream",
            "address": "/run/engine.sock",
            "credential": "key-of-replica",
        }
        with self.database.transaction() as tx:
            self.deployments.report(
                tx,
                deployment_id,
                replica_id,
                ReplicaReport(state, detail),
                ReplicaAccess(**(values | access)),
            )
        return replica_id

    def compiled(self):
        return self.read(compile_endpoints, self.providers.open_connections)

    def read(self, ask, *arguments):
        with self.database.transaction() as tx:
            return ask(tx, *arguments)
