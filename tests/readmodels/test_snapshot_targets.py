"""Targets of the compiled snapshot: own replicas, models at providers, and what is left out."""

from dataclasses import dataclass

import pytest
from catalog_parts import START, CatalogWorld
from sqlalchemy import insert, update

from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.db.sealing import Secret
from tradewind.features.accounts.tables import organization
from tradewind.features.endpoints.schemas import EndpointChanges, NewEndpoint, NewTarget
from tradewind.features.providers.schemas import ConnectionChanges, NewConnection
from tradewind.features.providers.tables import provider_connection
from tradewind.readmodels.models import get_model
from tradewind.snapshot import file
from tradewind.snapshot.contents import Conditions, Cost, Limits, Routing, Snapshot, Target

pytestmark = pytest.mark.postgres

TEXT = "sk-0123456789-abcdef"


@dataclass(frozen=True)
class Operator:
    organization_id: OrganizationId
    project_id: ProjectId

    def may(self, _permission):
        return True


@pytest.fixture
def world(database):
    return CatalogWorld(database)


@pytest.fixture
def operator():
    return Operator(OrganizationId.new(), ProjectId.new())


@pytest.fixture
def connect(world, operator):
    def connect(**how):
        values = {"credential": Secret(TEXT), "base_url": "https://api.example.org/v1"} | how
        values.setdefault("name", "Example")
        return world.read(world.providers.add_connection, operator, NewConnection(**values))

    return connect


@pytest.fixture
def serve(world, operator):
    """Add an endpoint for a fresh model with these targets."""

    def serve(*targets, slug="small", **how):
        world.set_price(world.add_model(slug))
        new = NewEndpoint(f"tw/{slug}", targets=targets, **how)
        return world.read(world.endpoints.add_endpoint, operator, new)

    return serve


@pytest.fixture
def change(world, operator):
    def change(connection, **what):
        changes = ConnectionChanges(**what)
        return world.read(world.providers.update_connection, operator, connection.id, changes)

    return change


def at(connection, upstream_model="m", **more):
    return NewTarget(connection_id=connection.id, upstream_model=upstream_model, **more)


def test_what_is_called_over_own_accounts_alone_is_shown_and_not_charged(
    world, operator, connect, serve
):
    with world.database.transaction() as tx:
        tx.execute(
            insert(organization).values(id=operator.organization_id, name="A", created_at=START)
        )
    own, other = connect(is_shared=False), connect(name="Ours", is_shared=False)
    platforms = connect(name="Platform", is_shared=True)
    cost = Cost("EUR", 7, 9)
    endpoint = serve(at(own, cost=cost), at(other), is_shared=False)

    def price(*targets):
        world.read(world.endpoints.set_targets, operator, endpoint.id, targets)
        [compiled] = world.compiled()
        return compiled.price.currency, compiled.price.input_nanos, compiled.price.is_charged

    assert price(at(own, cost=cost), at(other)) == ("EUR", 7, False)
    assert price(at(own, cost=cost), at(platforms)) == ("USD", 1, True), "one is enough"
    assert price(at(platforms)) == ("USD", 1, True)
    assert price(at(other, cost=Cost("EUR", 70, 90))) == ("EUR", 7, False), "one shown stays"


def test_own_accounts_whose_cost_is_not_told_are_counted_at_everybodys_price(
    world, operator, connect, serve
):
    with world.database.transaction() as tx:
        tx.execute(
            insert(organization).values(id=operator.organization_id, name="A", created_at=START)
        )
    serve(at(connect(is_shared=False)), is_shared=False)
    [compiled] = world.compiled()
    price = compiled.price
    assert (price.currency, price.input_nanos, price.is_charged) == ("USD", 1, False)


def test_a_model_at_a_provider_is_a_target_with_all_its_facts(world, connect, serve):
    connection = connect(
        name="Example host",
        base_url="https://api.example.org:8443/inference/v1",
        options={"api_version": "2030-01-01"},
        region="eu-west-1",
        zone="b",
        retains_data=False,
        trains_on_data=False,
    )
    endpoint = serve(
        at(
            connection,
            "their/model",
            tier=1,
            weight=3,
            quantization="fp8",
            context_tokens=4096,
            cost=Cost("USD", 100, 200),
            parameters=frozenset({"tools"}),
        )
    )
    [compiled] = world.compiled()
    assert compiled.targets == (
        Target(
            deployment_id=connection.id,
            replica_id=endpoint.targets[0].id,
            provider="openai_compatible",
            address="https://api.example.org:8443",
            upstream_model="their/model",
            credential=TEXT,
            weight=3,
            slots=1024,
            base_path="/inference/v1",
            options={"api_version": "2030-01-01"},
            tier=1,
            host="example-host",
            region="eu-west-1",
            zone="b",
            retains_data=False,
            trains_on_data=False,
            quantization="fp8",
            context_tokens=4096,
            parameters=frozenset({"tools"}),
            cost=Cost("USD", 100, 200),
        ),
    )


