"""What others may ask of stored responses. Nothing here commits."""

from datetime import datetime

from sqlalchemy import Connection

from tradewind.features.responses import repository
from tradewind.wire.stored_responses import (
    MOST_CHAIN_BYTES,
    MOST_CHAIN_LINKS,
    Chain,
    Place,
    StoredResponse,
)

SWEPT_AT_ONCE = 500


def keep(tx: Connection, stored: StoredResponse) -> None:
    """Store a response. Idempotent: one that is there already stays as it is."""
    repository.add(tx, stored)


def end(tx: Connection, stored: StoredResponse) -> bool:
    """Store how a response that ran in the background ended. False when it was deleted, or ended
    before: the first end counts.
    """
    return repository.end(tx, stored)


def renew(tx: Connection, place: Place, running_until_ms: int) -> bool:
    """Note that a response still runs. False when it was deleted or has ended."""
    return repository.renew(tx, place, running_until_ms)


def find(tx: Connection, place: Place, now: datetime) -> StoredResponse | None:
    """Return the response if its owner still keeps it."""
    return repository.find(tx, place, now)


def find_chain(tx: Connection, place: Place, now: datetime) -> Chain | None:
    """Return the response with those before it, as far back as there are; None without the first.

    One that is too long comes without links: nobody can use a part of it.
    """
    links = repository.find_chain(
        tx, place, now, most_links=MOST_CHAIN_LINKS, most_bytes=MOST_CHAIN_BYTES
    )
    if not links:
        return None
    size = sum(len(bytes(link.input)) + len(bytes(link.response)) for link in links)
    if len(links) > MOST_CHAIN_LINKS or size > MOST_CHAIN_BYTES:
        return Chain([], is_too_long=True)
    return Chain(list(links))


def delete(tx: Connection, place: Place) -> bool:
    """Delete the response with all that it holds. False when there is none."""
    return repository.remove(tx, place)


def sweep(tx: Connection, now: datetime) -> bool:
    """Delete up to SWEPT_AT_ONCE responses whose time is over. Says whether there may be more."""
    return repository.remove_expired(tx, now, SWEPT_AT_ONCE) == SWEPT_AT_ONCE


def shorten(tx: Connection, organization_id: str, days: int) -> int:
    """An organization keeps responses for fewer days from now on: let those it has go by that, too.

    To be called with every change of `response_days`; longer days change nothing of what is stored.
    Returns how many will go earlier.
    """
    return repository.shorten(tx, organization_id, days)
