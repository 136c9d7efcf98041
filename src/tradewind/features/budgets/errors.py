"""What budgets raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, TradewindError


class TooManyBudgets(TradewindError):
    code = "too_many_budgets"
    status = 409


class WalletBudget(Conflict):
    """The budget follows the wallet, and nothing else."""

    code = "wallet_budget"
