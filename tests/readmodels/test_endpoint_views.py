"""Endpoints and connections as people see them: whose they are, and what state they are in."""

from dataclasses import dataclass

import pytest
from catalog_parts import CatalogWorld
from sqlalchemy import insert

from tradewind.core.errors import NotFound
from tradewind.core.ids import OrganizationId, ProjectId, ReplicaId
from tradewind.core.permissions import Permission
from tradewind.db.sealing import Secret
from tradewind.features.accounts.tables import organization
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport
from tradewind.features.endpoints.schemas import EndpointChanges, NewEndpoint, NewTarget
from tradewind.features.providers.schemas import ConnectionChanges, NewConnection
from tradewind.readmodels import connections, endpoints
from tradewind.readmodels.endpoints import EndpointQuestion


@dataclass(frozen=True)
class Operator:
    organization_id: OrganizationId
    project_id: ProjectId

    def may(self, permission: Permission) -> bool:
        return True


class ViewWorld(CatalogWorld):
    def person(self) -> Operator:
        made = Operator(OrganizationId.new(), ProjectId.new())
        with self.database.transaction() as tx:
            values = {"id": made.organization_id, "name": "Some", "created_at": self.clock.now()}
            tx.execute(insert(organization).values(**values))
        return made

    def connect(self, actor: Operator, *, is_shared=True, **how):
        new = NewConnection(
            **{"credential": Secret("sk-0123456789-abcdef"), "host": "groq"} | how,
            is_shared=is_shared,
        )
        with self.database.transaction() as tx:
            return self.providers.add_connection(tx, actor, new)

    def add_endpoint(self, actor: Operator, **how):
        with self.database.transaction() as tx:
            return self.endpoints.add_endpoint(tx, actor, NewEndpoint("tw/small", **how))

    def set_state(self, deployment_id, state: str, detail: str = "") -> None:
        access = ReplicaAccess("llama_server", "small", "/run/x.sock", "secret-of-a-replica")
        with self.database.transaction() as tx:
            self.deployments.report(
                tx, deployment_id, ReplicaId.new(), ReplicaReport(state, detail), access
            )

    def show(self, actor: Operator, endpoint_id: str):
        with self.database.transaction() as tx:
            return endpoints.get_endpoint(tx, actor.organization_id, endpoint_id)

    def list(self, actor: Operator, **how):
        with self.database.transaction() as tx:
            return endpoints.list_endpoints(tx, EndpointQuestion(actor.organization_id, **how))


@pytest.fixture
def world(database):
    return ViewWorld(database)


@pytest.fixture
def operator(world):
    return world.person()


def test_everybodys_and_ones_own_are_seen_and_nobody_elses(world, operator):
    world.set_price(world.add_model())
    stranger = world.person()
    shared = world.connect(operator)
    own = world.connect(operator, name="Own", is_shared=False)
    everybodys = world.add_endpoint(operator, name="shared")
    mine = world.add_endpoint(operator, name="mine", is_shared=False)
    targets = [NewTarget(connection_id=own.id, upstream_model="m")]
    with world.database.transaction() as tx:
        world.endpoints.set_targets(tx, operator, mine.id, targets)

    assert [view.name for view in world.list(operator).endpoints] == ["mine", "shared"]
    seen = world.list(stranger)
    assert ([view.id for view in seen.endpoints], seen.found, seen.total) == ([everybodys.id], 1, 1)
    assert world.list(stranger, host=own.id).found == 0
    with pytest.raises(NotFound):
        world.show(stranger, mine.id)
    with world.database.transaction() as tx:
        listed = connections.list_connections(tx, stranger.organization_id)
        assert [view.id for view in listed] == [shared.id]
        assert connections.uses_of(tx, stranger.organization_id, own.id) == []
        assert endpoints.hosts_in_use(tx, stranger.organization_id) == []
        assert endpoints.hosts_in_use(tx, operator.organization_id) == [(own.id, "Own")]
        with pytest.raises(NotFound):
            connections.get_connection(tx, stranger.organization_id, own.id)


def test_a_connection_tells_how_many_targets_use_it_and_nothing_sealed(world, operator):
    world.set_price(world.add_model())
    connection = world.connect(operator)
    targets = [
        NewTarget(connection_id=connection.id, upstream_model=name, tier=tier)
        for tier, name in enumerate(("a", "b"))
    ]
    made = world.add_endpoint(operator, name="x", targets=targets)

    with world.database.transaction() as tx:
        view = connections.get_connection(tx, operator.organization_id, connection.id)
        uses = connections.uses_of(tx, operator.organization_id, connection.id)

    assert view.targets == 2
    assert view.credential_hint == "cdef"
    assert "sk-" not in repr(view)
    assert [(use.endpoint_id, use.upstream_model, use.tier) for use in uses] == [
        (made.id, "a", 0),
        (made.id, "b", 1),
    ]


