"""What can be wrong with a snapshot."""

from tradewind.core.errors import TradewindError


class SnapshotDamaged(TradewindError):
    """The file is not a snapshot this release can read; the last good one stays in force."""

    code = "snapshot_damaged"
    status = 503
