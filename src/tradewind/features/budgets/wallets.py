"""The hard budget that follows a wallet: gateways lease of it, and refuse calls without it."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.ids import BudgetId
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.budgets import repository, rules
from tradewind.features.budgets.leasing import ReadSpend
from tradewind.features.budgets.questions import spend_of
from tradewind.features.budgets.schemas import PeriodKind, WalletStanding

_NAME = "Wallet"


class WalletBudgets:
    """One for each organization that pays ahead. Its amount is told by payments, which locks the
    wallet before it calls.
    """

    def __init__(self, clock: Clock, read_spend: ReadSpend) -> None:
        self._clock = clock
        self._read_spend = read_spend

    def standing(
        self, tx: Connection, organization_id: str, currency: str
    ) -> WalletStanding | None:
        """Return how it stands, and keep it so until the transaction ends; None where there is
        none.
        """
        found = repository.lock_wallet(tx, organization_id, currency)
        return None if found is None else self._standing(tx, found)

    def put(
        self, tx: Connection, organization_id: str, currency: str, amount_nanos: int
    ) -> WalletStanding:
        """Let gateways spend so much in all. Where they spent or hold more, nothing more is given
        out.
        """
        amount = min(max(0, amount_nanos), rules.AMOUNT_MAX_NANOS)
        found = repository.lock_wallet(tx, organization_id, currency)
        now = self._clock.now()
        if found is None:
            repository.add_wallet(
                tx,
                {
                    "id": BudgetId.new(),
                    "organization_id": organization_id,
                    "name": _NAME,
                    "currency": currency,
                    "amount_nanos": amount,
                    "period": PeriodKind.TOTAL.value,
                    "is_hard": True,
                    "alert_percents": [],
                    "purpose": "wallet",
                    "revision": 1,
                    "created_at": now,
                    "updated_at": now,
                },
            )
            found = repository.lock_wallet(tx, organization_id, currency)
            assert found is not None, "it was just added, or by another"
            _tell(tx, organization_id)
        if found.amount_nanos != amount:
            repository.update_budget(tx, found.id, {"amount_nanos": amount, "updated_at": now})
            repository.raise_ceiling(tx, found.id, amount)
            _tell(tx, organization_id)
            found = repository.lock_wallet(tx, organization_id, currency)
            assert found is not None, "it is locked"
        return self._standing(tx, found)

    def remove(self, tx: Connection, organization_id: str, currency: str) -> None:
        """Let calls be paid later again. Idempotent."""
        found = repository.lock_wallet(tx, organization_id, currency)
        if found is not None:
            repository.delete_budget(tx, found.id)
            _tell(tx, organization_id)

    def _standing(self, tx: Connection, found: Row[Any]) -> WalletStanding:
        start = rules.period_at(PeriodKind.TOTAL, self._clock.now()).start
        period = repository.lock_period(tx, found.id, start)
        if period is None:
            spent = self._read_spend(tx, spend_of(found, datetime.fromtimestamp(0, UTC), None))
            # Begun here, so that no gateway leases of it before this transaction has ended.
            repository.add_period(tx, found.id, start, amount=found.amount_nanos, spent=spent)
            period = repository.lock_period(tx, found.id, start)
            assert period is not None, "it was just begun"
        return WalletStanding(
            found.amount_nanos, period.spent_nanos + period.overspent_nanos, period.leased_nanos
        )


def _tell(tx: Connection, organization_id: str) -> None:
    record_change(tx, ChangeKind.BUDGETS)
    record_change(tx, ChangeKind.TERMS, [organization_id])
