"""What can be wrong with a record that came out of a journal."""

from tradewind.core.errors import InvalidInput, Unavailable


class UnusableRecord(InvalidInput):
    """A readable record with a value that cannot be right or cannot be stored."""

    code = "unusable_usage_record"


class SegmentMoved(Unavailable):
    """Another shipper has taken over part of this segment; read again what the database says."""

    code = "journal_segment_moved"

    def __init__(self, name: str, offset: int) -> None:
        super().__init__(f"the segment {name} is no longer at {offset}")
