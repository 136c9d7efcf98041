"""Orders for deployments."""

from dataclasses import replace

import pytest

from tradewind.core.errors import Forbidden, InvalidInput, NotFound
from tradewind.core.permissions import Role
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.errors import ModelNotFound, NotDeployable
from tradewind.features.catalog.schemas import NewModel
from tradewind.features.deployments.errors import (
    AlreadyDeployed,
    DoesNotFit,
    NothingToDeploy,
    NothingToRollBackTo,
)
from tradewind.features.deployments.fit import MIB, Machine, Verdict
from tradewind.features.deployments.orders import DeploymentOrders
from tradewind.features.deployments.schemas import DeploymentChanges, NewDeployment, Price
from tradewind.features.deployments.weighing import weigher
from tradewind.readmodels.deployments import get_deployment, list_revisions
from tradewind.snapshot.contents import Operation

pytestmark = pytest.mark.postgres

NAME = "huggingfacetb/mine"
ROOMY = Machine(24 * 1024 * MIB, 22 * 1024 * MIB, 8)
SMALL = Machine(1024 * MIB, 700 * MIB, 8)


class Desk:
    """Orders on a machine that can be swapped."""

    def __init__(self, services, database, actor):
        self.machine = ROOMY
        self.services = services
        self.actor = actor
        self._database = database
        self.orders = DeploymentOrders(
            services.catalog,
            services.licences,
            services.market,
            services.clock,
            weigh=weigher(lambda _tx, _digest: None),
            machine=lambda: self.machine,
            serve=services.endpoints.serve_deployment,
            currency="USD",
        )

    def do(self, act, *arguments, **more):
        with self._database.transaction() as tx:
            return act(tx, *arguments, **more)

    def deploy(self, **asked):
        actor = asked.pop("actor", self.actor)
        new = NewDeployment(**{"model": NAME, **asked})
        return self.do(self.orders.deploy, actor, new, by="Ada").deployment_id

    def change(self, deployment_id, **changes):
        asked = DeploymentChanges(**changes)
        return self.do(self.orders.change, self.actor, deployment_id, asked, by="Ada")

    def view(self, deployment_id):
        return self.do(get_deployment, self.actor.organization_id, deployment_id)

    def revisions(self, deployment_id):
        return self.do(list_revisions, deployment_id)


@pytest.fixture
def desk(services, database, operator):
    with database.transaction() as tx:
        services.catalog.add_builtin(tx, replace(SMOLLM2, slug="mine"))
    return Desk(services, database, operator)


def test_a_model_is_deployed_with_a_price_and_a_name(desk):
    deployment_id = desk.deploy()
    view = desk.view(deployment_id)
    assert (view.model, view.endpoint, view.state) == (NAME, NAME, "queued")
    assert (view.slots, view.context_tokens, view.replicas_wanted) == (4, 8192, 1)
    [revision] = desk.revisions(deployment_id)
    assert (revision.created_by, revision.state, revision.is_override) == ("Ada", "new", False)
    assert revision.fit["verdict"] == "fits"
    model = desk.do(desk.services.catalog.find_model, NAME)
    assert desk.do(desk.services.market.has_price, model.model_id)


def test_looking_changes_nothing_and_says_what_was_not_asked(desk):
    desk.machine = SMALL
    found = desk.do(desk.orders.look, desk.actor, NewDeployment(NAME))
    assert found.asked.context_tokens == 4096, "the most that fits"
    assert found.fit.verdict is Verdict.TIGHT
    assert found.deployment_id is None
    assert found.has_price is False


def test_what_does_not_fit_needs_somebody_who_says_so(desk):
    desk.machine = SMALL
    with pytest.raises(DoesNotFit, match="870 MiB"):
        desk.deploy(context_tokens=8192)
    deployment_id = desk.deploy(context_tokens=8192, is_override=True)
    [revision] = desk.revisions(deployment_id)
    assert (revision.is_override, revision.fit["verdict"]) == (True, "does_not_fit")


def test_a_version_is_deployed_once_by_people_too(desk):
    deployment_id = desk.deploy()
    with pytest.raises(AlreadyDeployed, match=deployment_id):
        desk.deploy()


def test_a_model_without_weights_here_is_left_to_its_providers(desk, do):
    entry = NewModel("far", "Far", "away", "Away", Operation.CHAT, "hosted", "host:away", 4096)
    do(desk.services.catalog.add_model, entry)
    with pytest.raises(NothingToDeploy) as caught:
        desk.deploy(model="far/away")
    assert "provider" in (caught.value.hint or "")


