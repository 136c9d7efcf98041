"""Endpoints: names, who may have them, and the places behind them."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound, PreconditionFailed
from tradewind.core.permissions import Role
from tradewind.db.notify import SNAPSHOT_CHANNEL, Listener
from tradewind.features.endpoints.errors import ConnectionInUse
from tradewind.features.endpoints.schemas import EndpointChanges, NewEndpoint, NewTarget
from tradewind.snapshot.contents import Conditions, Cost, Limits, Routing

pytestmark = pytest.mark.postgres

ROUTING = Routing(
    "latency", queue_bound=4, first_token_bound_ms=800, max_attempts=2, retry_timeouts=True
)
CONDITIONS = Conditions(frozenset({"eu"}), frozenset({"eu-1"}), no_retention=True)
LIMITS = Limits(600, 100_000, 10)


@pytest.fixture
def add(endpoints, operator, model):
    """Add an endpoint; tw/small is a model that is there."""
    model()

    def add(model="tw/small", actor=None, **how):
        return endpoints.add_endpoint(actor or operator, NewEndpoint(model=model, **how))

    return add


def test_an_endpoint_is_what_was_said_of_it(endpoints, operator, add):
    made = add(
        name="acme/assistant",
        aliases=["assistant", "helper"],
        routing=ROUTING,
        conditions=CONDITIONS,
        limits=LIMITS,
        is_enabled=False,
    )
    assert made == endpoints.get_endpoint(operator, made.id)
    assert [made] == endpoints.list_endpoints(operator)
    assert (made.name, made.aliases) == ("acme/assistant", ("assistant", "helper"))
    assert (made.routing, made.conditions, made.limits) == (ROUTING, CONDITIONS, LIMITS)
    assert not made.is_enabled
    assert made.targets == ()


def test_an_endpoint_is_called_like_its_model_unless_told_otherwise(add):
    assert add().name == "tw/small"


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "tw/unknown"},
        {"model": "unknown"},
        {"name": "with space"},
        {"name": "with:policy"},
        {"aliases": ["with@version"]},
        {"routing": Routing(sort="luck")},
        {"limits": Limits(requests_per_minute=0)},
        {"targets": [NewTarget()]},
        {"targets": [NewTarget(deployment_id="dep_1")]},
        {"targets": [NewTarget(deployment_id="dep_" + 26 * "0")]},
        {"targets": [NewTarget(connection_id="conn_" + 26 * "0", upstream_model="m")]},
    ],
    ids=range(11),
)
def test_what_cannot_be_an_endpoint_is_refused(add, wrong):
    with pytest.raises(InvalidInput):
        add(**wrong)


@pytest.mark.parametrize(
    "taken",
    [
        {"name": "one"},
        {"name": "alias-of-one"},
        {"aliases": ["one"]},
        {"aliases": ["x", "alias-of-one"]},
    ],
)
def test_a_name_or_alias_leads_to_one_endpoint_only(add, taken):
    add(name="one", aliases=["alias-of-one"])
    with pytest.raises(Conflict):
        add(**({"name": "two"} | taken))


def test_a_change_takes_no_name_either(endpoints, operator, add):
    add(name="one", aliases=["alias-of-one"])
    other = add(name="two", aliases=["kept"])
    for alias in ("one", "alias-of-one"):
        with pytest.raises(Conflict):
            endpoints.update_endpoint(operator, other.id, EndpointChanges(aliases=[alias]))
    same = EndpointChanges(aliases=["kept", "more"])
    assert endpoints.update_endpoint(operator, other.id, same).aliases == ("kept", "more")


def test_what_is_named_is_changed_and_the_rest_stays(endpoints, operator, add):
    made = add(aliases=["kept"], routing=ROUTING)
    changed = endpoints.update_endpoint(
        operator,
        made.id,
        EndpointChanges(limits=LIMITS, is_enabled=False),
    )
    assert (changed.limits, changed.is_enabled) == (LIMITS, False)
    assert (changed.aliases, changed.routing) == (("kept",), ROUTING)
    assert changed.revision == made.revision + 1


def test_a_change_of_what_was_changed_meanwhile_is_refused(endpoints, operator, add):
    made = add()
    endpoints.update_endpoint(operator, made.id, EndpointChanges(limits=LIMITS), revision=1)
    for act in (
        lambda: endpoints.update_endpoint(
            operator, made.id, EndpointChanges(is_enabled=False), revision=1
        ),
        lambda: endpoints.set_targets(operator, made.id, [], revision=1),
        lambda: endpoints.delete_endpoint(operator, made.id, revision=1),
    ):
        with pytest.raises(PreconditionFailed):
            act()
    endpoints.delete_endpoint(operator, made.id, revision=2)
    with pytest.raises(NotFound):
        endpoints.get_endpoint(operator, made.id)


# --- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_only_administrators_have_to_do_with_endpoints(endpoints, person, add, role):
    made, weak = add(), person(role)
    for act in (
        lambda: endpoints.list_endpoints(weak),
        lambda: endpoints.get_endpoint(weak, made.id),
        lambda: endpoints.add_endpoint(weak, NewEndpoint("tw/small", name="x")),
        lambda: endpoints.update_endpoint(weak, made.id, EndpointChanges()),
        lambda: endpoints.set_targets(weak, made.id, []),
        lambda: endpoints.delete_endpoint(weak, made.id),
    ):
        with pytest.raises(Forbidden):
            act()


def test_an_organization_has_endpoints_of_its_own_and_sees_no_others(
    endpoints, person, add, operator
):
    one, other = person(is_operator=False), person(is_operator=False)
    shared, own = add(), add(actor=one, name="one/own", is_shared=False)
    assert own.organization_id == one.organization_id
    with pytest.raises(Forbidden):
        add(actor=one, name="one/shared")
    assert [row.id for row in endpoints.list_endpoints(one)] == [own.id]
    assert endpoints.list_endpoints(other) == []
    assert [row.id for row in endpoints.list_endpoints(operator)] == [shared.id]
    for stranger, made in ((other, own), (one, shared), (operator, own)):
        with pytest.raises(NotFound):
            endpoints.delete_endpoint(stranger, made.id)


def test_an_endpoint_of_everybodys_uses_no_connection_of_one_organization(
    endpoints, person, add, connect, operator
):
    mate = person(of=operator)
    theirs = connect(is_shared=False)
    target = NewTarget(connection_id=theirs.id, upstream_model="m")
    shared = add()
    with pytest.raises(InvalidInput, match="of one organization"):
        endpoints.set_targets(operator, shared.id, [target])
    own = add(name="own", is_shared=False)
    assert endpoints.set_targets(mate, own.id, [target]).targets


# --- targets --------------------------------------------------------------------------------


def test_targets_are_replaced_and_those_that_stay_keep_their_id(
    endpoints, operator, deployment, add, connect
):
    own, hosted = NewTarget(deployment_id=deployment()), connect()
    first = NewTarget(connection_id=hosted.id, upstream_model="first", tier=1)
    second = NewTarget(
        connection_id=hosted.id,
        upstream_model="second",
        tier=1,
        weight=3,
        region="eu-west-1",
        retains_data=False,
        quantization="fp8",
        context_tokens=4096,
        cost=Cost("USD", 1_000, 2_000),
        parameters=frozenset({"tools", "seed"}),
    )
    made = add(targets=[own, first])
    before = {target.upstream_model: target.id for target in made.targets}
    after = endpoints.set_targets(operator, made.id, [second, own])
    assert [target.upstream_model for target in after.targets] == ["second", None]
    assert after.targets[1].id == before[None]
    assert after.targets[0].id not in before.values()
    shown = after.targets[0]
    assert (shown.tier, shown.weight, shown.region, shown.quantization) == (
        1,
        3,
        "eu-west-1",
        "fp8",
    )
    assert (shown.retains_data, shown.trains_on_data) == (False, None)
    assert (shown.cost, shown.parameters) == (second.cost, second.parameters)
    assert after.revision == made.revision + 1


def test_a_deployment_answers_for_its_own_model_only(model, add, deployment):
    model("other")
    deployment_id = deployment("small")
    with pytest.raises(InvalidInput, match="another model"):
        add("tw/other", targets=[NewTarget(deployment_id=deployment_id)])


def test_the_database_refuses_a_target_without_a_place(do, add):
    made = add()
    with pytest.raises(IntegrityError):
        do(
            lambda tx: tx.execute(
                text(
                    "INSERT INTO endpoint_target"
                    " (id, endpoint_id, position, tier, weight, quantization)"
                    " VALUES ('tgt_1', :id, 0, 0, 1, '')"
                ),
                {"id": made.id},
            )
        )


# --- deployments ----------------------------------------------------------------------------


def test_a_deployment_is_served_under_its_models_name_and_slug(endpoints, operator, deployment):
    deployment_id = deployment()
    for _ in range(2):
        endpoints.serve_deployment(deployment_id)
    [made] = endpoints.list_endpoints(operator)
    assert (made.name, made.aliases) == ("tw/small", ("small",))
    assert [target.deployment_id for target in made.targets] == [deployment_id]


def test_a_slug_that_is_taken_is_no_alias(endpoints, operator, deployment, model, add):
    model("other")
    add("tw/other", aliases=["small"])
    endpoints.serve_deployment(deployment())
    found = {made.name: made.aliases for made in endpoints.list_endpoints(operator)}
    assert found == {"tw/other": ("small",), "tw/small": ()}


def test_two_deployments_of_a_model_are_two_targets_of_one_endpoint(
    endpoints, operator, deployment
):
    first, second = deployment(), deployment()
    endpoints.serve_deployment(first)
    endpoints.serve_deployment(second)
    [made] = endpoints.list_endpoints(operator)
    assert [target.deployment_id for target in made.targets] == [first, second]


# --- connections that are used --------------------------------------------------------------


def test_a_connection_that_targets_use_is_not_deleted(endpoints, operator, add, connect):
    used, free = connect(), connect(name="free")
    made = add(targets=[NewTarget(connection_id=used.id, upstream_model="m")])
    with pytest.raises(ConnectionInUse, match="tw/small"):
        endpoints.delete_connection(operator, used.id)
    endpoints.delete_connection(operator, free.id)
    endpoints.set_targets(operator, made.id, [])
    endpoints.delete_connection(operator, used.id, revision=1)
    for gone in (used, free):
        with pytest.raises(NotFound):
            endpoints.delete_connection(operator, gone.id)


def test_only_who_may_deletes_a_connection(endpoints, person, connect):
    row, stranger = connect(), person(is_operator=False)
    with pytest.raises(NotFound):
        endpoints.delete_connection(stranger, row.id)
    with pytest.raises(Forbidden):
        endpoints.delete_connection(person(Role.DEVELOPER), row.id)
    with pytest.raises(PreconditionFailed):
        endpoints.delete_connection(person(), row.id, revision=7)


def test_every_change_is_announced(database, endpoints, operator, deployment, add):
    listener = Listener(database, [SNAPSHOT_CHANNEL])
    deployment_id = deployment()
    listener.wait(0)
    endpoints.serve_deployment(deployment_id)
    assert listener.wait(5).announcements
    made = add(name="other")
    assert listener.wait(5).announcements
    endpoints.update_endpoint(operator, made.id, EndpointChanges(is_enabled=False))
    assert listener.wait(5).announcements
    endpoints.set_targets(operator, made.id, [])
    assert listener.wait(5).announcements
    endpoints.delete_endpoint(operator, made.id)
    assert listener.wait(5).announcements
    listener.close()