def test_a_target_has_what_it_says_itself_and_else_what_its_connection_says(world, operator):
    world.set_price(world.add_model(context_tokens=4096))
    connection = world.connect(
        operator, region="eu-west-1", zone="eu", retains_data=False, trains_on_data=True
    )
    here = {"connection_id": connection.id}
    targets = [
        NewTarget(**here, upstream_model="as-it-is"),
        NewTarget(
            **here,
            upstream_model="other",
            region="us-east-1",
            zone="",
            retains_data=True,
            trains_on_data=False,
            context_tokens=1024,
        ),
    ]
    made = world.add_endpoint(operator, name="x", targets=targets)

    first, second = world.show(operator, made.id).targets

    assert (first.region, first.zone, first.context_tokens) == ("eu-west-1", "eu", 4096)
    assert (first.retains_data, first.trains_on_data) == (False, True)
    assert (second.region, second.zone, second.context_tokens) == ("us-east-1", "", 1024)
    assert (second.retains_data, second.trains_on_data) == (True, False)
    assert (first.host, first.name, first.is_own) == ("groq", "Groq", False)


@pytest.mark.parametrize(
    ("reports", "state", "detail"),
    [
        ([], "starting", "waiting for a replica"),
        ([("starting", "loading, 41%")], "starting", "loading, 41%"),
        ([("failed", "no memory")], "failed", "no memory"),
        ([("failed", "no memory"), ("ready", "")], "ready", ""),
    ],
)
def test_own_capacity_is_as_ready_as_its_replicas(world, operator, reports, state, detail):
    deployment_id = world.add_served()
    for report in reports:
        world.set_state(deployment_id, *report)
    (view,) = world.list(operator).endpoints

    (target,) = view.targets
    assert (target.state, target.state_detail) == (state, detail)
    assert (target.host, target.replicas) == ("own", 1)
    assert view.state == ("ready" if state == "ready" else "down")
    assert "secret-of-a-replica" not in repr(view)


def test_the_state_of_an_endpoint_is_what_a_call_would_find(world, operator):
    added = world.add_model()
    made = world.add_endpoint(operator, name="x")

    def state() -> str:
        return world.show(operator, made.id).state

    assert state() == "unpriced"
    world.set_price(added)
    assert state() == "empty"
    one, two = world.connect(operator), world.connect(operator, name="Two")
    with world.database.transaction() as tx:
        targets = [NewTarget(connection_id=row.id, upstream_model="m") for row in (one, two)]
        world.endpoints.set_targets(tx, operator, made.id, targets)
    assert state() == "ready"
    for row, then in ((one, "degraded"), (two, "down")):
        with world.database.transaction() as tx:
            off = ConnectionChanges(is_enabled=False)
            world.providers.update_connection(tx, operator, row.id, off)
        assert state() == then
    with world.database.transaction() as tx:
        off = EndpointChanges(is_enabled=False)
        world.endpoints.update_endpoint(tx, operator, made.id, off)
    assert state() == "disabled"


def test_the_price_is_the_newest_one(world, operator):
    added = world.add_model()
    made = world.add_endpoint(operator, name="x")
    world.set_price(added, input_nanos=1)
    newest = world.set_price(added, input_nanos=9, currency="EUR")

    price = world.show(operator, made.id).price

    assert price is not None
    assert (price.id, price.input_nanos, price.currency) == (newest, 9, "EUR")


def test_words_are_looked_for_as_they_are_written(world, operator):
    world.set_price(world.add_model())
    world.add_endpoint(operator, name="a_b", aliases=["other-name"])
    world.add_endpoint(operator, name="axb")

    def names(text: str) -> list[str]:
        return [view.name for view in world.list(operator, text=text).endpoints]

    assert names("A_B") == ["a_b"], "an underscore is no wildcard"
    assert names("%") == []
    assert names("\\") == []
    assert names("name tw") == ["a_b"]
    assert names("a\x00b") == []
    assert names("smollm2") == ["a_b", "axb"]


def test_the_list_is_cut_into_pages_by_name(world, operator):
    world.set_price(world.add_model())
    for name in ("c", "a", "b"):
        world.add_endpoint(operator, name=name)

    answer = world.list(operator, offset=1, limit=1)

    assert ([view.name for view in answer.endpoints], answer.found, answer.total) == (["b"], 3, 3)


def test_the_deployments_of_a_model_are_told_with_their_replicas(world, operator):
    added = world.add_model()
    other = world.add_served("other")
    world.set_price(added)
    deployment_id = world.deploy(added, replicas=2)
    world.set_state(deployment_id, "ready")

    with world.database.transaction() as tx:
        (view,) = endpoints.deployments_of_model(tx, added.model_id)

    assert view.id == deployment_id != other
    assert (view.engine, view.replicas_ready, view.replicas) == ("llama_server", 1, 2)
