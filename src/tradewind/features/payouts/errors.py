"""What payouts raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, Forbidden


class RunOpen(Conflict):
    """Another run of the currency is not exported yet."""

    code = "payout_run_open"


class RunState(Conflict):
    """A run, or a payout of it, is in a state in which this cannot be done."""

    code = "payout_run_state"


class SamePerson(Forbidden):
    """Whoever prepared a run does not approve it."""

    code = "payout_same_person"


class NoPayoutSource(Conflict):
    """The platform has said no account to pay from in this currency."""

    code = "payout_source_missing"


class PayoutKeyReused(Conflict):
    code = "payout_key_reused"
