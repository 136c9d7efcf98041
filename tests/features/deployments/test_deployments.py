"""Deployments and what is known of their replicas."""

from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from tradewind.core.clock import SystemClock
from tradewind.core.ids import DeploymentId, ReplicaId
from tradewind.db.notify import SNAPSHOT_CHANNEL, Listener
from tradewind.features.catalog.builtin import MINILM, SMOLLM2
from tradewind.features.catalog.service import Catalog
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport
from tradewind.features.deployments.service import (
    Deployments,
    DesiredDeployment,
)
from tradewind.features.deployments.tables import replica

pytestmark = pytest.mark.postgres

ACCESS = ReplicaAccess("llama_server", "p/m", "/run/engine-1.sock", "key-of-replica")
STARTING, READY = ReplicaReport("starting", "loading"), ReplicaReport("ready")


@pytest.fixture
def catalog():
    return Catalog(SystemClock())


@pytest.fixture
def deployments(catalog):
    return Deployments(catalog, SystemClock())


@pytest.fixture
def version_id(database, catalog):
    with database.transaction() as tx:
        return catalog.add_builtin(tx, SMOLLM2).version_id


@pytest.fixture
def deployment_id(database, deployments, version_id):
    with database.transaction() as tx:
        return deployments.deploy(tx, version_id, engine="llama_server", slots=4)


@pytest.fixture
def announced(database):
    """Return a function that says whether the snapshot was announced to be out of date."""
    listener = Listener(database, [SNAPSHOT_CHANNEL])
    listener.wait(0)

    def is_announced():
        # What was committed before a connection asks is there when it is answered.
        return bool(listener.wait(0.5).announcements)

    yield is_announced
    listener.close()


def replicas(tx):
    return {row.id: (row.state, row.detail) for row in tx.execute(select(replica))}


def test_a_version_is_deployed_once(database, deployments, version_id, deployment_id):
    with database.transaction() as tx:
        again = deployments.deploy(tx, version_id, engine="fake", slots=1, replicas=7)
        assert again is None
        [desired] = deployments.desired(tx)
    assert desired.deployment_id == deployment_id
    assert (desired.engine, desired.slots, desired.replicas) == ("llama_server", 4, 1)


def test_what_should_run_comes_with_what_running_it_takes(
    database, catalog, deployments, version_id, deployment_id
):
    with database.transaction() as tx:
        other = catalog.add_builtin(tx, MINILM).version_id
        other_id = deployments.deploy(tx, other, engine="fake", slots=2, replicas=0)
        assert deployments.desired(tx) == [
            DesiredDeployment(
                deployment_id, "llama_server", 4, 1, catalog.version_facts(tx, version_id)
            ),
            DesiredDeployment(other_id, "fake", 2, 0, catalog.version_facts(tx, other)),
        ]


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"slots": 1025}, {"replicas": -1}])
def test_the_database_refuses_impossible_numbers(database, deployments, version_id, wrong):
    numbers = {"slots": 1, "replicas": 1} | wrong
    with pytest.raises(IntegrityError), database.transaction() as tx:
        deployments.deploy(tx, version_id, engine="fake", **numbers)


def test_a_report_told_twice_is_one_replica_in_its_latest_state(
    database, deployments, deployment_id
):
    one, other = ReplicaId.new(), ReplicaId.new()
    for replica_id, report in (
        *((one, STARTING), (one, STARTING)),
        *((one, READY), (other, STARTING), (one, READY)),
    ):
        with database.transaction() as tx:
            deployments.report(tx, deployment_id, replica_id, report, ACCESS)
    with database.transaction() as tx:
        assert replicas(tx) == {one: ("ready", ""), other: ("starting", "loading")}


def test_an_impossible_state_is_refused(database, deployments, deployment_id):
    with pytest.raises(IntegrityError), database.transaction() as tx:
        deployments.report(tx, deployment_id, ReplicaId.new(), ReplicaReport("well"), ACCESS)


def test_a_replica_of_no_deployment_is_refused(database, deployments):
    with pytest.raises(IntegrityError), database.transaction() as tx:
        deployments.report(tx, DeploymentId.new(), ReplicaId.new(), READY, ACCESS)


def test_replicas_that_are_gone_are_forgotten_and_the_others_kept(
    database, deployments, deployment_id
):
    gone, kept = ReplicaId.new(), ReplicaId.new()
    with database.transaction() as tx:
        for replica_id in (gone, kept):
            deployments.report(tx, deployment_id, replica_id, READY, ACCESS)
    for _ in range(2):
        with database.transaction() as tx:
            deployments.forget(tx, [gone])
            assert set(replicas(tx)) == {kept}
    with database.transaction() as tx:
        deployments.forget_replicas(tx)
        assert replicas(tx) == {}


def test_replicas_go_with_their_deployment(database, deployments, deployment_id):
    with database.transaction() as tx:
        deployments.report(tx, deployment_id, ReplicaId.new(), READY, ACCESS)
        tx.execute(text("DELETE FROM deployment"))
        assert replicas(tx) == {}


def test_every_change_of_replicas_is_announced_when_it_is_committed(
    database, deployments, deployment_id, announced
):
    replica_id = ReplicaId.new()
    with database.transaction() as tx:
        deployments.report(tx, deployment_id, replica_id, READY, ACCESS)
    assert announced()
    with database.transaction() as tx:
        deployments.forget(tx, [replica_id])
    assert announced()
    with database.transaction() as tx:
        deployments.report(tx, deployment_id, replica_id, READY, ACCESS)
    assert announced()
    with database.transaction() as tx:
        deployments.forget_replicas(tx)
    assert announced()


def test_nothing_is_announced_when_nothing_was_forgotten(
    database, deployments, deployment_id, announced
):
    with database.transaction() as tx:
        deployments.forget(tx, [])
        deployments.forget_replicas(tx)
    assert not announced()


def test_a_model_may_be_deployed_beside_another_of_the_same_publisher(
    database, catalog, deployments, deployment_id
):
    with database.transaction() as tx:
        other = catalog.add_builtin(tx, replace(SMOLLM2, slug="other")).version_id
        assert deployments.deploy(tx, other, engine="fake", slots=1) is not None
        assert len(deployments.desired(tx)) == 2
