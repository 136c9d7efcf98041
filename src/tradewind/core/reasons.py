"""Reasons that people give for what they decide: short, and never empty."""

from tradewind.core.errors import InvalidInput

REASON_MAX = 2_000
"""Characters."""


def clean_reason(text: str) -> str:
    """Return it without the space around it. Raises InvalidInput for one that is empty, long, or
    has a zero in it, which no column takes.
    """
    reason = text.strip()
    if not reason or len(reason) > REASON_MAX or "\0" in reason:
        raise InvalidInput(
            f"a reason has 1 to {REASON_MAX} characters", hint="say what has to be done"
        )
    return reason