def test_a_model_whose_life_ends_is_not_deployed(desk, database):
    with database.transaction() as tx:
        tx.exec_driver_sql(
            "UPDATE model SET lifecycle = 'deprecated', retires_on = '2999-01-01'"
            " WHERE slug = 'mine'"
        )
    with pytest.raises(NotDeployable):
        desk.deploy()


def test_a_model_that_nobody_knows_is_not_found(desk):
    with pytest.raises(ModelNotFound):
        desk.deploy(model="no/such")


@pytest.mark.parametrize(
    "wrong",
    [{"slots": 0}, {"slots": 65}, {"threads": 0}, {"replicas": 17}, {"context_tokens": 8193}],
)
def test_numbers_that_cannot_be_are_refused(desk, wrong):
    with pytest.raises(InvalidInput):
        desk.deploy(**wrong)


def test_who_may_not_deploy_is_refused(desk, person, operator):
    with pytest.raises(Forbidden):
        desk.deploy(actor=person(Role.DEVELOPER, of=operator))
    with pytest.raises(Forbidden):
        desk.deploy(actor=person(of=operator, is_operator=False))


def test_a_change_is_another_revision_and_can_be_taken_back(desk, do):
    deployment_id = desk.deploy()
    with pytest.raises(NothingToRollBackTo):
        do(desk.orders.roll_back, desk.actor, deployment_id)
    do(desk.services.deployments.was_ready, deployment_id, 1)
    assert desk.change(deployment_id, slots=2, context_tokens=2048) == 2
    view = desk.view(deployment_id)
    assert (view.revision, view.good_revision, view.slots) == (2, 1, 2)
    assert view.context_tokens == 2048
    assert do(desk.orders.roll_back, desk.actor, deployment_id) == 1
    view = desk.view(deployment_id)
    assert (view.revision, view.slots, view.context_tokens) == (1, 4, 8192)
    assert desk.change(deployment_id) == 1, "nothing is no change"
    with pytest.raises(NotFound):
        do(desk.orders.roll_back, desk.actor, deployment_id, 9)


def test_a_revision_gives_way_to_the_last_good_one_and_says_why(desk, do):
    deployment_id = desk.deploy()
    give_way = desk.services.deployments.give_way
    assert do(give_way, deployment_id, 1, "no good one") is None
    do(desk.services.deployments.was_ready, deployment_id, 1)
    desk.change(deployment_id, slots=2)
    assert do(give_way, deployment_id, 1, "an old report") is None
    assert do(give_way, deployment_id, 2, "it never\nwas ready") == 1
    newest, oldest = desk.revisions(deployment_id)
    assert (newest.state, newest.reason) == ("failed", "it never was ready")
    assert oldest.state == "good"
    assert desk.view(deployment_id).slots == 4


def test_scaling_counts_what_is_added_and_stopping_remembers(desk, do):
    deployment_id = desk.deploy()
    scale = desk.orders.scale
    desk.machine = Machine(24 * 1024 * MIB, 1000 * MIB, 8)
    do(scale, desk.actor, deployment_id, 2)
    with pytest.raises(DoesNotFit):
        do(scale, desk.actor, deployment_id, 4)
    do(scale, desk.actor, deployment_id, 4, is_override=True)
    do(desk.orders.stop, desk.actor, deployment_id)
    assert desk.view(deployment_id).state == "stopped"
    desk.machine = ROOMY
    do(desk.orders.start, desk.actor, deployment_id)
    assert desk.view(deployment_id).replicas_wanted == 4
    with pytest.raises(InvalidInput):
        do(scale, desk.actor, deployment_id, 17)


def test_a_deleted_deployment_leaves_the_model_and_its_name(desk, do):
    deployment_id = desk.deploy(price=Price("EUR", 10, 20))
    do(desk.orders.delete, desk.actor, deployment_id)
    with pytest.raises(NotFound):
        desk.view(deployment_id)
    assert do(desk.services.catalog.find_model, NAME) is not None
    assert desk.deploy() != deployment_id


def test_a_private_model_is_called_by_its_own_organization_alone(desk, do, person, database):
    with database.transaction() as tx:
        tx.exec_driver_sql(
            "UPDATE model SET visibility = 'private', organization_id = %s WHERE slug = 'mine'",
            (desk.actor.organization_id,),
        )
    deployment_id = desk.deploy()
    stranger = person()
    with pytest.raises(NotFound):
        do(get_deployment, stranger.organization_id, deployment_id)
    with pytest.raises(NotFound):
        do(desk.orders.stop, stranger, deployment_id)
    with database.transaction() as tx:
        owner = tx.exec_driver_sql("SELECT organization_id FROM endpoint").scalar()
    assert owner == desk.actor.organization_id
