"""Four gateways and one wallet: calls are refused with 402 when it is empty, and it never owes."""

import contextlib
from typing import cast

import pytest
from sqlalchemy import insert

from tests.e2e.test_overspend import (
    CALLS,
    MEAN_NANOS,
    PEPPER,
    EagerUpstream,
    Gateways,
    spend,
    sums,
)
from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core import api_keys
from tradewind.core.clock import SystemClock
from tradewind.features.accounts.tables import organization
from tradewind.features.budgets.tables import budget
from tradewind.features.budgets.wallets import WalletBudgets
from tradewind.features.ledger.schemas import AccountKind, AccountRef
from tradewind.features.ledger.service import Ledger
from tradewind.features.payments.ports import Bills, Payer
from tradewind.features.payments.service import PaidIn, Wallets
from tradewind.readmodels.spend import read_spend
from tradewind.serve.backstage import backstage_served

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]


class PaysAhead:
    """The billing of somebody who pays ahead and has no invoice yet."""

    def payer(self, _tx, organization_id):
        return Payer(organization_id, "USD", is_prepaid=True)

    def prepaid(self, _tx, _after, _limit):
        return ()

    def covered_nanos(self, _tx, _organization_id, _currency):
        return 0


@pytest.fixture
def wallets():
    clock = SystemClock()
    return Wallets(
        clock, Ledger(clock), WalletBudgets(clock, read_spend), cast("Bills", PaysAhead())
    )


@pytest.fixture
def fill(database, wallets):
    """Return a function that opens a wallet with an amount; return the id of its budget."""

    def fill(nanos):
        with database.transaction() as tx:
            now = SystemClock().now()
            tx.execute(insert(organization).values(id="org_1", name="One", created_at=now))
            bank = AccountRef(AccountKind.CASH, "bank", "USD")
            paid = PaidIn(
                "org_1", "USD", nanos, bank, "k", "wallet_top_up", now, "", "", payment_id="pay_1"
            )
            assert wallets.pay_in(tx, paid)
            return tx.execute(budget.select()).one().id

    return fill


async def test_calls_of_who_paid_ahead_stop_at_zero(tmp_path, database, fill, wallets):
    amount = MEAN_NANOS * CALLS // 2
    budget_id = fill(amount)
    socket = tmp_path / "backstage.sock"
    async with contextlib.AsyncExitStack() as stack:
        services = BackstageServices(database, SystemClock())
        stack.enter_context(backstage_served(create_backstage(services), socket))
        upstream = await stack.enter_async_context(EagerUpstream())
        key = api_keys.mint(PEPPER)
        gateways = Gateways(tmp_path, socket, upstream.address, key, budget_id)
        stack.push_async_callback(gateways.stop)
        await gateways.start()
        statuses = await spend(gateways, key, CALLS)
        await gateways.stop()

    costs = gateways.costs()
    assert set(statuses) == {200, 402}, statuses
    assert len(costs) == statuses[200]
    assert 0.9 * amount < sum(costs) <= amount
    period, _ = sums(database)
    assert (period.spent_nanos, period.leased_nanos) == (sum(costs), 0)
    assert period.overspent_nanos == 0
    with database.transaction() as tx:
        assert wallets.of(tx, "org_1").left_nanos == amount - sum(costs)
