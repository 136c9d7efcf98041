"""What payments raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, NotFound


class WalletMissing(NotFound):
    """The organization has no wallet yet."""

    code = "wallet_missing"


class WalletShort(Conflict):
    """What is to be taken out is spent, or held by calls that run."""

    code = "wallet_short"


class PaymentKeyReused(Conflict):
    code = "payment_key_reused"


class BankLineSettled(Conflict):
    """The line was assigned before."""

    code = "bank_line_settled"
