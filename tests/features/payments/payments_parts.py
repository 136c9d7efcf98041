"""What tests of payments share: billing's world, with wallets above it and gateways that lease."""

from dataclasses import dataclass

from sqlalchemy import select

from tests.features.billing.billing_parts import World
from tradewind.core.ids import OrganizationId, ProjectId
from tradewind.core.permissions import PERMISSIONS, Role
from tradewind.features.budgets.leasing import Leasing
from tradewind.features.budgets.tables import budget
from tradewind.features.budgets.wallets import WalletBudgets
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.payments.bank_transfers import BankTransfers
from tradewind.features.payments.schemas import PaidIn
from tradewind.features.payments.service import Wallets
from tradewind.readmodels.spend import read_spend
from tradewind.readmodels.wallets import BilledOrganizations
from tradewind.wire.leases import LeaseAsk, LeaseRequest

ONE = 1_000_000_000


@dataclass(frozen=True)
class Administrator:
    organization_id: OrganizationId
    project_id: ProjectId
    role: Role = Role.ADMIN

    def may(self, permission) -> bool:
        return permission in PERMISSIONS[self.role]


class PaidWorld:
    def __init__(self, world: World) -> None:
        self.world = world
        self.database = world.database
        self.bills = BilledOrganizations(world.billing)
        self.wallets = Wallets(
            world.clock, world.ledger, WalletBudgets(world.clock, read_spend), self.bills
        )
        self.bank = BankTransfers(world.clock, self.wallets, self.bills)
        self._leasing = Leasing(world.clock, read_spend)

    @classmethod
    def begin(cls, database) -> "PaidWorld":
        return cls(World.begin(database))

    def admin(self, organization_id: str, role=Role.ADMIN) -> Administrator:
        return Administrator(OrganizationId.parse(organization_id), ProjectId.new(), role)

    def do(self, act, *arguments, **more):
        with self.database.transaction() as tx:
            return act(tx, *arguments, **more)

    def pay_in(self, organization_id: str, nanos: int, *, key="k", currency="USD") -> bool:
        """Pay money in, as a top-up does."""
        return self.do(
            self.wallets.pay_in,
            PaidIn(
                organization_id,
                currency,
                nanos,
                AccountRef(AccountKind.CASH, "bank", currency),
                key=key,
                kind="wallet_top_up",
                at=self.world.clock.now(),
                subject="pay_1",
                memo="",
                payment_id="pay_1",
            ),
        )

    def wallet(self, organization_id: str):
        return self.do(self.wallets.of, organization_id)

    def balance(self, kind: AccountKind, owner: str, currency="USD") -> int:
        return self.do(self.world.ledger.balance, AccountRef(kind, owner, currency))

    def budget_of(self, organization_id: str):
        with self.database.transaction() as tx:
            return tx.execute(
                select(budget).where(budget.c.organization_id == organization_id)
            ).first()

    def lease(self, organization_id: str, *, used=0, needed=0, node="g"):
        """Ask as a gateway; return what it may have spent in all."""
        found = self.budget_of(organization_id)
        assert found is not None
        ask = LeaseAsk(found.id, None, used, needed, needed)
        with self.database.transaction() as tx:
            return self._leasing.answer(tx, LeaseRequest(node, 1, (ask,))).leases[0]
