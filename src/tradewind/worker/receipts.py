"""Makes receipts of what was shipped, and signs their chains."""

import logging
import threading
import time
from collections.abc import Callable

from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.receipts.service import MOST_HEADS, Receipts

_EVERY_S = 2.0
_SIGN_EVERY_S = 30.0
"""A head covers all before it, so a signature costs by the minute and not by the call."""
_log = logging.getLogger(__name__)


def keep_receipts(
    database: Database,
    receipts: Receipts,
    stop: threading.Event,
    *,
    stopwatch: Callable[[], float] = time.monotonic,
) -> None:
    """Run until stopped, with a last round that signs too. Each step is a transaction of its own;
    what a crash leaves undone the next round does.
    """
    signed_at = stopwatch()
    is_last = False
    while not is_last:
        is_last = stop.wait(_EVERY_S)
        try:
            has_more = True
            while has_more:
                with database.transaction() as tx:
                    has_more = receipts.make(tx).has_more and not stop.is_set()
            if is_last or stopwatch() - signed_at >= _SIGN_EVERY_S:
                signed_at, signed = stopwatch(), MOST_HEADS
                while signed == MOST_HEADS:
                    with database.transaction() as tx:
                        signed = receipts.sign(tx)
        except Unavailable as error:
            _log.warning("receipts are not made: %s", error)
