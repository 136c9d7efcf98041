"""What endpoints raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, TradewindError


class TooManyEndpoints(TradewindError):
    code = "too_many_endpoints"
    status = 409


class NotOffered(Conflict):
    """The provider has not this model, or cannot be called from here."""

    code = "not_offered"


class NoConnection(Conflict):
    """There is no account at the provider yet, and no key was given for one."""

    code = "no_connection"


class EndpointNameTaken(Conflict):
    code = "endpoint_name_taken"


class PriceChanged(Conflict):
    """The model has another price than the one that was confirmed."""

    code = "price_changed"


class ConnectionInUse(TradewindError):
    """Targets name the connection; deleting it would take models away from their callers."""

    code = "connection_in_use"
    status = 409
