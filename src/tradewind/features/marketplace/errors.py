"""What the marketplace raises beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, InvalidInput


class PurchaseTokenRefused(InvalidInput):
    """A purchase token that is not ours, or too old."""

    code = "purchase_token_refused"


class FulfilmentRefused(InvalidInput):
    """What a publisher asks for does not fit the subscription."""

    code = "fulfilment_refused"


class OperationClosed(Conflict):
    """The operation was decided before."""

    code = "operation_closed"


class OperationRunning(Conflict):
    """Another change of the subscription waits for its publisher."""

    code = "operation_running"


class TooManySinks(Conflict):
    code = "too_many_sinks"
