"""Lengths for models of which nobody told any. Pure."""

from tradewind.features.catalog.schemas import UNKNOWN_CONTEXT_TOKENS, UNKNOWN_OUTPUT_TOKENS
from tradewind.snapshot.contents import Operation

_ANSWERS_WITH_TEXT = frozenset({Operation.CHAT, Operation.COMPLETIONS})


def context_or_unknown(told: int | None) -> int:
    return UNKNOWN_CONTEXT_TOKENS if told is None else told


def output_or_unknown(told: int | None, context_tokens: int, operation: Operation) -> int:
    """Return the most tokens of an answer; 0 for a model that answers with something else."""
    if operation not in _ANSWERS_WITH_TEXT:
        return 0
    return min(told or UNKNOWN_OUTPUT_TOKENS, context_tokens)
