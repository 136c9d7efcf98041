"""What reconciliation raises beyond the leaves of `core.errors`."""

from tradewind.core.errors import InvalidInput


class UnknownStatement(InvalidInput):
    """The file is no export that can be read."""

    code = "unknown_statement"
