"""Payouts that go by a processor: transferred by the worker once their run is exported."""

from collections.abc import Callable

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.features.payouts.ports import Transactions, Transfers
from tradewind.features.payouts.repository import runs
from tradewind.features.payouts.schemas import Payout, Way
from tradewind.features.payouts.service import PLATFORM, PayoutRuns
from tradewind.plugins.payments.base import Transfer

_AT_ONCE = 100


class ProcessorPayouts:
    """Exactly once, whatever is killed: the processor keeps one transfer for each payout, and what
    it says is noted in a transaction that changes nothing the second time.
    """

    def __init__(self, database: Transactions, payouts: PayoutRuns, transfers: Transfers) -> None:
        self._database = database
        self._payouts = payouts
        self._transfers = transfers

    def send_due(self, is_stopped: Callable[[], bool] = lambda: False) -> int:
        """Transfer what is exported; return how many reached the processor. What nobody can say
        of now is asked for again the next time. Raises Unavailable.
        """
        sent, after = 0, ""
        for _ in range(_AT_ONCE):
            if is_stopped():
                break
            with self._database.transaction() as tx:
                payout = runs.next_exported(tx, Way.STRIPE, after)
            if payout is None:
                break
            after = payout.payout_id
            sent += self._send(payout)
        return sent

    def _send(self, payout: Payout) -> int:
        try:
            transfer_id = self._transfers.transfer(
                Transfer(
                    str(payout.payout_id), payout.nanos, payout.currency, payout.destination.account
                )
            )
        except (Conflict, InvalidInput) as error:
            with self._database.transaction() as tx:
                reason = error.message[:500]
                self._payouts.note_failed(tx, payout.payout_id, reason=reason, by=PLATFORM)
            return 0
        with self._database.transaction() as tx:
            self._payouts.note_sent(tx, payout.payout_id, transfer_id)
        return 1
