"""What deployments refuse."""

from tradewind.core.errors import Conflict


class DoesNotFit(Conflict):
    """By the estimate this machine has not the memory for it."""

    code = "does_not_fit"


class AlreadyDeployed(Conflict):
    code = "already_deployed"


class NothingToDeploy(Conflict):
    """A model without a version whose weights are here."""

    code = "nothing_to_deploy"


class NothingToRollBackTo(Conflict):
    code = "nothing_to_roll_back_to"
