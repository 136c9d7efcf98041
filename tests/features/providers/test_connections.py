"""Connections to providers: who may have which, and what never comes out of them."""

import json
import logging

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from tradewind.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    StartupError,
)
from tradewind.core.permissions import Role
from tradewind.db.notify import SNAPSHOT_CHANNEL, Listener
from tradewind.db.sealing import HeldKeys, Secret, new_key
from tradewind.db.vault import data_key
from tradewind.features.providers.errors import CredentialRequired
from tradewind.features.providers.schemas import ConnectionChanges, NewConnection
from tradewind.features.providers.tables import provider_connection
from tradewind.serve.services import build_services

pytestmark = pytest.mark.postgres

TEXT = "sk-0123456789-very-secret-abcd"
OTHER_TEXT = "sk-9876543210-also-secret-wxyz"
SECRET = Secret(TEXT)


@pytest.fixture
def providers(services):
    return services.providers


@pytest.fixture
def add(do, providers, operator):
    """Add a connection by the name of a known host, unless told otherwise."""

    def add(actor=None, *, credential=SECRET, **how):
        if "base_url" not in how:
            how.setdefault("host", "groq")
        new = NewConnection(credential, **how)
        return do(providers.add_connection, actor or operator, new)

    return add


def opened(do, providers, row):
    return do(providers.open_connections).get(row.id)


# --- adding ---------------------------------------------------------------------------------


def test_a_known_host_takes_its_name_and_a_key(add, do, providers):
    row = add()
    assert (row.name, row.host, row.provider) == ("Groq", "groq", "openai_compatible")
    assert row.base_url == "https://api.groq.com/openai/v1"
    assert row.is_shared
    assert (row.credential_hint, row.revision, row.disabled_at) == ("abcd", 1, None)
    assert row.credential_set_at is not None
    assert row.retains_data, "unless an operator knows better"
    connection = opened(do, providers, row)
    assert connection.credential == Secret(TEXT)
    assert (connection.address, connection.base_path) == (
        "https://api.groq.com:443",
        "/openai/v1",
    )
    assert connection.host == "groq"


def test_any_openai_compatible_address_takes_a_url_and_a_key(add, do, providers):
    row = add(base_url="https://models.example.org/api/v1", name="Ours, at Example")
    assert (row.host, row.provider) == (None, "openai_compatible")
    assert opened(do, providers, row).host == "ours-at-example"


def test_an_address_that_differs_by_account_is_filled_in(add):
    row = add(host="azure", options={"resource": "acme"}, name="Azure")
    assert row.base_url == "https://acme.openai.azure.com"
    assert row.provider == "azure_openai"
    with pytest.raises(InvalidInput, match="differs by account") as refused:
        add(host="azure", name="Other")
    assert "resource" in str(refused.value.hint)


def test_a_host_without_credential_is_possible(add, do, providers):
    row = add(base_url="http://gpu-1.internal:8000/v1", name="vLLM", is_private_network=True)
    bare = add(
        base_url="http://gpu-2.internal:8000/v1",
        name="bare",
        is_private_network=True,
        credential=None,
    )
    assert opened(do, providers, row).address == "http+private://gpu-1.internal:8000"
    assert bare.credential_set_at is None
    assert opened(do, providers, bare).credential == Secret("")


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "no-such-host"},
        {"host": "watsonx"},
        {"host": None, "name": "x"},
        {"base_url": "http://plain.example/v1", "name": "x"},
        {"base_url": "not a url", "name": "x"},
        {"name": ""},
        {"name": "x" * 81},
        {"provider": "no_such_provider"},
        {"region": "Not a region"},
        {"options": {"bad name": "x"}},
        {"credential": Secret("two\nlines")},
    ],
    ids=str,
)
def test_what_cannot_be_a_connection_is_refused(add, wrong):
    with pytest.raises(InvalidInput):
        add(**wrong)


def test_a_name_is_taken_once_by_an_owner(add, person):
    add(name="One")
    with pytest.raises(Conflict):
        add(name="One")
    theirs = person(is_operator=False)
    assert not add(theirs, name="One", is_shared=False).is_shared


# --- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_only_administrators_have_to_do_with_connections(do, providers, add, person, role):
    row, weak = add(), person(role)
    with pytest.raises(Forbidden):
        add(weak)
    for act in (providers.get_connection, providers.replace_credential):
        arguments = (Secret("x"),) if act == providers.replace_credential else ()
        with pytest.raises(Forbidden):
            do(act, weak, row.id, *arguments)
    with pytest.raises(Forbidden):
        do(providers.list_connections, weak)


def test_what_is_of_the_platform_takes_an_administrator_of_the_platform(do, providers, add, person):
    shared, theirs = add(), person(is_operator=False)
    with pytest.raises(Forbidden):
        add(theirs)
    with pytest.raises(Forbidden):
        add(
            theirs,
            base_url="http://10.0.0.1/v1",
            name="x",
            is_shared=False,
            is_private_network=True,
        )
    assert do(providers.list_connections, theirs) == []
    with pytest.raises(NotFound):
        do(providers.get_connection, theirs, shared.id)
    own = add(theirs, is_shared=False)
    with pytest.raises(Forbidden):
        do(
            providers.update_connection,
            theirs,
            own.id,
            ConnectionChanges(is_private_network=True),
        )


