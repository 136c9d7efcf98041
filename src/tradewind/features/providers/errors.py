"""What providers raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import TradewindError


class TooManyConnections(TradewindError):
    code = "too_many_connections"
    status = 409


class CredentialRequired(TradewindError):
    """A credential is bound to the address it was given for, so that nobody who may change an
    address can have a credential sent there that they never knew.
    """

    code = "credential_required"
    status = 409
