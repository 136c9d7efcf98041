"""Wallets: what organizations hold with the platform, and what their calls may spend of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, InvalidInput, PreconditionFailed
from tradewind.core.ids import OrganizationId, WalletLotId
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission, require
from tradewind.db.outbox import enqueue
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.budgets.schemas import WalletStanding
from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting
from tradewind.features.ledger.service import Ledger
from tradewind.features.payments.errors import PaymentKeyReused, WalletMissing, WalletShort
from tradewind.features.payments.ports import Bills, HardBudgets
from tradewind.features.payments.repository import clawbacks as clawbacks_sql
from tradewind.features.payments.repository import payments as payments_sql
from tradewind.features.payments.repository import wallets as wallets_sql
from tradewind.features.payments.rules.amounts import check_amount, check_settings
from tradewind.features.payments.rules.lots import consumed, spending_order
from tradewind.features.payments.schemas import (
    AutoTopUp,
    Clawback,
    Lot,
    LotKind,
    PaidIn,
    Payment,
    Wallet,
    WalletSettings,
)

WALLET_LOW = "wallet.low"
"""What can be spent fell below what the organization said: once, until it is above again."""
AT_ONCE = 100
"""Wallets of one transaction of the upkeep."""
PROMOTION = "promotion"
PAGE_MAX = 500
_MEMO_MAX = 200
_KEY_MAX = 100


class Wallets:
    """Every method that changes a wallet locks its row first, then its ledger account, then its
    budget: in this order everywhere, so that no two wait for each other.
    """

    def __init__(self, clock: Clock, ledger: Ledger, budgets: HardBudgets, bills: Bills) -> None:
        self._clock = clock
        self._ledger = ledger
        self._budgets = budgets
        self._bills = bills

    # --- for members -------------------------------------------------------------------------

    def wallet(self, tx: Connection, actor: Actor) -> Wallet | None:
        """Return the wallet of the actor's organization; None before anything was paid in."""
        require(actor, Permission.BILLING_READ)
        organization_id = str(actor.organization_id)
        if wallets_sql.find_wallet(tx, organization_id) is None:
            return None
        return self.of(tx, organization_id)

    def payments(
        self, tx: Connection, actor: Actor, *, before: str | None = None, limit: int = 100
    ) -> list[Payment]:
        """Return what the organization paid or tried to, the newest first."""
        require(actor, Permission.BILLING_READ)
        return payments_sql.list_payments(
            tx, str(actor.organization_id), before=before, limit=min(limit, PAGE_MAX)
        )

    def clawbacks(
        self, tx: Connection, actor: Actor, payments: Sequence[Payment]
    ) -> list[Clawback]:
        """Return what processors took back of payments of the actor's organization."""
        require(actor, Permission.BILLING_READ)
        own = str(actor.organization_id)
        ids = [each.payment_id for each in payments if each.organization_id == own]
        return clawbacks_sql.of_payments(tx, ids)

    def set_up(
        self,
        tx: Connection,
        actor: Actor,
        settings: WalletSettings,
        *,
        revision: int | None = None,
    ) -> Wallet:
        """Set when to be told, and when to top up without being asked, if nothing was changed since
        `revision`. Raises WalletMissing, InvalidInput, PreconditionFailed.
        """
        require(actor, Permission.BILLING_WRITE)
        row = self._lock(tx, str(actor.organization_id))
        if revision is not None and revision != row.revision:
            raise PreconditionFailed(
                "the wallet changed since you read it", hint="read it again, then change it"
            )
        check_settings(settings, has_card=bool(row.card))
        auto = settings.auto
        wallets_sql.update_wallet(
            tx,
            row.organization_id,
            {
                "low_nanos": settings.low_nanos,
                "is_low": False,
                "auto_below_nanos": None if auto is None else auto.below_nanos,
                "auto_amount_nanos": None if auto is None else auto.amount_nanos,
                "auto_month_cap_nanos": None if auto is None else auto.month_cap_nanos,
                "revision": row.revision + 1,
                "updated_at": self._clock.now(),
            },
        )
        return self.of(tx, row.organization_id)

    # --- for whoever runs the platform -------------------------------------------------------

    def give_credit(
        self,
        tx: Connection,
        actor: Actor,
        organization_id: str,
        nanos: int,
        currency: str,
        *,
        key: str,
        memo: str,
        expires_at: datetime | None = None,
        by: str = "",
    ) -> Wallet:
        """Give promotional credit. The same key again is the same credit.

        Raises Forbidden, InvalidInput, WalletMissing, PaymentKeyReused.
        """
        require(actor, Permission.FINANCE_WRITE)
        if not is_platform_administrator(actor):
            raise Forbidden("only administrators of the platform give credit")
        check_amount(nanos)
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise InvalidInput("the credit expires in the past")
        if not 1 <= len(key) <= _KEY_MAX or len(memo) > _MEMO_MAX:
            raise InvalidInput(
                f"`key` has at most {_KEY_MAX} characters, and `memo` at most {_MEMO_MAX}"
            )
        self.pay_in(
            tx,
            PaidIn(
                organization_id,
                currency,
                nanos,
                AccountRef(AccountKind.CREDIT, PROMOTION, currency),
                key=f"credit:{organization_id}:{key}",
                kind="wallet_credit",
                at=now,
                subject="",
                memo=memo,
                by=by,
                expires_at=expires_at,
            ),
        )
        return self.of(tx, organization_id)

    # --- for other parts of the platform -----------------------------------------------------

    def of(self, tx: Connection, organization_id: str) -> Wallet:
        """Return an organization's wallet as it stands. Raises WalletMissing."""
        row = self._lock(tx, organization_id)
        payer = self._bills.payer(tx, organization_id)
        balance, standing = self._balance(tx, row), self._standing(tx, row)
        lots = wallets_sql.lots_of(tx, organization_id)
        unspent = self._unspent(tx, row, balance, standing)
        left = consumed(lots, unspent)
        return Wallet(
            organization_id=organization_id,
            currency=row.currency,
            is_prepaid=payer is not None and payer.is_prepaid,
            balance_nanos=balance,
            left_nanos=unspent,
            held_nanos=0 if standing is None else min(unspent, standing.leased_nanos),
            low_nanos=row.low_nanos,
            auto=_auto(row),
            card=row.card and (row.card_label or "a saved card"),
            lots=tuple(
                shown
                for lot in sorted(lots, key=spending_order)
                if (shown := _with_left(lot, left.get(lot.lot_id, lot.left_nanos))).left_nanos
            ),
            revision=row.revision,
        )

    def open(self, tx: Connection, organization_id: str, currency: str) -> None:
        """See to it that there is a wallet. Raises InvalidInput where it has another currency."""
        payer = self._bills.payer(tx, organization_id)
        if payer is not None and payer.currency != currency:
            raise InvalidInput(f"this organization pays in {payer.currency}")
        wallets_sql.add_wallet(tx, organization_id, currency, self._clock.now())
        row = self._lock(tx, organization_id)
        if row.currency != currency:
            raise InvalidInput(f"the wallet holds {row.currency}")

    def pay_in(self, tx: Connection, paid: PaidIn) -> bool:
        """Add to a wallet, and let calls spend it. False when the key was used for this before.

        Raises PaymentKeyReused when it was used for something else.
        """
        self.open(tx, paid.organization_id, paid.currency)
        self._look(tx, self._lock(tx, paid.organization_id))
        is_new = wallets_sql.add_lot(
            tx,
            {
                "id": WalletLotId.new(),
                "organization_id": paid.organization_id,
                "key": paid.key,
                "kind": (LotKind.PAID if paid.payment_id else LotKind.CREDIT).value,
                "amount_nanos": paid.nanos,
                "left_nanos": paid.nanos,
                "expires_at": paid.expires_at,
                "payment_id": paid.payment_id,
                "memo": paid.memo[:_MEMO_MAX],
                "by": paid.by,
                "created_at": paid.at,
            },
        )
        if not is_new:
            former = wallets_sql.find_lot(tx, paid.key)
            assert former is not None, "lots are never deleted"
            if (former.organization_id, former.amount_nanos, former.expires_at) != (
                paid.organization_id,
                paid.nanos,
                paid.expires_at,
            ):
                raise PaymentKeyReused(f"the key {paid.key[:64]!r} is another one's")
            return False
        wallet = AccountRef(AccountKind.WALLET, paid.organization_id, paid.currency)
        self._ledger.post(
            tx,
            EntryDraft(
                key=f"wallet:{paid.key}"[:_MEMO_MAX],
                kind=paid.kind,
                at=paid.at,
                postings=(Posting(paid.source, paid.nanos), Posting(wallet, -paid.nanos)),
                memo=paid.memo,
                subject=paid.subject,
                by=paid.by,
            ),
        )
        self.refresh(tx, paid.organization_id)
        return True

    def take_out(
        self,
        tx: Connection,
        organization_id: str,
        nanos: int,
        target: AccountRef,
        *,
        key: str,
        kind: str,
        payment_id: str,
    ) -> None:
        """Take what is left of a payment out of a wallet; calls can spend it no more.

        Raises WalletShort when less is left of it, or gateways hold it: then the caller's
        transaction has to be given up.
        """
        taken = self.take_up_to(
            tx,
            organization_id,
            nanos,
            target,
            key=key,
            kind=kind,
            payment_id=payment_id,
            is_any_money=False,
        )
        if taken < nanos:
            raise WalletShort(
                f"{format_nanos(nanos)} {target.currency} are not left",
                hint="what calls hold comes back when they end; what is spent does not",
            )

    def take_up_to(
        self,
        tx: Connection,
        organization_id: str,
        nanos: int,
        target: AccountRef,
        *,
        key: str,
        kind: str,
        payment_id: str,
        is_any_money: bool,
    ) -> int:
        """Take what is there of an amount that went back to whoever paid; return how much it was.

        The money of that payment goes first, and with `is_any_money` whatever else was paid in.
        Credit that was given is left alone.
        """
        row = wallets_sql.lock_wallet(tx, organization_id)
        if row is None or row.currency != target.currency:
            return 0
        standing = self._look(tx, row)
        most = nanos if standing is None else min(nanos, standing.left_nanos)
        lots = [lot for lot in wallets_sql.lots_of(tx, organization_id) if lot.kind is LotKind.PAID]
        taken = 0
        for lot in sorted(lots, key=lambda each: each.payment_id != payment_id):
            part = min(most - taken, lot.left_nanos)
            if part > 0 and (is_any_money or lot.payment_id == payment_id):
                wallets_sql.set_left(tx, lot.lot_id, lot.left_nanos - part)
                taken += part
        if taken:
            wallet = AccountRef(AccountKind.WALLET, organization_id, row.currency)
            postings = (Posting(wallet, taken), Posting(target, -taken))
            now = self._clock.now()
            self._ledger.post(tx, EntryDraft(key, kind, now, postings, subject=payment_id))
            self.refresh(tx, organization_id)
        return taken

    def free_nanos(self, tx: Connection, organization_id: str, currency: str) -> int:
        """Return what no call has spent or holds, and keep it so until the transaction ends."""
        row = wallets_sql.lock_wallet(tx, organization_id)
        if row is None or row.currency != currency:
            return 0
        standing = self._look(tx, row)
        unspent = self._unspent(tx, row, self._balance(tx, row), standing)
        return unspent if standing is None else min(unspent, standing.left_nanos)

    def refresh(self, tx: Connection, organization_id: str) -> None:
        """Let calls spend exactly what the wallet holds: after every change of it, and from time to
        time, because billing takes out of it without telling.
        """
        row = wallets_sql.lock_wallet(tx, organization_id)
        if row is None:
            return
        payer = self._bills.payer(tx, organization_id)
        if payer is None or not payer.is_prepaid:
            self._budgets.remove(tx, organization_id, row.currency)
            return
        covered = self._bills.covered_nanos(tx, organization_id, row.currency)
        self._budgets.put(tx, organization_id, row.currency, self._balance(tx, row) + covered)

    # --- upkeep ------------------------------------------------------------------------------

    def look_after(self, tx: Connection, after: str) -> str:
        """Refresh some wallets behind this organization, tell who is low, take back what expired.
        Return where to go on; empty is: from the start.
        """
        for payer in self._bills.prepaid(tx, after, AT_ONCE):
            wallets_sql.add_wallet(tx, payer.organization_id, payer.currency, self._clock.now())
        ids = wallets_sql.wallets_after(tx, after, AT_ONCE)
        for organization_id in ids:
            self.refresh(tx, organization_id)
            self._expire(tx, organization_id)
            self._tell_low(tx, organization_id)
        return ids[-1] if len(ids) == AT_ONCE else ""

    def _expire(self, tx: Connection, organization_id: str) -> None:
        row = self._lock(tx, organization_id)
        now = self._clock.now()
        if not any(_is_over(lot, now) for lot in wallets_sql.lots_of(tx, organization_id)):
            return
        standing = self._look(tx, row)
        lots = wallets_sql.lots_of(tx, organization_id)
        for lot in (each for each in lots if _is_over(each, now)):
            # What calls hold of it comes back within a minute, and expires then.
            free = lot.left_nanos if standing is None else standing.left_nanos
            nanos = min(lot.left_nanos, free)
            if nanos <= 0:
                continue
            wallets_sql.set_left(tx, lot.lot_id, lot.left_nanos - nanos)
            wallet = AccountRef(AccountKind.WALLET, organization_id, row.currency)
            credit = AccountRef(AccountKind.CREDIT, PROMOTION, row.currency)
            self._ledger.post(
                tx,
                EntryDraft(
                    key=f"expired:{lot.lot_id}:{lot.left_nanos}",
                    kind="wallet_expiry",
                    at=now,
                    postings=(Posting(wallet, nanos), Posting(credit, -nanos)),
                    subject=lot.lot_id,
                ),
            )
            self.refresh(tx, organization_id)
            standing = self._standing(tx, row)

    def _tell_low(self, tx: Connection, organization_id: str) -> None:
        row = self._lock(tx, organization_id)
        left = self._unspent(tx, row, self._balance(tx, row), self._standing(tx, row))
        is_low = left < row.low_nanos
        if is_low == row.is_low:
            return
        wallets_sql.update_wallet(tx, organization_id, {"is_low": is_low})
        if is_low:
            now = self._clock.now()
            enqueue(
                tx,
                WALLET_LOW,
                OrganizationId(organization_id),
                {
                    "currency": row.currency,
                    "left": format_nanos(left),
                    "low": format_nanos(row.low_nanos),
                },
                key=f"{WALLET_LOW} {organization_id} {now.isoformat()}",
            )

    # --- what follows is private -------------------------------------------------------------

    def _lock(self, tx: Connection, organization_id: str) -> Row[Any]:
        row = wallets_sql.lock_wallet(tx, organization_id)
        if row is None:
            raise WalletMissing("this organization has no wallet", hint="top it up, and it has one")
        return row

    def _balance(self, tx: Connection, row: Row[Any]) -> int:
        account = AccountRef(AccountKind.WALLET, row.organization_id, row.currency)
        return -self._ledger.balance(tx, account)

    def _standing(self, tx: Connection, row: Row[Any]) -> WalletStanding | None:
        return self._budgets.standing(tx, row.organization_id, row.currency)

    def _unspent(
        self, tx: Connection, row: Row[Any], balance: int, standing: WalletStanding | None
    ) -> int:
        if standing is not None:
            return min(balance, standing.unspent_nanos)
        unbilled = AccountRef(AccountKind.UNBILLED, row.organization_id, row.currency)
        return max(0, balance - self._ledger.balance(tx, unbilled))

    def _look(self, tx: Connection, row: Row[Any]) -> WalletStanding | None:
        """Note which lots were spent until now, before anything is added or taken."""
        self.refresh(tx, row.organization_id)
        standing = self._standing(tx, row)
        unspent = self._unspent(tx, row, self._balance(tx, row), standing)
        lots = wallets_sql.lots_of(tx, row.organization_id)
        for lot_id, left in consumed(lots, unspent).items():
            wallets_sql.set_left(tx, lot_id, left)
        return standing


def _auto(row: Row[Any]) -> AutoTopUp | None:
    if row.auto_amount_nanos is None:
        return None
    return AutoTopUp(row.auto_below_nanos, row.auto_amount_nanos, row.auto_month_cap_nanos)


def _is_over(lot: Lot, now: datetime) -> bool:
    return lot.expires_at is not None and lot.expires_at <= now


def _with_left(lot: Lot, left_nanos: int) -> Lot:
    return replace(lot, left_nanos=left_nanos)