def test_an_organization_does_not_see_another_ones(do, providers, add, person):
    one, other = person(is_operator=False), person(is_operator=False)
    row = add(one, is_shared=False)
    assert [found.id for found in do(providers.list_connections, one)] == [row.id]
    assert do(providers.list_connections, other) == []
    for act in (
        lambda tx: providers.get_connection(tx, other, row.id),
        lambda tx: providers.update_connection(tx, other, row.id, ConnectionChanges(name="x")),
        lambda tx: providers.replace_credential(tx, other, row.id, Secret("x")),
        lambda tx: providers.lock_connection(tx, other, row.id),
    ):
        with pytest.raises(NotFound):
            do(act)


@pytest.mark.parametrize("unknown", ["conn_" + 26 * "0", "conn_1", "", "'; DROP TABLE x", "ep_1"])
def test_what_is_not_there_is_not_found(do, providers, operator, unknown):
    with pytest.raises(NotFound):
        do(providers.get_connection, operator, unknown)


# --- changing -------------------------------------------------------------------------------


def test_what_is_named_is_changed_and_the_rest_stays(do, providers, operator, add):
    row = add(region="eu-west-1")
    changes = ConnectionChanges(name="Renamed", retains_data=False)
    changed = do(providers.update_connection, operator, row.id, changes)
    assert (changed.name, changed.retains_data, changed.region) == ("Renamed", False, "eu-west-1")
    assert changed.revision == 2
    assert changed.credential_set_at == row.credential_set_at
    assert opened(do, providers, row).credential == Secret(TEXT), "it still opens"


def test_a_change_of_what_was_changed_meanwhile_is_refused(do, providers, operator, add):
    row = add()
    do(providers.update_connection, operator, row.id, ConnectionChanges(zone="a"), revision=1)
    with pytest.raises(PreconditionFailed):
        do(providers.update_connection, operator, row.id, ConnectionChanges(zone="b"), revision=1)
    assert do(providers.get_connection, operator, row.id).zone == "a"


def test_another_address_takes_its_credential_anew(do, providers, operator, add):
    row = add()
    moved = "https://api.groq.com/elsewhere"
    with pytest.raises(CredentialRequired):
        do(providers.update_connection, operator, row.id, ConnectionChanges(base_url=moved))
    assert do(providers.get_connection, operator, row.id).base_url == row.base_url
    changes = ConnectionChanges(base_url=moved, credential=Secret(OTHER_TEXT))
    changed = do(providers.update_connection, operator, row.id, changes)
    assert (changed.base_url, changed.credential_hint) == (moved, "wxyz")
    assert opened(do, providers, row).credential == Secret(OTHER_TEXT)


def test_the_same_address_said_again_needs_no_credential(do, providers, operator, add):
    row = add()
    changes = ConnectionChanges(base_url=row.base_url, zone="b")
    assert do(providers.update_connection, operator, row.id, changes).zone == "b"


def test_an_address_changed_behind_our_back_does_not_get_the_credential(do, providers, add, caplog):
    row = add()
    do(
        lambda tx: tx.execute(
            text("UPDATE provider_connection SET base_url = 'https://evil.example'")
        )
    )
    assert opened(do, providers, row) is None
    assert row.id in caplog.text


def test_a_credential_that_was_put_back_does_not_open(do, database, providers, operator, add):
    row = add()
    with database.transaction() as tx:
        former = tx.execute(select(provider_connection.c.sealed_credential)).scalar_one()
    do(providers.replace_credential, operator, row.id, Secret(OTHER_TEXT))
    assert opened(do, providers, row).credential == Secret(OTHER_TEXT)
    with database.transaction() as tx:
        tx.execute(provider_connection.update().values(sealed_credential=former))
    assert opened(do, providers, row) is None


def test_a_credential_copied_to_another_connection_does_not_open(do, database, providers, add):
    one = add()
    other = add(name="Other", credential=Secret(OTHER_TEXT))
    with database.transaction() as tx:
        sealed = tx.execute(
            select(provider_connection.c.sealed_credential).where(
                provider_connection.c.id == one.id
            )
        ).scalar_one()
        tx.execute(provider_connection.update().values(sealed_credential=sealed))
    assert opened(do, providers, one) is not None
    assert opened(do, providers, other) is None


def test_a_disabled_connection_is_not_opened_and_comes_back(do, providers, operator, add):
    row = add()
    off = do(providers.update_connection, operator, row.id, ConnectionChanges(is_enabled=False))
    assert off.disabled_at is not None
    assert opened(do, providers, row) is None
    again = do(providers.update_connection, operator, row.id, ConnectionChanges(is_enabled=False))
    assert again.disabled_at == off.disabled_at, "the first time stays the time"
    do(providers.update_connection, operator, row.id, ConnectionChanges(is_enabled=True))
    assert opened(do, providers, row) is not None


