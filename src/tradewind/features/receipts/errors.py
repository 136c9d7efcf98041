"""Errors of receipts."""

from tradewind.core.errors import Conflict, NotFound


class NoReceipt(NotFound):
    """There is no such receipt, not yet, or of somebody else."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"there is no receipt of {what}",
            hint="receipts are made within a minute after a call has ended",
        )


class NoSuchEvent(NotFound):
    """No call to correct, or it is a correction itself."""

    def __init__(self) -> None:
        super().__init__(
            "there is no such call in the books",
            hint="corrections are not corrected: correct the call again",
        )


class CorrectionKeyReused(Conflict):
    """The key belongs to a correction that says something else."""

    code = "usage_correction_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the key {key[:64]!r} is of another correction",
            hint="a retry says exactly what was said before",
        )
