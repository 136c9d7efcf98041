"""A database with the tables of metering, and a shipper on a test's folder."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from metering_parts import Ship, Tables

from tradewind.db.database import Database


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with database.connect_raw(autocommit=True) as connection:
        yield connection


@pytest.fixture
def tables(connection: psycopg.Connection) -> Tables:
    return Tables(connection)


@pytest.fixture
def ship(tmp_path: Path, connection: psycopg.Connection) -> Ship:
    return Ship(tmp_path, connection)