def test_a_renamed_connection_does_not_take_a_name_that_is_there(do, providers, operator, add):
    add(name="One")
    other = add(name="Other")
    with pytest.raises(Conflict):
        do(providers.update_connection, operator, other.id, ConnectionChanges(name="One"))
    same = ConnectionChanges(name="Other")
    assert do(providers.update_connection, operator, other.id, same).name == "Other"


def test_every_change_is_announced(do, database, providers, operator, add):
    listener = Listener(database, [SNAPSHOT_CHANNEL])
    listener.wait(0)
    row = add()
    assert listener.wait(5).announcements
    do(providers.replace_credential, operator, row.id, Secret(OTHER_TEXT))
    assert listener.wait(5).announcements
    locked = do(providers.lock_connection, operator, row.id)
    do(providers.delete_connection, locked)
    assert listener.wait(5).announcements
    listener.close()


# --- secrecy --------------------------------------------------------------------------------


def test_a_credential_is_nowhere_in_the_database_in_clear(do, database, providers, operator, add):
    row = add()
    parts = json.dumps({"access_key_id": "AKIA", "secret_access_key": OTHER_TEXT})
    do(providers.replace_credential, operator, add(name="two").id, Secret(parts))
    with database.transaction() as tx:
        tables = tx.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        dump = "\n".join(
            str(line)
            for table in tables
            for line in tx.execute(text(f'SELECT row_to_json(t)::text FROM "{table}" t')).scalars()
        )
    assert row.id in dump
    for secret in (TEXT, OTHER_TEXT):
        for form in (secret, secret.encode().hex(), secret[:-4]):
            assert form not in dump


def test_nothing_that_is_handed_out_holds_the_credential(do, providers, operator, add):
    row = add()
    assert TEXT not in repr(row)
    assert TEXT not in repr(do(providers.list_connections, operator))
    assert TEXT not in repr(opened(do, providers, row))
    assert TEXT not in repr(NewConnection(credential=Secret(TEXT)))
    assert TEXT not in repr(ConnectionChanges(credential=Secret(TEXT)))


def test_a_refused_statement_says_nothing_of_the_credential(database, providers, operator, caplog):
    caplog.set_level(logging.DEBUG)
    new = NewConnection(credential=Secret(TEXT), host="groq")
    with database.transaction() as tx:
        tx.execute(text("ALTER TABLE provider_connection ADD CHECK (zone = 'never')"))
    with pytest.raises(IntegrityError) as refused, database.transaction() as tx:
        providers.add_connection(tx, operator, new)
    assert TEXT not in str(refused.value)
    assert TEXT not in caplog.text


# --- keys -----------------------------------------------------------------------------------


def test_each_owner_has_one_data_key(do, database, add, person):
    add(name="one")
    add(name="two")
    theirs = person(is_operator=False)
    add(theirs, is_shared=False)
    with database.transaction() as tx:
        owners = tx.execute(select(data_key.c.organization_id)).scalars().all()
    assert sorted(owners, key=str) == sorted([None, theirs.organization_id], key=str)


def test_turning_the_key_encryption_key_wraps_data_keys_anew_and_nothing_else(
    do, database, operator, person
):
    old, new = new_key(), new_key()
    before = build_services(bytes(32), HeldKeys([old])).providers
    row = do(before.add_connection, operator, NewConnection(credential=Secret(TEXT), host="groq"))
    theirs = person(is_operator=False)
    do(
        before.add_connection,
        theirs,
        NewConnection(credential=Secret(OTHER_TEXT), host="groq", is_shared=False),
    )
    sealed = do(lambda tx: tx.execute(select(provider_connection.c.sealed_credential)).all())
    between = build_services(bytes(32), HeldKeys([old, new])).providers
    assert do(between.rewrap_data_keys) == 2
    assert do(between.rewrap_data_keys) == 0, "idempotent"
    after = build_services(bytes(32), HeldKeys([new])).providers
    assert opened(do, after, row).credential == Secret(TEXT)
    assert len(do(after.open_connections)) == 2
    assert do(before.open_connections) == {}, "the old key opens nothing any more"
    assert sealed == do(
        lambda tx: tx.execute(select(provider_connection.c.sealed_credential)).all()
    )


def test_a_start_without_the_key_is_refused_while_there_are_credentials(do, services, add):
    stranger = build_services(bytes(32), HeldKeys([new_key()])).providers
    do(stranger.check_keys)
    add()
    do(services.providers.check_keys)
    with pytest.raises(StartupError, match="kek_") as refused:
        do(stranger.check_keys)
    assert "backup" in str(refused.value.hint)


def test_a_connection_that_does_not_open_is_told_once_and_costs_the_others_nothing(
    do, providers, add, database, caplog
):
    broken, sound = add(name="broken"), add(name="sound")
    with database.transaction() as tx:
        tx.execute(
            provider_connection.update()
            .where(provider_connection.c.id == broken.id)
            .values(sealed_credential=bytes(64))
        )
    for _ in range(3):
        assert set(do(providers.open_connections)) == {sound.id}
    assert caplog.text.count(broken.id) == 2, "one line, which names it twice"
