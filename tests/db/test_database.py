"""`Database`: transactions, what it makes of bad URLs and servers, and every bound on waiting."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import exc, text

from tradewind.core.errors import InvalidInput, StartupError, Unavailable
from tradewind.db.database import Database, Timeouts
from tradewind.db.embedded import EmbeddedPostgres

pytestmark = pytest.mark.postgres


def test_a_transaction_commits_at_its_end(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(text("CREATE TABLE thing (name text)"))
        tx.execute(text("INSERT INTO thing VALUES ('kept')"))

    with database.transaction() as tx:
        assert tx.execute(text("SELECT name FROM thing")).scalars().all() == ["kept"]


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as tx:
            tx.execute(text("CREATE TABLE thing (name text)"))
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    with database.transaction() as tx:
        assert tx.execute(text("SELECT to_regclass('thing')")).scalar() is None


def test_a_fault_of_the_statement_stays_what_it_is(database: Database) -> None:
    with pytest.raises(exc.ProgrammingError), database.transaction() as tx:
        tx.execute(text("SELECT absent"))


@pytest.mark.parametrize("statement", ["SELECT :word", "SELECT CAST(:word AS jsonb)"])
def test_a_text_that_postgresql_cannot_hold_is_the_senders_fault(database, statement) -> None:
    word = '{"a": "\\u0000"}' if "jsonb" in statement else "a\0b"
    with pytest.raises(InvalidInput, match="NUL"), database.transaction() as tx:
        tx.execute(text(statement), {"word": word})


def test_connections_carry_their_limits_and_their_name(database_url: str) -> None:
    database = Database(
        database_url, application_name="shown", timeouts=Timeouts(lock_s=1.5, statement_s=2)
    )
    with database.transaction() as tx:
        shown = [
            tx.execute(text(f"SHOW {name}")).scalar()
            for name in ("application_name", "lock_timeout", "statement_timeout")
        ]
    database.close()

    assert shown == ["shown", "1500ms", "2s"]


def test_a_raw_connection_copies(database: Database) -> None:
    with database.connect_raw() as connection:
        connection.execute("CREATE TABLE thing (number int)")
        with connection.cursor() as cursor, cursor.copy("COPY thing FROM STDIN") as copy:
            copy.write_row((7,))
        assert connection.execute("SELECT number FROM thing").fetchall() == [(7,)]


def test_the_pool_recovers_when_the_server_was_restarted(server: EmbeddedPostgres) -> None:
    database = Database(server.url, application_name="tests")
    with database.transaction() as tx:
        tx.execute(text("SELECT 1"))

    server.stop()
    with pytest.raises(Unavailable, match="does not answer"), database.transaction():
        pytest.fail("there is no server")
    server.start()
    server.wait_ready()

    with database.transaction() as tx:
        assert tx.execute(text("SELECT 1")).scalar() == 1
    database.close()


def test_a_connection_that_breaks_within_a_transaction_is_unavailable(
    database: Database,
) -> None:
    def break_and_go_on() -> None:
        with database.transaction() as tx:
            pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with database.connect_raw(autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,))
            tx.execute(text("SELECT 1"))

    with pytest.raises(Unavailable, match="does not answer"):
        break_and_go_on()

    with database.transaction() as tx:
        assert tx.execute(text("SELECT 1")).scalar() == 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "is not a URL"),
        ("secret", "is not a URL"),
        ("postgresql://user:secret@host:port/name", "is not a URL"),
        ("mysql://user:secret@host/name", "names 'mysql'"),
        ("sqlite:///secret", "names 'sqlite'"),
    ],
)
def test_a_url_that_is_none_is_refused_without_its_secrets(url: str, reason: str) -> None:
    with pytest.raises(StartupError, match=reason) as refusal:
        Database(url, application_name="tests")

    assert "secret" not in str(refusal.value)
    assert "postgresql://user:password@host:5432/name" in str(refusal.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_usual_form_of_the_url_works(database_url: str, scheme: str) -> None:
    database = Database(
        database_url.replace("postgresql+psycopg", scheme), application_name="tests"
    )
    database.wait_until_up()
    database.close()


def test_the_place_of_a_database_has_no_secret_in_it() -> None:
    database = Database("postgresql://user:secret@host:5432/name", application_name="tests")

    assert database.place == "name at host"


# Servers that misbehave. They speak just enough of the protocol (PostgreSQL documentation,
# "Message Formats") to get as far as the test needs.

Conversation = Callable[[socket.socket], None]


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def greet(client: socket.socket, version: str = "18.0", encoding: str = "UTF8") -> None:
    """Refuse encryption, read the start-up message, and say that the client is in."""
    while True:
        length, code = struct.unpack("!ii", client.recv(8, socket.MSG_WAITALL))
        client.recv(length - 8, socket.MSG_WAITALL)
        if code == 196608:
            break
        client.sendall(b"N")
    settings = {"server_version": version, "server_encoding": encoding, "client_encoding": "UTF8"}
    client.sendall(
        message(b"R", struct.pack("!i", 0))
        + b"".join(message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items())
        + message(b"K", struct.pack("!ii", 1, 1))
        + message(b"Z", b"I")
    )


@contextmanager
def fake_server(conversation: Conversation) -> Iterator[str]:
    """Serve one conversation for each connection; yield the URL. Connections end with the test."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            clients.append(client)
            threads.append(threading.Thread(target=conversation, args=[client]))
            threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    yield f"postgresql://user:secret@127.0.0.1:{listener.getsockname()[1]}/name"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for client in clients:
        client.close()
    for thread in threads:
        thread.join()


