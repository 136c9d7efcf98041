"""What endpoints raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import TradewindError


class TooManyEndpoints(TradewindError):
    code = "too_many_endpoints"
    status = 409


class ConnectionInUse(TradewindError):
    """Targets name the connection; deleting it would take models away from their callers."""

    code = "connection_in_use"
    status = 409
