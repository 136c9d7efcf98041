"""Which colour a series has in a chart: the same on every page, as far as there are colours."""

import hashlib
from collections.abc import Sequence

from tradewind.readmodels.usage import OTHER


def assign_colors(groups: Sequence[str], colors: int) -> dict[str, int]:
    """Return a slot from 1 to `colors` for each group, and `colors + 1` for OTHER.

    A group asks for the slot that its name hashes to and takes the next free one when two clash, so
    a colour seldom moves when groups come and go. At most `colors` groups besides OTHER.
    """
    named = [group for group in groups if group != OTHER]
    assert len(named) <= colors, "the chart has more series than colours"
    taken: dict[str, int] = {}
    for group in sorted(named):
        wanted = int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") % colors
        used = set(taken.values())
        taken[group] = next(
            slot for step in range(colors) if (slot := (wanted + step) % colors + 1) not in used
        )
    if OTHER in groups:
        taken[OTHER] = colors + 1
    return taken
