"""The ledger for people: whoever runs the platform reads all of it, and corrects by reversal.

There is one ledger for the whole platform, so a permission of an organization is not enough.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from tradewind.core.errors import Forbidden
from tradewind.core.ids import EntryId, LedgerAccountId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.ledger.schemas import (
    AccountKind,
    AccountRow,
    Entry,
    FxRate,
    StatementPlace,
    StatementRow,
)
from tradewind.features.ledger.service import Ledger


class Books:
    """Every method raises Forbidden for whoever does not run the platform."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def accounts(
        self,
        tx: Connection,
        actor: Actor,
        *,
        kind: AccountKind | None = None,
        owner: str | None = None,
        currency: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[AccountRow]:
        """As `Ledger.accounts`."""
        _require(actor, Permission.FINANCE_READ)
        return self._ledger.accounts(
            tx, kind=kind, owner=owner, currency=currency, after=after, limit=limit
        )

    def account(self, tx: Connection, actor: Actor, account_id: str) -> AccountRow:
        """Raises NotFound."""
        _require(actor, Permission.FINANCE_READ)
        return self._ledger.account(tx, account_id)

    def statement(
        self,
        tx: Connection,
        actor: Actor,
        account_id: LedgerAccountId,
        *,
        since: datetime,
        until: datetime,
        after: StatementPlace | None = None,
        limit: int = 100,
    ) -> list[StatementRow]:
        """As `Ledger.statement`."""
        _require(actor, Permission.FINANCE_READ)
        return self._ledger.statement(
            tx, account_id, since=since, until=until, after=after, limit=limit
        )

    def entry(self, tx: Connection, actor: Actor, entry_id: str) -> Entry:
        """Raises NotFound."""
        _require(actor, Permission.FINANCE_READ)
        return self._ledger.entry(tx, entry_id)

    def reverse(
        self, tx: Connection, actor: Actor, entry_id: str, *, key: str, reason: str, by: str
    ) -> EntryId:
        """As `Ledger.reverse`. `by` says who did it."""
        _require(actor, Permission.FINANCE_WRITE)
        return self._ledger.reverse(tx, entry_id, key=f"by-hand:{key}", reason=reason, by=by)

    def rates(
        self, tx: Connection, actor: Actor, *, currency: str | None = None, limit: int = 100
    ) -> Sequence[FxRate]:
        """Return stored rates, the newest first."""
        _require(actor, Permission.FINANCE_READ)
        return self._ledger.rates(tx, currency=currency, limit=limit)

    def set_rate(self, tx: Connection, actor: Actor, rate: FxRate) -> None:
        """As `Ledger.set_rate`."""
        _require(actor, Permission.FINANCE_WRITE)
        self._ledger.set_rate(tx, rate)


def _require(actor: Actor, permission: Permission) -> None:
    require(actor, permission)
    if not is_platform_administrator(actor):
        raise Forbidden("only administrators of the platform see and change its ledger")