def never_answer(_client: socket.socket) -> None:
    return


def test_a_server_that_is_too_old_is_refused_with_the_way_out() -> None:
    with fake_server(lambda client: greet(client, version="14.9")) as url:
        database = Database(url, application_name="tests")
        with pytest.raises(StartupError, match=r"name at 127.0.0.1 is PostgreSQL 14") as refusal:
            database.wait_until_up()

    assert "needs 15 or newer" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_database_in_another_encoding_is_refused() -> None:
    with fake_server(lambda client: greet(client, encoding="SQL_ASCII")) as url:
        database = Database(url, application_name="tests")
        with pytest.raises(StartupError, match="keeps its text as SQL_ASCII"):
            database.wait_until_up()


def test_a_server_that_does_not_listen_is_told_after_the_patience_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    database = Database(f"postgresql://u:secret@127.0.0.1:{port}/name", application_name="tests")

    with pytest.raises(StartupError, match=r"cannot be used: .*refused.*DATABASE_URL") as refusal:
        database.wait_until_up(timeout_s=0.5)

    assert "secret" not in str(refusal.value)


def test_connecting_to_a_server_that_never_answers_ends() -> None:
    with fake_server(never_answer) as url:
        database = Database(url, application_name="tests", timeouts=Timeouts(connect_s=2))
        began = time.monotonic()
        with pytest.raises(Unavailable), database.transaction():
            pytest.fail("nobody has answered")
        assert time.monotonic() - began >= 1.5


@pytest.mark.parametrize("is_raw", [True, False])
def test_a_query_to_a_server_that_never_answers_ends(is_raw: bool) -> None:
    with fake_server(greet) as url:
        database = Database(url, application_name="tests", timeouts=Timeouts(answer_s=0.3))
        if is_raw:
            with database.connect_raw() as connection:
                with pytest.raises(psycopg.OperationalError, match=r"did not answer within 0.3 s"):
                    connection.execute("SELECT 1")
                assert connection.closed
        else:
            with pytest.raises(Unavailable), database.transaction() as tx:
                tx.execute(text("SELECT 1"))
        database.close()


def test_an_answer_in_time_is_not_cut_off(database_url: str) -> None:
    database = Database(
        database_url, application_name="tests", timeouts=Timeouts(answer_s=60, statement_s=None)
    )
    with database.transaction() as tx:
        assert tx.execute(text("SELECT pg_sleep(0.3), 1")).scalar() is not None
    database.close()


def test_a_full_pool_is_unavailable_and_not_a_hang(database_url: str) -> None:
    database = Database(database_url, application_name="tests", pool_size=1, pool_wait_s=0.1)
    with (
        database.transaction(),
        pytest.raises(Unavailable, match="connections are busy"),
        database.transaction(),
    ):
        pytest.fail("there is one connection")
    database.close()
