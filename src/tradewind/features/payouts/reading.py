"""What publishers and finance read: earnings as they stand, statements, payouts."""

from collections.abc import Sequence

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, NotFound
from tradewind.features.accounts.schemas import Actor
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.drawing import Drawing
from tradewind.features.payouts.ports import Earnings, MinorDigits
from tradewind.features.payouts.profiles import Profiles
from tradewind.features.payouts.repository import accounts, runs, statements
from tradewind.features.payouts.schemas import FrozenStatement, Payout, StatementRow, Waterfall

PAGE_MAX = 500


class PayoutReader:
    """Everything is for members of the publisher's organization, and for finance."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        earnings: Earnings,
        minor_digits: MinorDigits,
        profiles: Profiles,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._earnings = earnings
        self._drawing = Drawing(ledger, earnings, minor_digits)
        self._profiles = profiles

    def waterfalls(self, tx: Connection, actor: Actor, publisher: str) -> list[Waterfall]:
        """Return what a publisher has, by currency, since its last statement: what a run would
        find at this moment. Raises NotPublisher.
        """
        row = self._profiles.require_reader(tx, actor, publisher)
        profile = accounts.find_profile(tx, publisher)
        return [
            self._drawing.draw(
                tx,
                publisher,
                currency,
                profile,
                is_verified=row.verified_at is not None,
                up_to=None,
                now=self._clock.now(),
            ).fall
            for currency in self._earnings.currencies(tx, publisher)
        ]

    def ledger_nanos(self, tx: Connection, fall: Waterfall) -> int:
        """Return what the ledger says the publisher is owed."""
        account = AccountRef(AccountKind.PAYABLE, fall.publisher, fall.currency)
        return -self._ledger.balance(tx, account)

    def statements(
        self,
        tx: Connection,
        actor: Actor,
        publishers: Sequence[str],
        *,
        before: str | None = None,
        limit: int = 100,
    ) -> list[StatementRow]:
        """Return statements of these publishers, the newest first. Raises NotPublisher."""
        self._require(tx, actor, publishers)
        return statements.list_statements(tx, publishers, before=before, limit=min(limit, PAGE_MAX))

    def statement(
        self, tx: Connection, actor: Actor, statement_id: str
    ) -> tuple[FrozenStatement, Payout | None]:
        """Return a statement with its payout. Raises NotFound, also for another's."""
        found = statements.find_statement(tx, statement_id)
        if found is None or not self._may_read(tx, actor, found.row.publisher):
            raise NotFound(f"there is no statement {statement_id[:64]!r}")
        return found, runs.payout_of_statement(tx, statement_id)

    def payouts(
        self,
        tx: Connection,
        actor: Actor,
        publishers: Sequence[str],
        *,
        before: str | None = None,
        limit: int = 100,
    ) -> list[Payout]:
        """Return payouts of these publishers, the newest first. Raises NotPublisher."""
        self._require(tx, actor, publishers)
        return runs.payouts_of_publishers(tx, publishers, before=before, limit=min(limit, PAGE_MAX))

    def _require(self, tx: Connection, actor: Actor, publishers: Sequence[str]) -> None:
        for publisher in publishers:
            self._profiles.require_reader(tx, actor, publisher)

    def _may_read(self, tx: Connection, actor: Actor, publisher: str) -> bool:
        try:
            self._profiles.require_reader(tx, actor, publisher)
        except Forbidden:
            return False
        return True
