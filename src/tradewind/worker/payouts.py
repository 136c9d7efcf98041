"""Looks after payouts: goes on with runs that were left in the middle, sends what goes by a
processor.
"""

import logging
import threading

from tradewind.core.errors import Unavailable
from tradewind.db.database import Database
from tradewind.features.payouts.service import PayoutRuns
from tradewind.features.payouts.transfers import ProcessorPayouts

_EVERY_S = 15.0
_log = logging.getLogger(__name__)


def look_after_payouts(
    database: Database,
    runs: PayoutRuns,
    by_processor: ProcessorPayouts | None,
    stop: threading.Event,
) -> None:
    """Run until stopped. What a crash leaves undone the next round does."""
    while not stop.wait(_EVERY_S):
        try:
            runs.carry_on(database)
            if by_processor is not None:
                by_processor.send_due(stop.is_set)
        except Unavailable as error:
            _log.warning("payouts wait: %s", error)
