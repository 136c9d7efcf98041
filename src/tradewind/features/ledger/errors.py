"""What the ledger raises beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, InvalidInput, NotFound


class EntryRefused(InvalidInput):
    """A draft that cannot become an entry: it does not balance, or a part of it is malformed."""

    code = "ledger_entry_refused"


class KeyReused(Conflict):
    """The key belongs to an entry with other content."""

    code = "ledger_key_reused"


class WalletOverdrawn(Conflict):
    code = "wallet_overdrawn"


class EntryReversed(Conflict):
    """The entry was taken back before, under another key."""

    code = "ledger_entry_reversed"


class ReversalFinal(Conflict):
    """A reversal is not taken back: what it took back is entered anew."""

    code = "ledger_reversal_final"


class RateTaken(Conflict):
    """From that moment another rate is in force already."""

    code = "fx_rate_taken"


class NoRate(NotFound):
    code = "fx_rate_missing"
