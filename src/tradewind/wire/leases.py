"""What gateways and the control plane say to each other about leases of budgets.

All amounts are totals since the lease began and only grow, so that a message which is lost or sent
twice changes nothing: the gateway says how much it has used and how much it needs to hold, the
control plane says up to what total it may go.
"""

import msgspec

MOST_LEASES = 256
"""Leases in one message."""


class LeaseAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    budget: str
    period_ms: int | None
    """When the period of the lease began; None is a lease not begun yet."""
    used_nanos: int
    """Spent of this lease, in all."""
    needed_nanos: int
    """What running and waiting calls hold beyond that: less than this is no help."""
    wanted_nanos: int
    """What would be good to have beyond what is used; at least `needed_nanos`."""


class LeaseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    node: str
    boot: int
    """Nanoseconds of Unix time at which this gateway began: with the node, who it is."""
    leases: tuple[LeaseAsk, ...]


class LeaseGrant(msgspec.Struct, frozen=True):
    budget: str
    period_ms: int
    period_end_ms: int | None
    """When the lease can no longer be spent; None is never."""
    granted_nanos: int
    """Up to what total may be used."""
    left_nanos: int
    """What of the budget nobody holds after this."""
    leased_nanos: int
    """What other gateways hold."""
    is_gone: bool = False
    """There is no such budget any more: it bounds nothing."""


class LeaseAnswer(msgspec.Struct, frozen=True):
    leases: tuple[LeaseGrant, ...]
