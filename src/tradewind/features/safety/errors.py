"""What safety refuses."""

from tradewind.core.errors import Conflict, InvalidInput


class PolicyRefused(InvalidInput):
    """A policy that cannot be: the message names the field, the hint the way out."""

    code = "safety_policy_refused"


class SafetyInUse(Conflict):
    """A policy is bound, or a list or category is part of one that is."""

    code = "safety_in_use"


class TooManySafetyThings(Conflict):
    code = "too_many_safety_things"


class DryRunUnderWay(Conflict):
    code = "dry_run_under_way"