def test_an_endpoint_carries_what_was_said_of_it(world, serve, operator):
    routing = Routing("price", 3, 900, 2)
    conditions = Conditions(frozenset({"eu"}), frozenset(), no_training=True)
    limits = Limits(10, 20, 30)
    serve(
        aliases=["short"],
        routing=routing,
        conditions=conditions,
        limits=limits,
        is_shared=True,
    )
    [compiled] = world.compiled()
    assert (compiled.routing, compiled.conditions, compiled.limits) == (
        routing,
        conditions,
        limits,
    )
    assert compiled.aliases == ("short",)
    assert not compiled.organization_id


def test_a_target_may_say_otherwise_than_its_connection(world, connect, serve):
    connection = connect(region="eu-west-1", retains_data=True, trains_on_data=True)
    serve(at(connection, region="us-east-1", retains_data=False))
    [target] = world.compiled()[0].targets
    assert (target.region, target.retains_data, target.trains_on_data) == (
        "us-east-1",
        False,
        True,
    )


def test_a_host_in_a_private_network_is_marked_as_one(world, connect, serve):
    connection = connect(base_url="http://gpu.internal:8000", is_private_network=True)
    serve(at(connection))
    [target] = world.compiled()[0].targets
    assert (target.address, target.base_path) == ("http+private://gpu.internal:8000", "")


def test_own_replicas_and_providers_stand_in_their_tiers(world, operator, connect):
    deployment = world.add_served()
    replicas = {world.report(deployment), world.report(deployment)}
    [endpoint] = world.read(world.endpoints.list_endpoints, operator)
    connection = connect()
    world.read(
        world.endpoints.set_targets,
        operator,
        endpoint.id,
        [at(connection, tier=1), NewTarget(deployment_id=deployment, weight=5)],
    )
    *own, hosted = world.compiled()[0].targets
    assert {target.replica_id for target in own} == replicas
    assert {(target.tier, target.weight, target.host) for target in own} == {(0, 5, "own")}
    assert (hosted.tier, hosted.host) == (1, "example")


def test_two_versions_of_a_model_answer_for_one_endpoint(world):
    added = world.add_model()
    world.set_price(added)
    first = world.deploy(added)
    second = world.deploy(added._replace(version_id=world.add_version(added, "next")))
    replicas = {world.report(first), world.report(second)}
    [compiled] = world.compiled()
    assert {target.replica_id for target in compiled.targets} == replicas


def test_a_disabled_connection_vanishes_and_comes_back(world, connect, serve, change):
    one, other = connect(name="one"), connect(name="other")
    serve(at(one), at(other))
    change(one, is_enabled=False)
    assert [target.deployment_id for target in world.compiled()[0].targets] == [other.id]
    change(one, is_enabled=True)
    assert len(world.compiled()[0].targets) == 2


def test_a_disabled_endpoint_vanishes(world, operator, connect, serve):
    endpoint = serve(at(connect()))
    kept = serve(slug="kept")
    changes = EndpointChanges(is_enabled=False)
    world.read(world.endpoints.update_endpoint, operator, endpoint.id, changes)
    assert [compiled.name for compiled in world.compiled()] == [kept.name]


def test_a_new_credential_is_in_the_next_snapshot(world, connect, serve, change):
    connection = connect()
    serve(at(connection))
    change(connection, credential=Secret("sk-another-one-9876"))
    assert world.compiled()[0].targets[0].credential == "sk-another-one-9876"


def test_a_credential_that_does_not_open_costs_its_target_only(world, database, connect, serve):
    broken, sound = connect(name="broken"), connect(name="sound")
    serve(at(broken), at(sound))
    with database.transaction() as tx:
        tx.execute(
            update(provider_connection)
            .where(provider_connection.c.id == broken.id)
            .values(sealed_credential=bytes(60))
        )
    assert [target.host for target in world.compiled()[0].targets] == ["sound"]


def test_the_price_has_all_its_parts(world):
    added = world.add_model()
    with world.database.transaction() as tx:
        world.market.set_price(
            tx,
            added.model_id,
            "EUR",
            input_nanos=10,
            output_nanos=20,
            cached_input_nanos=5,
            cache_write_nanos=12,
            meters={"images": 40_000_000},
        )
    world.deploy(added)
    price = world.compiled()[0].price
    assert (price.currency, price.cache_write_nanos, price.meters) == (
        "EUR",
        12,
        {"images": 40_000_000},
    )


def test_the_same_state_compiles_to_the_same_bytes(world, connect, serve):
    connection = connect(options={"b": "1", "a": "2"})
    serve(at(connection, "one"), at(connection, "two"))
    first, second = world.compiled(), world.compiled()
    assert first == second
    snapshot = Snapshot(1, 1, (), first)
    assert file.decode(file.encode(snapshot)) == snapshot


def test_a_model_at_a_provider_is_shown_as_ready(world, connect, serve, change):
    connection = connect()
    serve(at(connection))
    found = world.read(get_model, "tw/small")
    assert (found.state, found.engine, found.replicas) == ("ready", None, 0)
    change(connection, is_enabled=False)
    assert world.read(get_model, "tw/small").state == "stopped"
