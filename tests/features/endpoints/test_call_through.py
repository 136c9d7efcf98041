"""A model called at a provider: account, price, endpoint and target by one call."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import insert

from tests.features.endpoints.offer_parts import NOW, add_listed_model, add_offer
from tradewind.core.errors import Forbidden, InvalidInput
from tradewind.core.permissions import Role
from tradewind.db.sealing import Secret
from tradewind.features.accounts.tables import project
from tradewind.features.catalog.errors import LicenceNotAccepted, ModelNotFound
from tradewind.features.endpoints.errors import (
    EndpointNameTaken,
    NoConnection,
    NotOffered,
    PriceChanged,
)
from tradewind.features.endpoints.schemas import Callers, CallThrough, ModelPrice, NewEndpoint
from tradewind.features.providers.schemas import ConnectionChanges, NewConnection
from tradewind.snapshot.contents import Cost

pytestmark = pytest.mark.postgres

NAME = "kestrel/sirocco"
KEY = "gsk-0123456789-abcdefgh-wxyz"
PRICE = ModelPrice("USD", 500_000_000, 1_500_000_000, 500_000_000)


def account(key=KEY, **how):
    return NewConnection(credential=Secret(key), **how)


@pytest.fixture
def model_id(database):
    with database.transaction() as tx:
        model_id = add_listed_model(tx)
        add_offer(tx, model_id)
    return model_id


@pytest.fixture
def offered(database, model_id):
    def add(host="groq", **values):
        with database.transaction() as tx:
            add_offer(tx, model_id, host, **values)

    return add


@pytest.fixture
def call(do, services, operator, model_id):
    def call(host="groq", actor=None, **asked):
        wanted = CallThrough(**{"model": NAME, "host": host, **asked})
        return do(services.call_throughs.call_through, actor or operator, wanted)

    return call


@pytest.fixture
def counted(database):
    """Return how many connections, endpoints, targets and prices there are."""

    def counted():
        tables = ("provider_connection", "endpoint", "endpoint_target", "price")
        with database.transaction() as tx:
            return [
                tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() for table in tables
            ]

    return counted


def test_one_call_makes_account_price_endpoint_and_target(call, compiled, counted, operator):
    done = call(new_connection=account())
    assert done.is_new
    assert (done.upstream_model, done.price) == ("sirocco-1", PRICE)
    assert (done.connection.name, done.connection.organization_id) == (
        "Groq",
        operator.organization_id,
    )
    endpoint = compiled()[NAME]
    assert (endpoint.organization_id, endpoint.project_id) == (operator.organization_id, "")
    assert (endpoint.price.input_nanos, endpoint.price.output_nanos) == (
        500_000_000,
        1_500_000_000,
    )
    [target] = endpoint.targets
    assert (target.host, target.upstream_model, target.credential) == ("groq", "sirocco-1", KEY)
    assert target.cost == Cost("USD", 500_000_000, 1_500_000_000, 500_000_000)
    assert target.context_tokens == 64_000, "the offer's is shorter than the model's"
    assert counted() == [1, 1, 1, 1]


def test_asking_again_finds_what_is_there(call, counted):
    first = call(new_connection=account())
    again = call(new_connection=account(), price=PRICE)
    assert (again.endpoint, again.connection, again.is_new) == (
        first.endpoint,
        first.connection,
        False,
    )
    by_connection = call(connection_id=first.connection.id)
    assert by_connection.endpoint.id == first.endpoint.id
    without_any = call()
    assert (without_any.endpoint.id, without_any.is_new) == (first.endpoint.id, False)
    assert counted() == [1, 1, 1, 1]


def test_many_who_ask_the_same_at_once_make_it_once(call, counted):
    barrier, done, failures = threading.Barrier(6), [], []

    def ask():
        barrier.wait()
        try:
            done.append(call(new_connection=account()))
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len({one.endpoint.id for one in done}) == 1
    assert sum(one.is_new for one in done) == 1
    assert counted() == [1, 1, 1, 1]


def test_another_key_is_another_account_and_another_name(call, counted):
    call(new_connection=account())
    with pytest.raises(EndpointNameTaken) as caught:
        call(new_connection=account("gsk-another-key-0123456789"))
    assert caught.value.hint == "take kestrel/sirocco-groq, or another name"
    assert counted() == [1, 1, 1, 1], "a refusal changes nothing"
    done = call(new_connection=account("gsk-another-key-0123456789"), name="kestrel/sirocco-groq")
    assert done.connection.name == "Groq 2"
    assert counted() == [2, 2, 2, 1]


def test_an_endpoint_of_one_project_is_hidden_from_the_others(call, compiled, operator, do):
    with_project = replace(operator)
    do(
        lambda tx: tx.execute(
            insert(project).values(
                id=with_project.project_id,
                organization_id=operator.organization_id,
                name="P",
                created_at=NOW,
            )
        )
    )
    done = call(new_connection=account(), callers=Callers.PROJECT)
    assert done.endpoint.project_id == operator.project_id
    endpoint = compiled()[NAME]
    assert (endpoint.organization_id, endpoint.project_id) == (
        operator.organization_id,
        operator.project_id,
    )
    with pytest.raises(EndpointNameTaken):
        call(callers=Callers.ORGANIZATION)


def test_what_everybody_calls_is_paid_for_by_the_platforms_account(call, compiled):
    with pytest.raises(NoConnection):
        call(callers=Callers.EVERYBODY)
    done = call(callers=Callers.EVERYBODY, new_connection=account())
    assert done.connection.is_shared
    assert compiled()[NAME].organization_id == ""


def test_the_account_that_is_there_is_used_and_what_is_missing_is_told(call, connect):
    with pytest.raises(NoConnection, match="no account at Groq yet") as caught:
        call()
    assert caught.value.hint == "give its key"
    connection = connect("groq")
    assert call().connection.id == connection.id


def test_an_account_elsewhere_or_switched_off_is_refused(call, connect, do, services, operator):
    with pytest.raises(InvalidInput, match="is no account at Groq"):
        call(connection_id=connect("openai").id)
    mine = connect("groq")
    changes = ConnectionChanges(is_enabled=False)
    do(services.providers.update_connection, operator, mine.id, changes)
    with pytest.raises(InvalidInput, match="is disabled"):
        call(connection_id=mine.id)
    with pytest.raises(InvalidInput, match="there is no connection"):
        call(connection_id="conn_nothing")


def test_an_offer_is_picked_by_name_and_region_and_else_the_cheapest(call, offered, connect):
    connect("groq")
    offered(upstream_model="sirocco-eu", region="eu-west-1", input_nanos=900_000_000)
    offered(upstream_model="sirocco-small", input_nanos=1_000)
    assert call().upstream_model == "sirocco-small"
    done = call(region="eu-west-1", name="kestrel/eu")
    assert (done.upstream_model, done.endpoint.targets[0].region) == ("sirocco-eu", "eu-west-1")
    with pytest.raises(NotOffered, match="does not offer kestrel/sirocco so") as caught:
        call(upstream_model="sirocco-9")
    assert caught.value.hint == "it offers sirocco-1, sirocco-eu in eu-west-1, sirocco-small"
    assert call(host="Groq", name="kestrel/by-name").is_new, "a provider is named as people do"


def test_a_provider_without_the_model_is_refused_and_others_are_named(call, offered):
    offered("openai")
    offered("nobody-knows")
    with pytest.raises(NotOffered, match="no provider 'mistral' is known to offer") as caught:
        call("mistral")
    assert caught.value.hint == "these can be called: Groq, OpenAI"
    with pytest.raises(NotOffered, match="nothing is known of this provider"):
        call("nobody-knows")


def test_a_price_that_was_confirmed_is_the_one_that_is_paid(call, connect, offered):
    connect("groq")
    higher = ModelPrice("USD", 600_000_000, 1_600_000_000, 600_000_000)
    assert call(price=higher).price == higher, "a model without a price gets this one"
    with pytest.raises(PriceChanged, match=r"0\.6 USD for 1M input tokens, 1\.6 for 1M output"):
        call(price=PRICE)
    assert call(price=higher).price == higher


def test_a_price_that_nobody_tells_has_to_be_said(call, offered, connect):
    connect("openai")
    offered("openai", upstream_model="free?", input_nanos=None, output_nanos=None)
    with pytest.raises(InvalidInput, match="is not told"):
        call("openai")
    assert call("openai", price=PRICE).price == PRICE


def test_a_retired_model_leads_to_nothing(call, connect, database):
    connect("groq")
    with database.transaction() as tx:
        tx.exec_driver_sql("UPDATE model SET lifecycle = 'retired', retires_on = '2020-01-01'")
    with pytest.raises(NotOffered, match="the model is retired"):
        call()


def test_a_licence_is_accepted_before_anything_is_made(call, connect, database, counted):
    connect("groq")
    with database.transaction() as tx:
        tx.exec_driver_sql("UPDATE model SET is_gated = true")
    with pytest.raises(LicenceNotAccepted):
        call()
    assert counted() == [1, 0, 0, 0]


def test_a_model_that_nobody_knows_is_not_found(call):
    with pytest.raises(ModelNotFound):
        call(model="no/such")


def test_who_may_not_is_refused_with_the_way_out(call, person, operator):
    with pytest.raises(Forbidden):
        call(actor=person(Role.DEVELOPER, of=operator))
    administrator = person(of=operator, is_operator=False)
    with pytest.raises(Forbidden, match="offers a model to everybody") as caught:
        call(actor=administrator, callers=Callers.EVERYBODY)
    assert "your organization" in (caught.value.hint or "")


def test_what_an_own_account_pays_for_needs_no_price_of_the_platform(
    *, do, services, call, operator, person, database, model_id
):
    administrator = person(of=operator, is_operator=False)
    own = call(actor=administrator, new_connection=account("gsk-of-their-own-0123"), name="mine")
    assert own.is_new
    with database.transaction() as tx:
        shown = services.market.shown_price_of(tx, model_id, operator.organization_id)
        assert services.market.price_of(tx, model_id) is None, "nobody else pays by it"
    assert (shown.currency, shown.input_nanos, shown.is_charged) == (
        own.price.currency,
        own.price.input_nanos,
        False,
    )
    again = call(actor=administrator, new_connection=account("gsk-of-their-own-0123"), name="mine")
    assert not again.is_new
    with database.transaction() as tx:
        assert services.market.shown_price_of(tx, model_id, operator.organization_id) == shown


def test_what_a_host_does_not_tell_is_said_by_whoever_calls_it(
    *, services, call, operator, offered, database, model_id
):
    offered("mistral", input_nanos=None, output_nanos=None)
    with pytest.raises(InvalidInput, match="takes is not told"):
        call("mistral", new_connection=account())
    call("mistral", new_connection=account(), price=PRICE)
    with database.transaction() as tx:
        shown = services.market.shown_price_of(tx, model_id, operator.organization_id)
    assert shown.input_nanos == PRICE.input_nanos


def test_an_account_of_somebody_else_is_nobodys_way(call, person, connect, database, model_id):
    stranger = person(is_operator=False)
    secret = connect("groq", actor=stranger, is_shared=False)
    with database.transaction() as tx:
        add_offer(tx, model_id, secret.id, upstream_model="secret-deal")
    with pytest.raises(NotOffered):
        call(secret.id)
    with pytest.raises(InvalidInput, match="there is no connection"):
        call(connection_id=secret.id)


def test_looking_tells_what_there_is_and_a_name_that_is_free(
    *, do, services, operator, call, offered, connect, model_id
):
    offered("openai", input_nanos=100)
    offered("nobody-knows")
    offered("anthropic", status="vanished")
    look = do(services.call_throughs.look, operator, NAME)
    assert [(one.offer.host, one.host_name, bool(one.refusal)) for one in look.offers] == [
        ("openai", "OpenAI", False),
        ("groq", "Groq", False),
        ("nobody-knows", "nobody-knows", True),
    ]
    assert (look.price, look.may_set_price, look.name) == (None, True, NAME)
    connection = connect("groq")
    call()
    look = do(services.call_throughs.look, operator, NAME)
    assert look.offers[1].connections == (connection,)
    assert (look.price, look.name) == (PRICE, f"{NAME}-2")


def test_a_name_that_is_an_alias_is_taken_too(call, endpoints, operator, connect):
    connect("groq")
    call(name="kestrel/first")
    endpoints.add_endpoint(operator, NewEndpoint(NAME, name="other", aliases=["fast"]))
    with pytest.raises(EndpointNameTaken):
        call(name="fast")
    with pytest.raises(InvalidInput):
        call(name="no spaces please")
