"""The endpoints of the gateway's snapshot, compiled from catalog, market and deployments."""

from datetime import UTC, date, datetime

import pytest
from catalog_parts import START, CatalogWorld
from sqlalchemy import update

from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.tables import model
from tradewind.features.market.schemas import PriceTerms
from tradewind.snapshot import file
from tradewind.snapshot.contents import Operation, Price, Snapshot, Target

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(database):
    return CatalogWorld(database)


def compiled(world):
    return world.compiled()


def test_a_deployed_model_is_an_endpoint_with_all_its_facts(world):
    added = world.add_model()
    price_id = world.set_price(added, 10, 20, 5)
    deployment = world.deploy(added, slots=8)
    replica = world.report(deployment)
    [endpoint] = compiled(world)
    assert (endpoint.name, endpoint.aliases, endpoint.publisher) == ("tw/small", ("small",), "tw")
    assert endpoint.operation is Operation.CHAT
    assert endpoint.context_tokens == SMOLLM2.context_tokens
    assert endpoint.max_output_tokens == SMOLLM2.max_output_tokens
    assert endpoint.dimensions is None
    assert endpoint.price == Price(price_id, "USD", 10, 20, 5)
    assert 0 < endpoint.created_at_ms - START.timestamp() * 1000 < 3_600_000
    assert endpoint.targets == (
        Target(
            deployment_id=deployment,
            replica_id=replica,
            provider="llama_server",
            address="/run/engine.sock",
            upstream_model="upstream",
            credential="key-of-replica",
            slots=8,
            host="own",
        ),
    )


def test_embeddings_keep_their_dimensions(world):
    world.add_served(operation=Operation.EMBEDDINGS, dimensions=384, max_output_tokens=0)
    [endpoint] = compiled(world)
    assert (endpoint.operation, endpoint.dimensions) == (Operation.EMBEDDINGS, 384)


@pytest.mark.parametrize("state", ["starting", "stopping", "stopped", "failed"])
def test_only_ready_replicas_are_targets(world, state):
    deployment = world.add_served()
    world.report(deployment, state)
    ready = world.report(deployment, "ready")
    [endpoint] = compiled(world)
    assert [target.replica_id for target in endpoint.targets] == [ready]


def test_a_model_without_a_ready_replica_is_there_without_targets(world):
    deployment = world.add_served()
    replica = world.report(deployment, "ready")
    world.report(deployment, "failed", "killed", replica_id=replica)
    assert [endpoint.targets for endpoint in compiled(world)] == [()]


def test_replicas_go_to_their_own_model(world):
    one, other = world.add_served("one"), world.add_served("other")
    replicas = {"tw/one": {world.report(one), world.report(one)}, "tw/other": {world.report(other)}}
    found = {
        endpoint.name: {target.replica_id for target in endpoint.targets}
        for endpoint in compiled(world)
    }
    assert found == replicas


def test_the_price_in_force_is_the_newest(world):
    added = world.add_model()
    world.set_price(added, 10)
    newest = world.set_price(added, 7)
    world.deploy(added)
    [endpoint] = compiled(world)
    assert (endpoint.price.id, endpoint.price.input_nanos) == (newest, 7)


def test_a_price_of_the_future_is_not_in_force(world):
    added = world.add_model()
    now = world.set_price(added, 10)
    with world.database.transaction() as tx:
        world.market.add_price(
            tx,
            added.model_id,
            PriceTerms("USD", {"input_tokens": 7}),
            effective_at=datetime(2200, 1, 1, tzinfo=UTC),
        )
    world.deploy(added)
    [endpoint] = compiled(world)
    assert endpoint.price.id == now


def test_a_model_without_price_or_deployment_is_not_served(world):
    world.deploy(world.add_model("unpriced"))
    world.set_price(world.add_model("undeployed"))
    assert compiled(world) == ()


def test_the_same_state_compiles_to_the_same_snapshot(world):
    for slug in ("c", "a", "b"):
        deployment = world.add_served(slug)
        for _ in range(3):
            world.report(deployment)
    first = compiled(world)
    assert compiled(world) == first
    assert [endpoint.name for endpoint in first] == ["tw/c", "tw/a", "tw/b"], "oldest first"


def test_what_is_compiled_can_be_written_and_read(world):
    world.report(world.add_served())
    snapshot = Snapshot(1, 1, (), compiled(world))
    assert file.decode(file.encode(snapshot)) == snapshot


def test_a_deprecation_ahead_is_told_in_the_headers_of_answers(world):
    world.add_served()
    days = {
        "lifecycle": "legacy",
        "deprecates_on": date(2030, 3, 1),
        "retires_on": date(2030, 6, 1),
    }
    with world.database.transaction() as tx:
        tx.execute(update(model).values(**days))

    [endpoint] = compiled(world)

    assert endpoint.ending is not None
    assert not endpoint.ending.is_retired
    at = int(datetime(2030, 3, 1, tzinfo=UTC).timestamp())
    assert endpoint.ending.lines == (
        b"deprecation: @%d\r\nsunset: Sun, 02 Jun 2030 00:00:00 GMT\r\n" % at
    )
