"""`Database`: the one way to a transaction, and the raw connections for COPY and LISTEN."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import psycopg
import sqlalchemy
from sqlalchemy import exc
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import URL, make_url

from tradewind.core.errors import InvalidInput, StartupError, Unavailable
from tradewind.db.bounded_connection import BoundedConnection
from tradewind.db.installation import OLDEST_MAJOR

_TRY_AGAIN_S = 0.25
_SHUTTING_DOWN = {"57P01", "57P02", "57P03", "53300"}
_REFUSALS = ("authentication failed", "no pg_hba.conf entry", "does not exist", "no password")


class _KnowsArguments(Protocol):
    # SQLAlchemy leaves this method of its dialects untyped.
    def create_connect_args(self, url: URL) -> tuple[list[str], dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long we wait for the database, in seconds. None waits for ever."""

    connect_s: int = 5
    lock_s: float = 5.0
    """For one lock; the statement then fails and can be retried."""
    statement_s: float | None = 30.0
    """Kept by the server."""
    answer_s: float | None = 40.0
    """Kept by us, when the server does not keep its own; the connection is closed."""
    idle_in_transaction_s: float = 60.0
    """A transaction that nobody goes on with must not hold its locks."""


class Database:
    """A PostgreSQL database, embedded or foreign, and a pool of connections to it.

    Nothing connects before the first use. A connection that died (the server was restarted) is
    replaced when it is next taken from the pool.
    """

    def __init__(
        self,
        url: str,
        *,
        application_name: str,
        pool_size: int = 5,
        pool_wait_s: float = 10.0,
        timeouts: Timeouts | None = None,
    ) -> None:
        """`url` is `postgresql://…` or `postgres://…`. Raises StartupError for anything else.

        Whoever finds all of the pool's connections taken waits for `pool_wait_s`.
        """
        self._url = _parse_url(url)
        self._timeouts = timeouts or Timeouts()
        self._parameters = _parameters(self._url, application_name, self._timeouts)
        self._engine = sqlalchemy.create_engine(
            self._url,
            creator=self._connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_wait_s,
            pool_pre_ping=True,
            # Bound values can be prompts' metadata, mail addresses, digests: never in messages.
            hide_parameters=True,
        )

    @property
    def url(self) -> str:
        """The URL with its password: for handing on, never for showing."""
        return self._url.render_as_string(hide_password=False)

    @property
    def place(self) -> str:
        """Where the database is, without any secret."""
        host = self._url.host or self._url.query.get("host") or "localhost"
        return f"{self._url.database or 'postgres'} at {host}"

    @contextmanager
    def transaction(self) -> Generator[sqlalchemy.Connection]:
        """Yield a connection in a transaction; commit at the end, roll back on an error.

        Raises InvalidInput for a text with the character NUL, which PostgreSQL cannot hold, and
        Unavailable when the database cannot be reached or the connection breaks. When that
        happens during the commit, nobody can tell whether it took place: what is retried needs an
        idempotency key.
        """
        try:
            with self._engine.begin() as tx:
                yield tx
        except exc.TimeoutError as error:
            raise Unavailable("all database connections are busy", hint="retry") from error
        except exc.DBAPIError as error:
            if _is_loss(error):
                raise Unavailable("the database does not answer", hint="retry") from error
            if _is_nul(error):
                raise InvalidInput(
                    "a text contains the character NUL, which nothing can keep", hint="leave it out"
                ) from error
            raise

    @contextmanager
    def connection(self) -> Generator[sqlalchemy.Connection]:
        """Yield a connection without a transaction. Only migrations need it: they commit often."""
        with self._engine.connect() as connection:
            yield connection

    def connect_raw(self, *, autocommit: bool = False) -> psycopg.Connection:
        """Return a psycopg connection outside of the pool, for COPY and LISTEN. Close it.

        Raises psycopg.OperationalError when the database cannot be reached.
        """
        connection = self._connect()
        if autocommit:
            connection.autocommit = True
        return connection

    def with_timeouts(self, timeouts: Timeouts, *, application_name: str) -> "Database":
        """Return the same database with other timeouts and one connection of its own."""
        return Database(self.url, application_name=application_name, pool_size=1, timeouts=timeouts)

    def wait_until_up(self, timeout_s: float = 30.0) -> None:
        """Return once the database has answered and is one that we can use.

        Raises StartupError after `timeout_s`, or at once when it refuses us, is older than
        PostgreSQL 15, or does not keep its text in UTF-8.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                with self._connect() as connection:
                    self._check_server(connection)
                    return
            except psycopg.OperationalError as error:
                reason = " ".join(str(error).split())
                is_refused = any(text in reason for text in _REFUSALS)
                if is_refused or time.monotonic() + _TRY_AGAIN_S > deadline:
                    raise StartupError(
                        f"the database {self.place} cannot be used: {reason}",
                        hint="check DATABASE_URL",
                    ) from error
            time.sleep(_TRY_AGAIN_S)

    def close(self) -> None:
        """Close the pool. Connections in use are closed when they are given back."""
        self._engine.dispose()

    def _connect(self) -> BoundedConnection:
        return BoundedConnection.open(self._parameters, answer_timeout_s=self._timeouts.answer_s)

    def _check_server(self, connection: psycopg.Connection) -> None:
        major = connection.info.server_version // 10000
        if major < OLDEST_MAJOR:
            raise StartupError(
                f"the database {self.place} is PostgreSQL {major}",
                hint=f"Tradewind needs {OLDEST_MAJOR} or newer: upgrade it, or unset DATABASE_URL "
                "to use the embedded one",
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StartupError(
                f"the database {self.place} keeps its text as {encoding}",
                hint="make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            )


def _parse_url(text: str) -> URL:
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        raise StartupError(
            "DATABASE_URL is not a URL", hint="write postgresql://user:password@host:5432/name"
        ) from None
    if url.drivername.partition("+")[0] not in {"postgresql", "postgres"}:
        raise StartupError(
            f"DATABASE_URL names {url.drivername!r}, and Tradewind runs on PostgreSQL only",
            hint="write postgresql://user:password@host:5432/name",
        )
    return url.set(drivername="postgresql+psycopg")


def _parameters(url: URL, application_name: str, timeouts: Timeouts) -> dict[str, Any]:
    dialect = cast("_KnowsArguments", PGDialect_psycopg())
    _, given = dialect.create_connect_args(url)
    settings = {
        "lock_timeout": _milliseconds(timeouts.lock_s),
        "statement_timeout": _milliseconds(timeouts.statement_s),
        "idle_in_transaction_session_timeout": _milliseconds(timeouts.idle_in_transaction_s),
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    own = {
        "connect_timeout": timeouts.connect_s,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "client_encoding": "UTF8",
    }
    # What the URL says about the connection itself stands; our limits come after its options.
    return {
        **own,
        **given,
        "application_name": application_name,
        "options": f"{given.get('options', '')} {options}".strip(),
    }


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, int(seconds * 1000))


def _is_nul(error: exc.DBAPIError) -> bool:
    """Whether a text was handed in, to keep or to look for, that PostgreSQL has no way to hold."""
    cause = error.orig
    if isinstance(cause, psycopg.errors.UntranslatableCharacter):  # within JSON
        return True
    # Of psycopg itself, which says it in words alone.
    return isinstance(cause, psycopg.DataError) and cause.sqlstate is None and "NUL" in str(cause)


def _is_loss(error: exc.DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    cause = error.orig
    if not isinstance(cause, psycopg.OperationalError):
        return False
    # Without a state of the server's it was libpq that failed: no connection, or a broken one.
    return cause.sqlstate is None or cause.sqlstate in _SHUTTING_DOWN
