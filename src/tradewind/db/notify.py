"""Announcements from one process to all others, over PostgreSQL's NOTIFY.

An announcement says that something changed, never what: it is lost when nobody listens, so every
listener reads the state itself, and reads it again when it may have missed one.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
import sqlalchemy
from psycopg import sql

from tradewind.db.database import Database

SNAPSHOT_CHANNEL = "tradewind_snapshot"
"""Where it is announced that the gateways' snapshot is out of date."""
PAYLOAD_MAX_BYTES = 7_999
"""PostgreSQL's own limit (documentation of NOTIFY)."""
_CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PROVE_ALIVE_EVERY_S = 15.0
_RECONNECT_MIN_S = 0.1
_RECONNECT_MAX_S = 5.0


class Announcement(NamedTuple):
    channel: str
    payload: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What came in during one wait."""

    announcements: tuple[Announcement, ...] = ()
    may_have_missed: bool = False
    """True after each (re)connection, the first one included: read the state anew."""


def announce(tx: sqlalchemy.Connection, channel: str, payload: str = "") -> None:
    """Announce at the commit of `tx`; nothing is sent when it rolls back.

    Equal announcements of one transaction arrive once. Raises ValueError for a payload of more than
    7,999 bytes.
    """
    assert _CHANNEL.fullmatch(channel), f"{channel!r} is not a channel name"
    if len(payload.encode()) > PAYLOAD_MAX_BYTES:
        raise ValueError(f"an announcement takes at most {PAYLOAD_MAX_BYTES} bytes")
    tx.execute(
        sqlalchemy.text("SELECT pg_notify(:channel, :payload)"),
        {"channel": channel, "payload": payload},
    )


class Listener:
    """Listens on channels, for one thread that calls `wait` in a loop. Connects again by itself."""

    def __init__(self, database: Database, channels: Sequence[str]) -> None:
        """Nothing connects before the first `wait`."""
        assert channels, "a listener without channels hears nothing"
        for channel in channels:
            assert _CHANNEL.fullmatch(channel), f"{channel!r} is not a channel name"
        self._database = database
        self._channels = tuple(channels)
        self._connection: psycopg.Connection | None = None
        self._last_sign_of_life = 0.0
        self._reconnect_s = _RECONNECT_MIN_S

    def wait(self, timeout_s: float) -> Heard:
        """Return what is announced, as soon as there is something, or nothing after the time.

        Never raises for a database that is away: it tries again until the time is over, and the
        caller goes on with what it has. May overrun by the connection's own timeouts.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            connection = self._connection
            try:
                if connection is None:
                    self._connect()
                    return Heard(may_have_missed=True)
                announcements = self._receive(connection, deadline - time.monotonic())
            except psycopg.OperationalError:
                self.close()
                pause_s = min(self._reconnect_s, deadline - time.monotonic())
                self._reconnect_s = min(self._reconnect_s * 2, _RECONNECT_MAX_S)
                if pause_s <= 0:
                    return Heard()
                time.sleep(pause_s)
            else:
                if announcements or time.monotonic() >= deadline:
                    return Heard(announcements)

    def close(self) -> None:
        """Give the connection back. A later `wait` connects again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        connection = self._database.connect_raw(autocommit=True)
        try:
            for channel in self._channels:
                connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except psycopg.Error:
            connection.close()
            raise
        self._connection = connection
        self._last_sign_of_life = time.monotonic()
        self._reconnect_s = _RECONNECT_MIN_S

    def _receive(
        self, connection: psycopg.Connection, timeout_s: float
    ) -> tuple[Announcement, ...]:
        wait_s = max(0.0, min(timeout_s, _PROVE_ALIVE_EVERY_S))
        heard = tuple(
            Announcement(note.channel, note.payload)
            for note in connection.notifies(timeout=wait_s, stop_after=1)
        )
        now = time.monotonic()
        if heard:
            self._last_sign_of_life = now
        elif now - self._last_sign_of_life > _PROVE_ALIVE_EVERY_S:
            # Silence may be the silence of a dead network; the connection's own timeout ends it.
            connection.execute("SELECT 1")
            self._last_sign_of_life = time.monotonic()
        return heard
