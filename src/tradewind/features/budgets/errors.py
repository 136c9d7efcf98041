"""What budgets raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import TradewindError


class TooManyBudgets(TradewindError):
    code = "too_many_budgets"
    status = 409
