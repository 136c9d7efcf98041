"""Data of checks: kept by their digest, for gateways to fetch."""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.features.safety.repository import data

_UNUSED_KEPT = timedelta(days=1)
"""A gateway may be a while behind the snapshot that named them last."""


def keep_data(tx: Connection, content: bytes, now: datetime) -> str:
    """Store bytes and return their digest. Idempotent."""
    digest = hashlib.sha256(content).hexdigest()
    data.keep(tx, digest, content, now)
    return digest


def find_data(tx: Connection, digest: str) -> bytes | None:
    """Return the bytes of a digest, if anything still names them."""
    return data.find(tx, digest) if len(digest) == _HEX_DIGITS else None


def forget_unused(tx: Connection, clock: Clock) -> int:
    """Delete what no list, category or corpus names any more; return how many."""
    return data.forget_unused(tx, clock.now() - _UNUSED_KEPT)


_HEX_DIGITS = 64
