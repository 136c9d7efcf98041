"""Moving a target between tiers with two buttons. Pure.

A tier is a number, 0 is tried first; here each target's is known by the target's id.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Moves(NamedTuple):
    """Which of the buttons of a target do something."""

    up: bool
    down: bool


def moved_up(tiers: Mapping[str, int], target_id: str) -> dict[str, int]:
    """Put a target into the tier before its own, or alone in front of all."""
    tier = tiers[target_id]
    if tier > min(tiers.values()):
        return _closed_up({**tiers, target_id: max(_below(tiers, tier))})
    return _closed_up({**tiers, target_id: tier - 1})


def moved_down(tiers: Mapping[str, int], target_id: str) -> dict[str, int]:
    """Put a target into the tier behind its own, or alone behind all."""
    tier = tiers[target_id]
    behind = [other for other in tiers.values() if other > tier]
    return _closed_up({**tiers, target_id: min(behind, default=tier + 1)})


def moves_of(tiers: Mapping[str, int]) -> dict[str, Moves]:
    """Return what each target's buttons can do: whoever is alone at an end stays there."""
    numbers = list(tiers.values())
    first, last = min(numbers, default=0), max(numbers, default=0)
    return {
        target_id: Moves(
            up=tier > first or numbers.count(tier) > 1,
            down=tier < last or numbers.count(tier) > 1,
        )
        for target_id, tier in tiers.items()
    }


def _below(tiers: Mapping[str, int], tier: int) -> list[int]:
    return [other for other in tiers.values() if other < tier]


def _closed_up(tiers: Mapping[str, int]) -> dict[str, int]:
    """Number the tiers from 0 without gaps."""
    places = {tier: place for place, tier in enumerate(sorted(set(tiers.values())))}
    return {target_id: places[tier] for target_id, tier in tiers.items()}
