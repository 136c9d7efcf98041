"""How a revision takes the place of the one before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.ids import ReplicaId
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.deployments.errors import DoesNotFit
from tradewind.features.deployments.fit import MIB, Machine, Shape, Verdict, estimate
from tradewind.features.deployments.rules import (
    ReplicaAccess,
    ReplicaReport,
    most_at_once,
    stays,
)
from tradewind.features.deployments.schemas import DeploymentChanges, NewDeployment, Strategy
from tradewind.features.deployments.transition import choose, freed_by
from tradewind.readmodels.deployments import get_deployment

SHAPE = Shape(layers=30, key_value_heads=3, key_length=64, value_length=64, embedding_length=576)
NAME = f"{SMOLLM2.publisher}/{SMOLLM2.slug}"
ACCESS = ReplicaAccess("openai_compatible", NAME, "/run/replica.sock", "key")


def fit(free_mib):
    return estimate(
        weights_bytes=90 * MIB,
        shape=SHAPE,
        context_tokens=8192,
        slots=4,
        threads=1,
        replicas=1,
        machine=Machine(4096 * MIB, free_mib * MIB, 4),
    )


@given(st.integers(0, 16), st.integers(0, 16))
def test_stopping_first_never_runs_more_than_wanted_and_always_has_room_for_the_next(wanted, ready):
    kept = stays(Strategy.STOP_FIRST, wanted=wanted, ready=ready)
    most = most_at_once(Strategy.STOP_FIRST, wanted=wanted, is_changing=True)
    assert most == wanted
    assert kept + ready < wanted or ready >= wanted or not wanted
    assert kept >= 0


@given(st.integers(0, 16), st.integers(0, 16))
def test_starting_first_keeps_as_many_ready_as_wanted(wanted, ready):
    kept = stays(Strategy.START_FIRST, wanted=wanted, ready=ready)
    assert kept + ready >= wanted
    assert most_at_once(Strategy.START_FIRST, wanted=wanted, is_changing=True) == wanted + 1
    assert most_at_once(Strategy.START_FIRST, wanted=wanted, is_changing=False) == wanted


def test_what_fits_beside_is_started_first_unless_asked_otherwise():
    seen = choose(fit(2000), freed_bytes=800 * MIB, asked=None)
    assert (seen.strategy, seen.is_chosen) == (Strategy.START_FIRST, False)
    asked = choose(fit(2000), freed_bytes=800 * MIB, asked=Strategy.STOP_FIRST)
    assert (asked.strategy, asked.is_chosen) == (Strategy.STOP_FIRST, True)


def test_what_does_not_fit_beside_is_started_in_the_place_of_the_former():
    seen = choose(fit(300), freed_bytes=780 * MIB, asked=None)
    assert (seen.strategy, seen.is_chosen) == (Strategy.STOP_FIRST, False)
    assert seen.fit.available_bytes == 1080 * MIB
    assert seen.fit.verdict is not Verdict.DOES_NOT_FIT


def test_with_nothing_that_runs_there_is_nothing_to_stop():
    seen = choose(fit(300), freed_bytes=0, asked=None)
    assert (seen.strategy, seen.fit.verdict) == (Strategy.START_FIRST, Verdict.DOES_NOT_FIT)


def test_who_insists_on_starting_first_is_told_that_both_do_not_fit():
    seen = choose(fit(300), freed_bytes=780 * MIB, asked=Strategy.START_FIRST)
    assert seen.fit.verdict is Verdict.DOES_NOT_FIT


def test_mapped_weights_are_not_given_back_and_sealed_ones_are():
    found = fit(2000)
    assert freed_by(found, is_sealed=True) - freed_by(found, is_sealed=False) == 90 * MIB


@pytest.fixture
def desk(services, database, operator):
    """Orders on a machine where one copy runs and a second one does not fit."""
    from tests.features.deployments.test_deployment_orders import Desk  # noqa: PLC0415

    with database.transaction() as tx:
        services.catalog.add_builtin(tx, SMOLLM2)
    return Desk(services, database, operator)


@pytest.fixture
def running(desk, do):
    """A deployment with a ready replica that took most of the machine."""
    asked = NewDeployment(NAME)
    deployment_id = do(desk.orders.deploy, desk.actor, asked, by="Ada").deployment_id
    report = ReplicaReport("ready")
    do(desk.services.deployments.report, deployment_id, ReplicaId.new(), report, ACCESS)
    do(desk.services.deployments.was_ready, deployment_id, 1)
    desk.machine = Machine(1280 * MIB, 300 * MIB, 8)
    return deployment_id


@pytest.mark.postgres
def test_a_change_that_does_not_fit_beside_stops_first_and_so_does_rolling_back(desk, do, running):
    look = do(desk.orders.look_at_change, desk.actor, running, DeploymentChanges(slots=3))
    assert look.strategy is Strategy.STOP_FIRST
    assert desk.change(running, slots=3) == 2
    view = do(get_deployment, desk.actor.organization_id, running)
    assert (view.revision, view.strategy) == (2, "stop_first")
    assert do(desk.orders.roll_back, desk.actor, running) == 1
    view = do(get_deployment, desk.actor.organization_id, running)
    assert (view.revision, view.strategy) == (1, "stop_first")
    desk.machine = Machine(24 * 1024 * MIB, 22 * 1024 * MIB, 8)
    assert desk.change(running, slots=2) == 3
    assert desk.view(running).strategy == "start_first"
    do(desk.orders.roll_back, desk.actor, running, 1, Strategy.STOP_FIRST)
    assert desk.view(running).strategy == "stop_first"


@pytest.mark.postgres
def test_a_change_that_must_start_first_or_fits_in_no_place_is_refused(desk, running):
    with pytest.raises(DoesNotFit):
        desk.change(running, slots=3, strategy=Strategy.START_FIRST)
    with pytest.raises(DoesNotFit):
        desk.change(running, slots=64)
    assert desk.view(running).revision == 1
    assert desk.change(running, slots=64, is_override=True) == 2
