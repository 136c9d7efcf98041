"""Relays messages of the outbox to those who handle their kind."""

import logging
import threading
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from tradewind.core.errors import Unavailable
from tradewind.db import outbox
from tradewind.db.database import Database
from tradewind.db.outbox import Message

AT_ONCE = 50
"""Messages of one transaction."""
_POLL_S = 5.0
_FORGET_AT_ONCE = 1_000
_FORGET_EVERY = 100
"""Rounds, some minutes."""
_log = logging.getLogger(__name__)

Handle = Callable[[Connection, Message], None]
"""Acts on a message in the transaction that notes that it was handled. What cannot be undone by a
rollback does not belong here."""


class NobodyListens(Exception):
    """A kind that a newer release writes while it takes over from this one, or a typing error."""


def relay_messages(
    database: Database,
    handlers: Mapping[str, Handle],
    wait: Callable[[float], object],
    stop: threading.Event,
) -> None:
    """Run until `stop` is set. `wait` returns when a message was announced, or after a time."""
    rounds = 0
    while not stop.is_set():
        try:
            done = relay_once(database, handlers)
            if rounds % _FORGET_EVERY == 0:
                with database.transaction() as tx:
                    outbox.forget(tx, _FORGET_AT_ONCE)
        except Unavailable as error:
            _log.warning("the outbox is not relayed: %s", error)
            done = 0
        rounds += 1
        if done < AT_ONCE and not stop.is_set():
            wait(_POLL_S)


def relay_once(database: Database, handlers: Mapping[str, Handle]) -> int:
    """Handle messages that are due; return how many were tried. Raises Unavailable.

    Each has a savepoint of its own: what one breaks the others do not feel.
    """
    with database.transaction() as tx:
        messages = outbox.take(tx, AT_ONCE)
        for message in messages:
            try:
                with tx.begin_nested():
                    _handler_of(handlers, message)(tx, message)
                    outbox.note_handled(tx, message.message_id)
            except Exception as error:
                # One message's edge. Without its connection none can go on.
                if tx.invalidated or isinstance(error, Unavailable):
                    raise
                _note_failed(tx, message, error)
    return len(messages)


def _handler_of(handlers: Mapping[str, Handle], message: Message) -> Handle:
    if message.kind not in handlers:
        raise NobodyListens(f"nobody handles messages of the kind {message.kind!r}")
    return handlers[message.kind]


def _note_failed(tx: Connection, message: Message, error: Exception) -> None:
    if outbox.note_failed(tx, message, error):
        _log.error("the message %s (%s) was set aside: %s", message.message_id, message.kind, error)
    else:
        _log.warning("the message %s (%s) failed: %s", message.message_id, message.kind, error)
