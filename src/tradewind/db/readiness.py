"""Proves that the embedded server answers, and makes our role and database there."""

from pathlib import Path

import psycopg
from psycopg import sql

from tradewind.core.errors import StartupError
from tradewind.db.cluster import DATABASE, ROLE

_CONNECT_TIMEOUT_S = 5
# Waiting does not help against these.
_REFUSALS = (
    "authentication failed",
    "no pg_hba.conf entry",
    "could not look up",
    "Permission denied",
)


def prepare_database(superuser_url: str, log: Path) -> bool:
    """Return whether the server is ready; when it is, our role and database are there. Idempotent.

    Raises StartupError when the server or its socket does not let us in.
    """
    try:
        with psycopg.connect(
            superuser_url.replace("+psycopg", "", 1),
            connect_timeout=_CONNECT_TIMEOUT_S,
            autocommit=True,
            application_name="tradewind-start",
        ) as connection:
            _make_role_and_database(connection)
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        if any(text in reason for text in _REFUSALS):
            raise StartupError(
                f"PostgreSQL does not admit the user who runs Tradewind: {reason}",
                hint=f"see '{log}'",
            ) from error
        return False
    return True


def _make_role_and_database(connection: psycopg.Connection) -> None:
    # Not a superuser: SQL that gets past us must not read the files of this machine. It may make
    # databases, because durable tasks and tests have databases of their own.
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s),"
        " EXISTS (SELECT FROM pg_database WHERE datname = %s)",
        (ROLE, DATABASE),
    ).fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    has_role, has_database = row
    role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
    if not has_role:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(role))
    if not has_database:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
