"""Files of other gateways, and a platform to take them over."""

import json
import secrets
import textwrap

import pytest

from tradewind.db.sealing import HeldKeys
from tradewind.features.providers.hosts import known_hosts
from tradewind.readmodels.snapshot import compile_endpoints
from tradewind.serve.imports.apply import KeeperOfTheData
from tradewind.serve.imports.litellm import read_litellm
from tradewind.serve.imports.one_api import read_channels
from tradewind.serve.imports.plan import Choices, Level
from tradewind.serve.imports.run import How, carry_out
from tradewind.serve.services import build_services


class Read:
    """A plan, by names."""

    def __init__(self, plan):
        self.plan = plan

    @property
    def connections(self):
        return {one.name: one for one in self.plan.connections}

    @property
    def endpoints(self):
        return {one.name: one for one in self.plan.endpoints}

    @property
    def connection(self):
        [one] = self.plan.connections
        return one

    @property
    def endpoint(self):
        [one] = self.plan.endpoints
        return one

    def told(self, level):
        """Return why, by place."""
        return {
            place: finding.why
            for finding in self.plan.findings
            if finding.level is level
            for place in finding.places
        }

    @property
    def left_out(self):
        return self.told(Level.LEFT_OUT)

    @property
    def notes(self):
        return self.told(Level.NOTE)


@pytest.fixture
def litellm():
    def read(text, *, wildcards=False, default_price=None, private_hosts=(), **environment):
        choices = Choices(wildcards, default_price, frozenset(private_hosts))
        return Read(
            read_litellm(
                textwrap.dedent(text),
                environment=environment,
                hosts=known_hosts(),
                choices=choices,
            )
        )

    return read


@pytest.fixture
def one_of(litellm):
    """Read a configuration of one deployment from its parameters; returns what was read."""

    def read(model, *, called="m", info=None, environment=None, **parameters):
        entry = {
            "model_name": called,
            "litellm_params": {"model": model, **parameters},
            "model_info": info or {},
        }
        return litellm(json.dumps({"model_list": [entry]}), **(environment or {}))

    return read


@pytest.fixture
def channels():
    def read(*listed, fork="one-api", keys=None, ratios=None, choices=None, **environment):
        return Read(
            read_channels(
                json.dumps({"success": True, "data": listed}),
                fork=fork,
                environment=environment,
                keys=keys or {},
                ratios=ratios,
                hosts=known_hosts(),
                choices=choices or Choices(),
            )
        )

    return read


@pytest.fixture
def services():
    return build_services(secrets.token_bytes(32), HeldKeys([secrets.token_bytes(32)]))


@pytest.fixture
def carry(database, services):
    """Carry out what was read, in a transaction; returns the outcome."""

    def carry(read, *, is_dry_run=False, replaces_keys=False):
        how = How(Choices(), is_dry_run, replaces_keys)
        return carry_out(database, services, read.plan, how)

    return carry


@pytest.fixture
def compiled(database, services):
    """Return the snapshot's endpoints by name."""

    def compiled():
        with database.transaction() as tx:
            found = compile_endpoints(tx, services.providers.open_connections)
        return {endpoint.name: endpoint for endpoint in found}

    return compiled


@pytest.fixture
def keeper():
    return KeeperOfTheData()
