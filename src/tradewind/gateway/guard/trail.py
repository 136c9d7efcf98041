"""What the request log keeps of a call's policies. Pure."""

from collections.abc import Iterable, Sequence

from tradewind.gateway.guard.judging import gravest_flags
from tradewind.gateway.guard.policies import Guard
from tradewind.snapshot.safety import Action
from tradewind.usage.event import Flag, SafetyTrail

_FROM_SEVERITY = 2
"""What is safe is not written down, unless something followed from it."""
_MOST_FLAGS = 64
_MOST_FAILURES = 32


def trail_of(
    guard: Guard,
    flags: Iterable[Sequence[Flag]],
    failures: Sequence[tuple[str, str]],
    blocked_at: int | None,
    examined_s: float,
) -> SafetyTrail:
    """`flags` are those of each judgement there was."""
    told = [
        flag
        for flag in gravest_flags(*flags)
        if flag.severity >= _FROM_SEVERITY or flag.action != Action.ANNOTATE
    ]
    told.sort(key=lambda flag: flag.severity, reverse=True)
    return SafetyTrail(
        guard.policies,
        tuple(told[:_MOST_FLAGS]),
        tuple(dict.fromkeys(failures))[:_MOST_FAILURES],
        blocked_at,
        int(examined_s * 1e6),
    )
