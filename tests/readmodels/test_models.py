"""Models as pages show them: in one row what they are, cost and whether they run."""

import pytest
from catalog_parts import START, CatalogWorld
from sqlalchemy import insert, update

from tradewind.core.ids import OrganizationId
from tradewind.features.accounts.tables import organization
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.tables import model
from tradewind.readmodels.models import get_model, list_models

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(database):
    return CatalogWorld(database)


def shown(world, name="tw/small"):
    found = world.read(get_model, name)
    assert found is not None
    return found


def state(world):
    found = shown(world)
    return found.state, found.state_detail, found.replicas_ready, found.replicas


def test_a_model_is_shown_with_all_its_facts(world):
    world.report(world.add_served())
    found = shown(world)
    assert (found.name, found.publisher, found.publisher_name) == ("tw/small", "tw", "Tradewind")
    assert found.display_name == SMOLLM2.display_name
    assert found.description == SMOLLM2.description
    assert (found.licence, found.operation) == (SMOLLM2.licence, SMOLLM2.operation)
    assert (found.context_tokens, found.parameters) == (SMOLLM2.context_tokens, SMOLLM2.parameters)
    assert (found.released_on, found.version) == (SMOLLM2.released_on, SMOLLM2.version)
    assert (found.currency, found.input_nanos) == ("USD", 1)
    assert (found.output_nanos, found.cached_input_nanos) == (2, 3)
    assert found.engine == "llama_server"
    assert world.read(list_models) == [found]


def test_the_price_shown_is_the_newest(world):
    added = world.add_model()
    world.set_price(added, input_nanos=10)
    world.set_price(added, input_nanos=5, currency="EUR")
    found = shown(world)
    assert (found.input_nanos, found.currency) == (5, "EUR")


def test_the_version_shown_is_the_newest(world):
    added = world.add_model()
    world.set_price(added)
    world.add_version(added, "a-later-one")
    assert shown(world).version == "a-later-one"
    assert len(world.read(list_models)) == 1


def test_a_model_without_a_price_is_not_offered(world):
    world.deploy(world.add_model())
    assert world.read(list_models) == []
    assert world.read(get_model, "tw/small") is None


def test_models_are_listed_by_name(world):
    for slug in ("b", "c", "a"):
        world.add_served(slug)
    world.add_served("a", publisher="other")
    names = [found.name for found in world.read(list_models)]
    assert names == ["other/a", "tw/a", "tw/b", "tw/c"]


@pytest.mark.parametrize(
    "name", ["", "/", "tw", "small", "tw/", "/small", "tw/none", "tw/small/", "TW/small", "tw/%"]
)
def test_a_name_that_is_none_finds_nothing(world, name):
    world.add_served()
    assert world.read(get_model, name) is None


def test_a_model_that_nobody_deployed_is_stopped(world):
    world.set_price(world.add_model())
    assert state(world) == ("stopped", "no replica is wanted", 0, 0)
    assert shown(world).engine is None


def test_a_deployment_of_no_replicas_is_stopped(world):
    added = world.add_model()
    world.set_price(added)
    world.deploy(added, replicas=0)
    assert state(world) == ("stopped", "no replica is wanted", 0, 0)


def test_a_deployment_goes_from_waiting_to_ready(world):
    deployment = world.add_served()
    assert state(world) == ("starting", "waiting for a replica", 0, 1)
    replica = world.report(deployment, "starting", "reads the model")
    assert state(world) == ("starting", "reads the model", 0, 1)
    world.report(deployment, "ready", replica_id=replica)
    assert state(world) == ("ready", "", 1, 1)


def test_a_deployment_that_failed_says_why(world):
    deployment = world.add_served()
    world.report(deployment, "failed", "no such file")
    assert state(world) == ("failed", "no such file", 0, 1)


def test_a_new_try_after_a_failure_is_a_start_again(world):
    deployment = world.add_served()
    world.report(deployment, "failed", "no such file")
    world.report(deployment, "starting")
    assert shown(world).state == "starting"


def test_one_ready_replica_of_two_is_enough_to_be_ready(world):
    added = world.add_model()
    world.set_price(added)
    deployment = world.deploy(added, replicas=2)
    world.report(deployment, "ready")
    world.report(deployment, "failed", "out of memory")
    assert state(world) == ("ready", "", 1, 2)


def test_replicas_of_one_model_do_not_show_at_another(world):
    world.add_served()
    world.report(world.add_served("other"), "ready")
    assert state(world) == ("starting", "waiting for a replica", 0, 1)


def test_a_private_model_is_listed_for_its_organization_alone(world, database):
    world.add_served()
    own, other = OrganizationId.new(), OrganizationId.new()
    with database.transaction() as tx:
        rows = [{"id": each, "name": "Some", "created_at": START} for each in (own, other)]
        tx.execute(insert(organization), rows)
        tx.execute(update(model).values(visibility="private", organization_id=own))
        assert [found.name for found in list_models(tx, own)] == ["tw/small"]
        assert list_models(tx, other) == []
        assert list_models(tx) == []
        assert get_model(tx, "tw/small", other) is None
