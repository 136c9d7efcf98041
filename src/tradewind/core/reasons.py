"""Reasons that people give for what they decide: short, and never empty."""

from tradewind.core.errors import InvalidInput

REASON_MAX = 2_000
"""Characters."""


def clean_reason(text: str) -> str:
    """Return it without what surrounds it. Raises InvalidInput for an empty or long one."""
    reason = text.strip()
    if not reason or len(reason) > REASON_MAX:
        raise InvalidInput(
            f"a reason has 1 to {REASON_MAX} characters", hint="say what has to be done"
        )
    return reason
